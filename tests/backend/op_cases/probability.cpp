#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {

std::vector<OpCase> probability_cases() {
  using Tensors = std::vector<Tensor>;
  std::vector<OpCase> rows;
  const auto probability = [&](const char* name, bool log, const Shape& shape, int axis, bool independent,
                               const Shape& large) {
    OpCase row;
    row.name = name;
    row.inputs = {{shape}};
    row.call = [log, axis](const Tensors& x) { return log ? log_softmax(x[0], axis) : softmax(x[0], axis); };
    row.terms = 16;
    row.rows = independent;
    row.large = {large};
    row.empty = {{Shape::filled(shape.rank(), 0)}};
    rows.push_back(row);
  };
  probability("softmax", false, {4, 7}, -1, true, {300, 517});
  probability("softmax/columns", false, {4, 3}, 0, false, {300, 517});
  probability("softmax/middle", false, {2, 4, 3}, 1, true, {30, 40, 50});
  probability("log_softmax", true, {4, 7}, -1, true, {300, 517});
  probability("log_softmax/columns", true, {4, 3}, 0, false, {300, 517});

  const auto loss = [&](const char* name, Reduction reduction) {
    OpCase row;
    row.name = name;
    row.inputs = {{{5, 4}}, {{5}, Domain::normal, Kind::index, 4}};
    row.call = [reduction](const Tensors& x) { return cross_entropy(x[0], x[1], reduction); };
    row.terms = 24;
    row.rows = reduction == Reduction::none;
    row.large = {{1000, 10}, {1000}};
    rows.push_back(row);
  };
  loss("cross_entropy", Reduction::mean);
  loss("cross_entropy/sum", Reduction::sum);
  loss("cross_entropy/none", Reduction::none);

  OpCase drop;
  drop.name = "dropout";
  drop.inputs = {{{3, 5}}};
  drop.call = [](const Tensors& x) {
    Generator generator(7);  // the same mask every time
    return dropout(x[0], 0.25, true, generator);
  };
  drop.elementwise = true;
  drop.large = {{301, 513}};
  rows.push_back(drop);
  drop.name = "dropout/off";
  drop.call = [](const Tensors& x) { return dropout(x[0], 0.25, false); };
  rows.push_back(drop);
  return rows;
}

}  // namespace weft::test
