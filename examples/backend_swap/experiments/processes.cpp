// processes: one counting job over threads and over processes with memory of their own.

#include <algorithm>
#include <stdexcept>

#include <weft/weft.h>

#include "crew.h"
#include "experiment.h"
#include "measure.h"
#include "sweep.h"
#include "units.h"

namespace lab {

void run_processes(Context& context, Section& section) {
  const std::int64_t n = std::int64_t{64} << 20;
  const int workers = std::max(2, context.threads);
  const SharedBytes bytes(n);
  weft::Generator generator(1);
  const weft::Tensor random = weft::randint(0, 256, {n}, {weft::cpu(), weft::DType::uint8}, generator);
  std::copy_n(random.data<std::uint8_t>(), n, bytes.data());
  std::int64_t truth = 0;
  for (std::int64_t i = 0; i < n; ++i) truth += bytes.data()[i] == 7 ? 1 : 0;

  struct Kind {
    Crew crew;
    const char* name;
    const char* memory;
  };
  const Kind kinds[] = {{Crew::threads, "threads", "one memory for all"},
                        {Crew::shared_memory, "processes, shared memory", "their own, and one piece in common"},
                        {Crew::pipes, "processes, pipes", "their own"}};
  Table table;
  table.title = format("Counting the sevens in 64 MiB with %d workers", workers);
  table.columns = {
      {"workers", ""}, {"memory", ""}, {"start and end, no work", "s"}, {"whole job", "s"}, {"data", "B/s"}};
  Chart chart;
  chart.kind = ChartKind::bars;
  chart.id = "processes";
  chart.title = format("The same count with %d workers: what memory of one's own costs", workers);
  chart.x = {"time of the whole job", "s"};
  chart.parts = {"time"};
  Cell threads, pipes;
  for (const Kind& kind : kinds) {
    const auto job = [&](std::int64_t size) {
      std::int64_t found = 0;
      for (const Share& s : count_sevens(kind.crew, bytes.data(), size, workers)) {
        if (!s.lost.empty()) throw std::runtime_error(std::string(kind.name) + ": a worker " + s.lost);
        found += s.count;
      }
      if (size == n && found != truth) throw std::runtime_error(std::string(kind.name) + " counted wrong");
    };
    const Cell start = time_of(measure([&] { job(0); }, context.budget.share(0) * 2));
    const Measured whole = measure([&] { job(n); }, context.budget.share(0) * 4);
    table.add({text(kind.name), text(kind.memory), start, time_of(whole), rate_of(whole, static_cast<double>(n))});
    chart.bars.push_back(bar_of(kind.name, time_of(whole)));
    if (kind.crew == Crew::threads) threads = time_of(whole);
    if (kind.crew == Crew::pipes) pipes = time_of(whole);
  }
  if (clearly_smaller(threads, pipes)) {
    section.verdicts.push_back("Sending the data through pipes makes the job " +
                               quantity(*pipes.value / *threads.value, "x") +
                               " as long as with threads, which look at it where it is.");
  }

  Table crash;
  crash.title = "Worker 2 is made to crash half-way";
  crash.columns = {{"workers", ""},
                   {"what became of worker 2", ""},
                   {"lost share, bytes", ""},
                   {"counted by the others", ""},
                   {"the program", ""}};
  for (const Kind& kind : kinds) {
    if (kind.crew == Crew::threads) {
      crash.add({text(kind.name), text("not tried: a crash of a thread is a crash of the whole program"), text(""),
                 text(""), text("")});
      continue;
    }
    const std::vector<Share> shares = count_sevens(kind.crew, bytes.data(), n, workers, 1);
    std::int64_t others = 0;
    for (const Share& s : shares) others += s.count;
    for (const Share& s : shares) {
      if (s.lost.empty()) continue;
      crash.add({text(kind.name), text(s.lost), text(with_commas(s.begin) + " to " + with_commas(s.end - 1)),
                 exact(static_cast<double>(others)), text("runs on")});
      section.verdicts.push_back(std::string(kind.name) + ": worker 2 " + s.lost + "; its share, bytes " +
                                 with_commas(s.begin) + " to " + with_commas(s.end - 1) +
                                 ", is lost, everything else is counted.");
    }
  }
  section.tables.push_back(std::move(table));
  section.tables.push_back(std::move(crash));
  section.charts.push_back(std::move(chart));
}

}  // namespace lab
