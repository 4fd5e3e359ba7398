#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "experiment.h"
#include "machine.h"
#include "measure.h"
#include "units.h"

namespace lab {

const std::vector<Experiment>& experiments() {
  static const std::vector<Experiment> list = {
      {"matmul", "Matrix products: the gap grows with size",
       "The same product, from three plain loops to every core and the GPU: small matrices do not pay for the way "
       "there, "
       "large ones pay many times over.",
       "Follow the lines from left to right. Plain loops stay flat: one multiply-add after the other, whatever the "
       "size. "
       "The vectorised product climbs as soon as there is enough work to fill the registers and caches, and all "
       "threads "
       "leave one thread behind only where the work is worth waking them. Where two lines cross, the faster way "
       "changes "
       "hands; the dashed marks say where. Changing the order of three loops (i-j-k against i-k-j) changes nothing but "
       "the way through memory.",
       run_matmul},
      {"train", "Training: the same network on every backend",
       "One network, one seed, the same batches: only the backend changes, and with it the time, not the accuracy.",
       "The first chart is the answer in one line each. The second shows where the time goes: on serial almost all of "
       "it "
       "is arithmetic, forward and backward; the faster the arithmetic becomes, the larger the share of everything "
       "else. With small batches and narrow layers there is too little to do at once, and a faster backend has nothing "
       "to "
       "be faster at: follow the lines over the batch size to see where each begins to pay.",
       run_train},
      {"cores", "More cores, and who takes which task",
       "Threads share memory and speed up what keeps the processor busy; two are not twice as fast where they wait for "
       "memory or for each other, and an uneven pile of tasks is done sooner from a queue.",
       "In the first chart a worker that has finished its half stands idle: it does not make its neighbour faster. "
       "With a "
       "queue it takes the next task instead, and with the longest tasks first the last ones are short. In the second "
       "chart the compute-bound job follows the number of cores; the one with a part for one thread alone bends away, "
       "as "
       "Amdahl's law says; the memory-bound one stops where the memory is busy. More threads than cores bring nothing.",
       run_cores},
      {"peaks", "What the machine can do at most",
       "Every device has two limits, operations and bytes per second; which one holds an operation back follows from "
       "how "
       "often it uses each byte.",
       "The roof rises with the operations per byte until arithmetic is the limit, then it is flat. Sums and additions "
       "use each byte once and lie under the slope: faster arithmetic would not help them. Large matrix products use "
       "each byte hundreds of times and come near the flat part. A GPU moves both limits up; the dashed line is one "
       "that "
       "was published, not measured here.",
       run_peaks},
      {"loading", "Loading in the background",
       "Reading and decoding on background threads overlaps with computing; training stops waiting for its data.",
       "Without loader threads decoding and computing take turns. With one, the next batch is decoded while this one "
       "is "
       "computed, and the longer of the two sets the pace. More threads help only while decoding is the longer one and "
       "a "
       "core is free.",
       run_loading},
      {"vector-add", "Adding vectors: the bytes decide",
       "One addition for twelve bytes: small work does not pay for the trip, and large work is as fast as memory, not "
       "as "
       "fast as arithmetic.",
       "For few elements a call costs the same however few they are: that is the price of the call. Then the lines "
       "rise "
       "with the bytes. All threads gain over one only where there is enough to carry, and never by more than memory "
       "allows. On a GPU that has to fetch both vectors over the bus and to send the result back, the trip takes "
       "longer "
       "than the addition.",
       run_vector_add},
      {"reduce", "Sums: one after the other, or as a tree",
       "Eight numbers are 7 additions one after the other, but 3 steps when pairs are added at once; the same tree "
       "sums "
       "hundreds of millions.",
       "The additions of one row of the tree do not wait for each other, so they can happen at the same time: in the "
       "lanes of a vector register, on other cores, in the threads of a warp. One after the other, every addition "
       "waits "
       "for the one before, whatever the processor could do meanwhile. The tree is also more exact.",
       run_reduce},
      {"parity", "Do the backends compute the same?",
       "The same step on two backends gives the same activations and gradients, up to the rounding of the order in "
       "which "
       "numbers are added.",
       "Every result of every operation, forward and backward, is compared in the order in which it was computed, and "
       "the "
       "first one that differs is named with the layer it belongs to. The bars lie near the rounding of float32; a bug "
       "would stand out by orders of magnitude.",
       run_parity},
      {"precision", "Fewer bits for each number",
       "Half the bits are half the bytes, and on hardware made for it many times the speed; training keeps its "
       "accuracy if "
       "small gradients are saved from vanishing.",
       "On a processor without 16-bit arithmetic the short types cost time: they are converted, computed in float32 "
       "and "
       "rounded back. What they save is memory. On a GPU the Tensor Cores multiply them directly. In training, compare "
       "the "
       "share of gradients that are 0: float16 loses the smallest ones unless the loss is scaled up first, bfloat16 "
       "has the "
       "range of float32 and does not need it. The master weights stay float32.",
       run_precision},
      {"conv", "Convolutions: algorithm and layout",
       "The same convolution takes many times longer or shorter with the order of the loops and of the axes in memory.",
       "What lies next to each other in memory is what a vector register or a warp can take at once: pixels of a row "
       "(NCHW), channels (NHWC) or images of the batch (CHWN). Which is best depends on which of these is long. "
       "Turning "
       "the windows into a matrix makes a convolution one large product, at the price of copying; a library picks.",
       run_conv},
      {"timeline", "One training step, part by part",
       "A step is a copy to the device, kernels, and a small result back; each can be pointed at.",
       "Read the lanes from top to bottom, time runs to the right. On serial and cpu the copies are short, the "
       "arithmetic is "
       "everything. On a GPU the arithmetic shrinks until the copies and the gaps between kernels are what one sees, "
       "which "
       "is why weights stay on the device and why steps are captured. The trace file shows the same in "
       "ui.perfetto.dev.",
       run_timeline},
      {"processes", "Threads or processes",
       "Processes have memory of their own: a crash stays in one of them, and data have to travel.",
       "Threads start in microseconds and see the data where they are. A process takes longer to start, and what goes "
       "through a pipe is copied twice; shared memory saves the copies. In return, the worker that crashes takes "
       "nothing "
       "with it but its share, which is named.",
       run_processes},
      {"simt", "Many threads, one instruction",
       "A GPU is fast because many lanes share one instruction, enough of them are in flight, they go the same way, "
       "and "
       "neighbours read neighbours; a processor shows each of these on a smaller scale.",
       "Each chart is one condition for speed. Lanes: wider vectors, more done by one instruction. Latency: one chain "
       "of "
       "dependent operations leaves the arithmetic idle, a handful keep it busy. Stride: jumping through memory wastes "
       "most of every line that is fetched. Divergence: a branch that cannot be foreseen costs more than computing "
       "both "
       "sides. The tables for cuda show the same on a GPU, with warps in place of lanes and chains.",
       run_simt},
  };
  return list;
}

const Experiment* find_experiment(std::string_view name) {
  for (const Experiment& e : experiments()) {
    if (name == e.name) return &e;
  }
  return nullptr;
}

namespace {

/// Processor seconds of everything that runs on this machine, and of this process with its children.
struct Processor {
  double all = 0, own = 0;
};

Processor processor_now() {
  Processor p;
  std::ifstream stat("/proc/stat");
  std::string word;
  stat >> word;
  double ticks = 0;
  for (int field = 0; field < 8 && stat >> ticks; ++field) {
    if (field != 3 && field != 4)
      p.all += ticks / static_cast<double>(sysconf(_SC_CLK_TCK));  // idle, waiting for disks
  }
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    getrusage(who, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    p.own += seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  return p;
}

/// Insertions, deletions and replacements between two words.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = corner + (a[i] == b[j] ? 0 : 1);
      corner = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view name) {
  std::string best;
  std::size_t closest = std::numeric_limits<std::size_t>::max();
  const auto offer = [&](const char* known) {
    const std::size_t d = distance(name, known);
    if (d >= closest) return;
    closest = d;
    best = known;
  };
  for (const Experiment& e : experiments()) offer(e.name);
  for (const char* word : {"all", "list", "report"}) offer(word);
  return best;
}

Section run_experiment(const Experiment& experiment, Context& context) {
  Section section;
  section.name = experiment.name;
  section.title = experiment.title;
  section.claim = experiment.claim;
  section.see = experiment.see;
  section.date = date_now();
  context.budget = Budget(context.budget.limits());
  const double begin = now();
  const Processor before = processor_now();
  try {
    experiment.run(context, section);
  } catch (const std::exception& e) {  // the others go on; the report says what happened
    section.failure = e.what();
  }
  section.seconds = now() - begin;
  const Processor after = processor_now();
  const double others = ((after.all - before.all) - (after.own - before.own)) / std::max(section.seconds, 1e-3);
  if (section.seconds > 0.2 && others > 0.2) {
    section.notes.push_back(
        format("Other programs kept %.1f of this machine's cores busy meanwhile: read times as upper "
               "bounds, and trust a ratio no further than its spread.",
               others));
  }
  return section;
}

}  // namespace lab
