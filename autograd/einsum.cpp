// Einstein's summation of one or two operands: sums, permutations and one batched product, all of them recorded, so the
// way back is theirs.
//
// With two operands every axis is one of four kinds: in both and in the result (batch), in both only (contracted), and
// in one and in the result (free of a, free of b). What is in one operand and not in the result is summed first. Then
//
//     a: batch, free of a, contracted      b: batch, contracted, free of b      ->  batch, free of a, free of b
//
// are three matrices each, (B, M, K) (B, K, N) -> (B, M, N), whatever the number of axes.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/ops.h>

namespace weft {
namespace {

constexpr const char* op_name = "einsum";

// An axis is known by its letter; the axes behind "..." have labels of their own, counted from their right, below every
// letter: dots_first is the last of them.
using Label = int;
constexpr Label dots_last = 8;
constexpr Label label_of_dots(int from_the_right) { return dots_last - from_the_right; }

std::string text_of(Label label) {
  if (label > dots_last) return std::string(1, static_cast<char>(label));
  return message("axis ", label - dots_last - 1, " of ...");
}

// One side of the equation between commas: the labels as written, with where "..." stands among them.
struct Term {
  std::vector<Label> labels;
  int dots = -1;  // how many labels stand before "...", -1: there is none
};

class Parser {
 public:
  Parser(std::string_view equation, CallSite at) : text_(equation), at_(at) {}

  std::vector<Term> terms;
  Term result;
  bool has_arrow = false;

  void parse() {
    terms.emplace_back();
    while (place_ < text_.size()) {
      const char c = text_[place_];
      Term& term = has_arrow ? result : terms.back();
      if (c == ' ') {
        ++place_;
      } else if (c == ',') {
        if (has_arrow) refuse("has a comma behind \"->\"");
        terms.emplace_back();
        ++place_;
      } else if (c == '-') {
        if (place_ + 1 == text_.size() || text_[place_ + 1] != '>') refuse("has a '-' without '>'");
        if (has_arrow) refuse("has a second \"->\"");
        has_arrow = true;
        place_ += 2;
      } else if (c == '.') {
        if (text_.substr(place_, 3) != "...") refuse("has a '.' that is not one of three");
        if (term.dots >= 0) refuse("has a second \"...\" in one term");
        term.dots = static_cast<int>(term.labels.size());
        place_ += 3;
      } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        add(term, c);
        ++place_;
      } else {
        refuse(message("has ", printable(c), "; expected letters, commas, \"...\" and \"->\""));
      }
    }
  }

 private:
  void add(Term& term, char c) {
    if (std::find(term.labels.begin(), term.labels.end(), c) != term.labels.end()) {
      refuse(message("names '", c, "' twice in ", has_arrow ? "the result" : message("operand ", terms.size() - 1),
                     has_arrow ? "" : "; a diagonal is not built"));
    }
    if (has_arrow) {
      const bool known = std::any_of(terms.begin(), terms.end(), [c](const Term& t) {
        return std::find(t.labels.begin(), t.labels.end(), c) != t.labels.end();
      });
      if (!known) refuse(message("names '", c, "' in the result, and no operand has it"));
    }
    term.labels.push_back(c);
  }

  static std::string printable(char c) {
    const auto code = static_cast<unsigned char>(c);
    return code >= 0x20 && code < 0x7F ? std::string{'\'', c, '\''} : message("the byte ", static_cast<int>(code));
  }

  [[noreturn]] void refuse(std::string_view what) const {
    throw ValueError(ErrorCode::value_invalid, op_name,
                     message("the equation \"", text_, "\" ", what, ", at position ", place_), at_);
  }

