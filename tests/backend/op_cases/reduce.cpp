#include <limits>
#include <optional>
#include <vector>

#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {
namespace {

using Tensors = std::vector<Tensor>;
using Reduce = Tensor (*)(const Tensor&, const Axes&, bool, CallSite);

template <ReduceOp op>
bool takes(DType dtype) {
  return supports(op, dtype);
}

struct Form {
  const char* suffix;
  Shape shape;
  Axes axes;
  bool keepdim;
  bool rows;
};

// Everything at once, rows, columns, a middle axis, two axes apart, and a tensor without axes.
const Form forms[] = {
    {"", {4, 6}, {}, false, false},
    {"/rows", {4, 6}, {-1}, false, true},
    {"/columns", {4, 6}, {0}, true, false},
    {"/middle", {2, 5, 3}, {1}, false, true},
    {"/apart", {2, 3, 4}, {0, 2}, true, false},
    {"/rank-0", {}, {}, false, false},
};

void add(std::vector<OpCase>& rows, const char* name, Reduce function, bool (*accepts)(DType), Domain domain,
         bool exact, bool gradient, bool of_nothing) {
  for (const Form& form : forms) {
    OpCase row;
    row.name = std::string(name) + form.suffix;
    row.inputs = {{form.shape, domain}};
    row.call = [function, form](const Tensors& x) { return function(x[0], form.axes, form.keepdim, CallSite::here()); };
    row.accepts = accepts;
    row.gradient = gradient;
    row.terms = 24;
    row.exact = exact;
    row.rows = form.rows;
    if (form.shape.rank() == 2) row.large = {{301, 513}};
    if (form.shape.rank() == 3) row.large = {{33, 150, 31}};
    if (of_nothing && form.shape.rank() == 2) row.empty = {{{0, 6}}, {{4, 0}}, {{0, 0}}};
    if (form.shape.rank() == 2 && form.rows && !of_nothing) row.empty = {{{0, 6}}};
    rows.push_back(row);
  }
  // Longer than any block or chunk a backend may use, and not a multiple of one.
  OpCase row = rows[rows.size() - std::size(forms)];
  row.name = std::string(name) + "/long";
  row.inputs = {{{9001}, domain}};
  row.terms = 9001;
  row.gradient = false;  // thousands of finite differences would show nothing new
  row.exact = exact;
  row.large = {{70001}};
  row.empty.clear();
  rows.push_back(row);
}

OpCase arg(const char* name, Tensor (*function)(const Tensor&, std::optional<int>, bool, CallSite),
           std::optional<int> axis, bool keepdim, bool large_rows) {
  OpCase row;
  row.name = name;
  row.inputs = {{{4, 6, 3}, Domain::distinct}};
  row.call = [=](const Tensors& x) { return function(x[0], axis, keepdim, CallSite::here()); };
  row.accepts = any_dtype;
  row.gradient = false;
  row.exact = true;
  row.rows = large_rows;
  row.large = {{30, 40, 50}};
  if (axis) row.empty = {{{0, 6, 3}}};
  return row;
}

template <int p_times_two>
Tensor norm_of(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return norm(x, p_times_two / 2.0, axes, keepdim, at);
}
template <int sign>
Tensor extreme_norm(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return norm(x, sign * std::numeric_limits<double>::infinity(), axes, keepdim, at);
}
template <int correction>
Tensor var_of(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return var(x, axes, correction, keepdim, at);
}
template <int correction>
Tensor std_of(const Tensor& x, const Axes& axes, bool keepdim, CallSite at) {
  return std(x, axes, correction, keepdim, at);
}

void add_statistics(std::vector<OpCase>& rows) {
  const std::size_t before = rows.size();
  add(rows, "prod", prod, takes<ReduceOp::prod>, Domain::near_one, true, true, true);
  add(rows, "var", var_of<1>, is_floating, Domain::normal, false, true, false);
  add(rows, "var/population", var_of<0>, is_floating, Domain::normal, false, true, false);
  add(rows, "std", std_of<1>, is_floating, Domain::normal, false, true, false);
  add(rows, "std/population", std_of<0>, is_floating, Domain::normal, false, true, false);
  add(rows, "norm", norm_of<4>, is_floating, Domain::normal, false, true, true);
  add(rows, "norm/1", norm_of<2>, is_floating, Domain::away_from_zero, false, true, true);
  add(rows, "norm/1.5", norm_of<3>, is_floating, Domain::away_from_zero, false, true, true);
  add(rows, "norm/3", norm_of<6>, is_floating, Domain::away_from_zero, false, true, true);
  add(rows, "norm/0", norm_of<0>, is_floating, Domain::away_from_zero, false, true, true);
  add(rows, "norm/inf", extreme_norm<1>, is_floating, Domain::distinct, false, true, false);
  add(rows, "norm/-inf", extreme_norm<-1>, is_floating, Domain::distinct, false, true, false);
  add(rows, "logsumexp", logsumexp, is_floating, Domain::normal, false, true, true);
  for (std::size_t i = before; i < rows.size(); ++i) {
    OpCase& row = rows[i];
    if (row.name.rfind("prod", 0) == 0) row.large.clear();  // zeros and overflows meet there in any order
    // One element has no deviation (NaN), and a constant one a standard deviation with a kink.
    if (row.name == "var/rank-0" || row.name == "std/rank-0") row.gradient = false;
  }
  std::erase_if(rows, [](const OpCase& row) { return row.name == "prod/long"; });
}

}  // namespace

std::vector<OpCase> reduce_cases() {
  std::vector<OpCase> rows;
  add(rows, "sum", sum, takes<ReduceOp::sum>, Domain::normal, true, true, true);
  add(rows, "mean", mean, is_floating, Domain::normal, false, true, false);
  add(rows, "max", max, takes<ReduceOp::max>, Domain::distinct, true, true, false);
  add(rows, "min", min, takes<ReduceOp::min>, Domain::distinct, true, true, false);
  add(rows, "any", any, takes<ReduceOp::any>, Domain::normal, true, false, true);
  add(rows, "all", all, takes<ReduceOp::all>, Domain::normal, true, false, true);
  rows.push_back(arg("argmax/last", argmax, -1, false, true));
  rows.push_back(arg("argmax/middle", argmax, 1, true, true));
  rows.push_back(arg("argmin/last", argmin, -1, true, true));
  rows.push_back(arg("argmax/all", argmax, {}, false, false));
  rows.push_back(arg("argmin/all", argmin, {}, true, false));
  add_statistics(rows);
  return rows;
}

}  // namespace weft::test
