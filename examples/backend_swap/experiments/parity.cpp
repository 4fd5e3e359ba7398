// parity: one step on two backends, every result compared, the first one that differs named.

#include <weft/weft.h>

#include "digits.h"
#include "experiment.h"

namespace lab {
namespace {

struct Net {
  const char* name;
  std::shared_ptr<weft::nn::Sequential> model;
  weft::Tensor batch;
};

void compare_on(const Net& net, const Place& a, const Place& b, Section& section, Table& table, Chart& chart) {
  const std::string pair =
      (a.device == weft::cpu() ? "cpu" : a.name) + " and " + (b.device == weft::cpu() ? "cpu" : b.name);
  const std::string why_not = !a.here() ? a.why_not : b.why_not;
  if (!why_not.empty()) {
    table.add({text(net.name), text(pair), absent(why_not), absent(why_not), absent(why_not), absent(why_not)});
    chart.bars.push_back({std::string(net.name) + ", " + pair, {}, 0, 0, why_not});
    return;
  }
  const auto loss = [](weft::nn::Module& model, const weft::Tensor& x) {
    const std::int64_t n = x.size(0);
    const weft::Tensor labels = weft::arange(static_cast<double>(n), {x.device(), weft::DType::int64});
    return weft::cross_entropy(model(x), labels);
  };
  weft::ParityOptions options;
  options.loss = loss;
  const weft::ParityReport report = weft::parity(*net.model, net.batch, a.device, b.device, options);
  options.tolerance = 0;  // bit for bit: where does rounding begin to differ?
  const weft::ParityReport exactly = weft::parity(*net.model, net.batch, a.device, b.device, options);
  table.add({text(net.name), text(pair), exact(static_cast<double>(report.compared)), exact(report.worst),
             text(report.agree ? "none" : report.message), text(exactly.agree ? "none" : exactly.message)});
  if (report.worst > 0) {
    chart.bars.push_back({std::string(net.name) + ", " + pair, {report.worst}, 0, 0, ""});
  } else {
    chart.bars.push_back({std::string(net.name) + ", " + pair, {}, 0, 0, "the same bits"});
  }
  section.verdicts.push_back(std::string(net.name) + ": " + pair +
                             (report.agree ? " agree within 1e-4 in every result, forward and backward."
                                           : " differ first here: " + report.message));
}

}  // namespace

void run_parity(Context& context, Section& section) {
  Table table;
  table.title = "One forward and one backward, compared result by result";
  table.columns = {{"network", ""},           {"backends", ""},
                   {"results compared", ""},  {"largest relative distance", ""},
                   {"first beyond 1e-4", ""}, {"first that is not the same bits", ""}};
  Chart chart;
  chart.kind = ChartKind::bars;
  chart.id = "parity";
  chart.title = "The largest relative distance between two backends";
  chart.x = {"||b - a|| / ||a|| of the worst result (log); float32 rounds to 6e-8", "", true};
  chart.parts = {"distance"};
  weft::manual_seed(1);
  const Net nets[] = {{"MLP", make_mlp(64), weft::rand({10, 1, 28, 28})},
                      {"LeNet", make_lenet(), weft::rand({10, 1, 28, 28})}};
  for (const Net& net : nets) {
    compare_on(net, context.serial(), context.all_threads(), section, table, chart);
    compare_on(net, context.serial(), context.gpu(), section, table, chart);
    compare_on(net, context.all_threads(), context.gpu(), section, table, chart);
  }
  table.note =
      "float32. Backends add in different orders, so the last bits differ from the first product or sum on; nothing "
      "else should.";
  section.tables.push_back(std::move(table));
  section.charts.push_back(std::move(chart));
}

}  // namespace lab