  std::string_view text_;
  CallSite at_;
  std::size_t place_ = 0;
};

// The labels of a term with those of `count` axes in the place of "...".
std::vector<Label> with_dots(const Term& term, int count) {
  std::vector<Label> labels = term.labels;
  std::vector<Label> dots;
  for (int i = count; i > 0; --i) dots.push_back(label_of_dots(i - 1));
  if (term.dots >= 0) labels.insert(labels.begin() + term.dots, dots.begin(), dots.end());
  return labels;
}

bool holds(const std::vector<Label>& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// A tensor with a label for each of its axes.
struct Labelled {
  Tensor tensor;
  std::vector<Label> labels;

  std::int64_t extent(Label label) const {
    return tensor.size(static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin()));
  }

  // Sums the axes for which drop(label) holds.
  template <class F>
  void sum_where(F drop, CallSite at) {
    Axes axes;
    std::vector<Label> kept;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (drop(labels[i])) {
        axes.push_back(static_cast<int>(i));
      } else {
        kept.push_back(labels[i]);
      }
    }
    if (axes.empty()) return;
    tensor = sum(tensor, axes, false, at);
    labels = std::move(kept);
  }

  // The axes in this order; the labels are those of the tensor.
  Tensor in_order(const std::vector<Label>& order, CallSite at) const {
    if (order == labels) return tensor;
    Axes axes;
    for (const Label label : order) {
      axes.push_back(static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin()));
    }
    return permute(tensor, axes, at);
  }
};

std::int64_t count_of(const Labelled& x, const std::vector<Label>& labels) {
  std::int64_t n = 1;
  for (const Label label : labels) n *= x.extent(label);
  return n;
}

std::vector<Label> joined(std::vector<Label> a, const std::vector<Label>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

void check_extents(const Labelled& a, const Labelled& b, CallSite at) {
  for (const Label label : a.labels) {
    if (!holds(b.labels, label)) continue;
    const std::int64_t left = a.extent(label), right = b.extent(label);
    if (left == right || left == 1 || right == 1) continue;
    throw ShapeError(ErrorCode::shape_mismatch, op_name,
                     message(text_of(label), " is ", left, " in operand 0 ", a.tensor.shape(), " and ", right,
                             " in operand 1 ", b.tensor.shape()),
                     at);
  }
}

Tensor product(Labelled a, Labelled b, const std::vector<Label>& result, CallSite at) {
  check_extents(a, b, at);
  // An extent of 1 beside a longer one is repeated: without that axis the operand says the same.
  const auto shorter = [](const Labelled& x, const Labelled& y, Label label) {
    return holds(y.labels, label) && x.extent(label) == 1 && y.extent(label) != 1;
  };
  const Labelled a_before = a;
  a.sum_where([&](Label label) { return shorter(a_before, b, label); }, at);
  b.sum_where([&](Label label) { return shorter(b, a_before, label); }, at);
  a.sum_where([&](Label label) { return !holds(result, label) && !holds(b.labels, label); }, at);
  b.sum_where([&](Label label) { return !holds(result, label) && !holds(a.labels, label); }, at);

  std::vector<Label> batch, contracted, free_a, free_b;
  for (const Label label : a.labels) {
    const bool shared = holds(b.labels, label);
    (!shared ? free_a : holds(result, label) ? batch : contracted).push_back(label);
  }
  for (const Label label : b.labels) {
    if (!holds(a.labels, label)) free_b.push_back(label);
  }
  Shape shape;  // batch, free_a, free_b; it has the axes of the result, whose rank was checked
  for (const Label label : joined(batch, free_a)) shape.push_back(a.extent(label));
  for (const Label label : free_b) shape.push_back(b.extent(label));
  const std::int64_t blocks = count_of(a, batch), rows = count_of(a, free_a), columns = count_of(b, free_b),
                     inner = count_of(a, contracted);
  check_shape(shape, item_size(a.tensor.dtype()), op_name, at);
  Tensor left = a.in_order(joined(joined(batch, free_a), contracted), at);
  Tensor right = b.in_order(joined(joined(batch, contracted), free_b), at);
  Tensor y;
  if (contracted.empty()) {  // every pair once: no sum, so no product of matrices
    y = mul({reshape(left, {blocks, rows, 1}, at), at}, reshape(right, {blocks, 1, columns}, at));
  } else if (batch.empty()) {
    y = matmul(reshape(left, {rows, inner}, at), reshape(right, {inner, columns}, at), at);
  } else {
    y = matmul(reshape(left, {blocks, rows, inner}, at), reshape(right, {blocks, inner, columns}, at), at);
  }
  const Labelled made{reshape(y, shape, at), joined(joined(batch, free_a), free_b)};
  return made.in_order(result, at);
}

}  // namespace

Tensor einsum(std::string_view equation, std::span<const Tensor> operands, CallSite at) {
  Parser parsed(equation, at);
  parsed.parse();
  if (operands.empty() || operands.size() > 2) {
    throw ValueError(ErrorCode::value_invalid, op_name,
                     message(operands.size(), " operands; expected one or two, more are several calls"), at);
  }
  if (parsed.terms.size() != operands.size()) {
    throw ValueError(ErrorCode::value_invalid, op_name,
                     message("the equation \"", equation, "\" has ", parsed.terms.size(), " terms for ",
                             operands.size(), " operands"),
                     at);
  }
  int dots = 0;
  std::vector<int> hidden;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const std::string argument = message("operand ", i);
    ops::check_defined(operands[i], op_name, argument.c_str(), at);
    ops::check_floating(operands[i], argument.c_str(), op_name, at);
    const Term& term = parsed.terms[i];
    const int named = static_cast<int>(term.labels.size()), rank = operands[i].rank();
    if (named > rank || (named < rank && term.dots < 0)) {
      throw ShapeError(ErrorCode::shape_mismatch, op_name,
                       message("the equation \"", equation, "\" names ", named, " axes of operand ", i, ", which is ",
                               operands[i].shape(), named < rank ? "; write \"...\" for the others" : ""),
                       at);
    }
    hidden.push_back(rank - named);
    dots = std::max(dots, rank - named);
  }
  if (operands.size() == 2) {
    ops::check_same_device(operands[0], operands[1], op_name, at, "operand 0", "operand 1");
    ops::check_same_dtype(operands[0], operands[1], op_name, at, "operand 0", "operand 1");
  }
  std::vector<Labelled> inputs;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    inputs.push_back({operands[i], with_dots(parsed.terms[i], hidden[i])});
  }
  if (!parsed.has_arrow) {
    parsed.result.dots = 0;
    for (const Term& term : parsed.terms) {
      for (const Label label : term.labels) {
        const auto times = std::count_if(parsed.terms.begin(), parsed.terms.end(),
                                         [&](const Term& other) { return holds(other.labels, label); });
        if (times == 1) parsed.result.labels.push_back(label);
      }
    }
    std::sort(parsed.result.labels.begin(), parsed.result.labels.end());
  }
  const std::vector<Label> result = with_dots(parsed.result, dots);
  if (result.size() > static_cast<std::size_t>(max_rank)) {
    throw ShapeError(
        ErrorCode::rank_unsupported, op_name,
        message("the result of \"", equation, "\" has ", result.size(), " axes; at most ", max_rank, " are supported"),
        at);
  }
  if (inputs.size() == 2) return product(std::move(inputs[0]), std::move(inputs[1]), result, at);
  inputs[0].sum_where([&](Label label) { return !holds(result, label); }, at);
  return inputs[0].in_order(result, at);
}

Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands, CallSite at) {
  return einsum(equation, std::span(operands.begin(), operands.size()), at);
}

Tensor outer(const Tensor& a, const Tensor& b, CallSite at) {
  ops::check_defined(a, "outer", "a", at);
  ops::check_defined(b, "outer", "b", at);
  if (a.rank() != 1 || b.rank() != 1) {
    throw ShapeError(ErrorCode::rank_unsupported, "outer",
                     message("a is ", a.shape(), ", b is ", b.shape(), "; both must be vectors"), at);
  }
  ops::check_same_device(a, b, "outer", at);
  ops::check_same_dtype(a, b, "outer", at);
  return mul({unsqueeze(a, 1, at), at}, unsqueeze(b, 0, at));
}

}  // namespace weft
