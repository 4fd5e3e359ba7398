#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include <weft/backends/tape.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/philox.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/step_script.h>

// Draws from distributions the caller describes by a tensor. The arguments are checked before the generator moves.

namespace weft {

Tensor bernoulli(const Tensor& probabilities, Generator& generator, CallSite at) {
  constexpr const char* name = "bernoulli";
  const TraceSpan span(name, "op");
  ops::check_defined(probabilities, name, "probabilities", at);
  ops::check_floating(probabilities, "probabilities", name, at);
  const DType dtype = probabilities.impl()->view.dtype;
  const DType precision = dtype == DType::float64 ? DType::float64 : DType::float32;
  const Tensor p = dtype == precision ? probabilities : ops::cast(probabilities, precision, name, at);
  if (ops::has_elements(p) && backends::active_tape() == nullptr) {
    const auto extreme = [&](ReduceOp op) { return ops::reduce(op, p, {}, false, name, at).item(at); };
    const double lowest = extreme(ReduceOp::min), highest = extreme(ReduceOp::max);
    if (!(lowest >= 0 && highest <= 1)) {  // NaN is both
      throw ValueError(ErrorCode::value_out_of_range, name,
                       message("probabilities reach from ", lowest, " to ", highest, "; expected 0 to 1"), at);
    }
  }
  const Tensor u = ops::random(RandomKind::uniform, p.impl()->view.shape, {p.impl()->storage->device, precision},
                               next_key(generator), name, at);
  return ops::cast(ops::binary(BinaryOp::lt, {u, at}, {p, at}, name, at), dtype, name, at);
}

namespace {

// The weights of a row are checked and their sum is taken, in order.
double total_of(const double* weights, std::int64_t categories, std::int64_t row, std::int64_t samples,
                bool replacement, CallSite at) {
  double total = 0;
  std::int64_t positive = 0;
  for (std::int64_t i = 0; i < categories; ++i) {
    const double w = weights[i];
    if (!std::isfinite(w) || w < 0) {
      throw ValueError(ErrorCode::value_out_of_range, "multinomial",
                       message("weight ", i, " of row ", row, " is ", w, "; expected a finite number, 0 or more"), at);
    }
    total += w;
    positive += w > 0;
  }
  const std::int64_t needed = replacement ? std::min<std::int64_t>(samples, 1) : samples;
  if (positive < needed) {
    throw ValueError(ErrorCode::value_out_of_range, "multinomial",
                     message("row ", row, " has ", positive, " positive weights, ", samples, " samples",
                             replacement ? "" : " without replacement", " need ", needed),
                     at);
  }
  if (!std::isfinite(total)) {
    throw ValueError(ErrorCode::value_out_of_range, "multinomial",
                     message("the weights of row ", row, " add up to more than a float64 holds"), at);
  }
  return total;
}

// The inverse of the distribution function, by bisection: the first category whose sum of weights up to it exceeds
// u total. L. Devroye, Non-Uniform Random Variate Generation, 1986, section III.2.
void draw_with_replacement(const double* weights, std::int64_t categories, double total, const backends::RandomKey& key,
                           std::uint64_t first, std::span<std::int64_t> out) {
  std::vector<double> sums(static_cast<std::size_t>(categories));
  std::partial_sum(weights, weights + categories, sums.begin());
  std::int64_t last = categories - 1;  // with a positive weight: what a product rounded up to the total itself gets
  while (last > 0 && weights[last] == 0) --last;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double u = philox_uniform_f64(key.seed, key.draw, first + i);
    const auto found = std::upper_bound(sums.begin(), sums.end(), u * total) - sums.begin();
    out[i] = std::min<std::int64_t>(found, last);
  }
}

// The smallest of -ln(u) / weight, in order: what drawing one after the other would give. P. S. Efraimidis and
// P. G. Spirakis, "Weighted random sampling with a reservoir", Information Processing Letters 97(5), 2006, algorithm A
// with the logarithm of its keys.
void draw_without_replacement(const double* weights, std::int64_t categories, const backends::RandomKey& key,
                              std::uint64_t first, std::span<std::int64_t> out) {
  struct Candidate {
    double time;
    std::int64_t category;
  };
  std::vector<Candidate> candidates;
  for (std::int64_t i = 0; i < categories; ++i) {
    if (weights[i] == 0) continue;
    const double u = 1 - philox_uniform_f64(key.seed, key.draw, first + static_cast<std::uint64_t>(i));  // (0, 1]
    candidates.push_back({-philox_log(u) / weights[i], i});
  }
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(out.size()), candidates.end(),
                    [](const Candidate& a, const Candidate& b) {
                      return a.time != b.time ? a.time < b.time : a.category < b.category;
                    });
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = candidates[i].category;
}

}  // namespace

Tensor multinomial(const Tensor& weights, std::int64_t samples, bool replacement, Generator& generator, CallSite at) {
  constexpr const char* name = "multinomial";
  const TraceSpan span(name, "op");
  ops::check_defined(weights, name, "weights", at);
  ops::check_floating(weights, "weights", name, at);
  const Shape& from = weights.impl()->view.shape;
  if (from.rank() != 1 && from.rank() != 2) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("weights are ", from, "; expected (categories) or (rows, categories)"), at);
  }
  if (samples < 0) {
    throw ValueError(ErrorCode::value_out_of_range, name, message("samples is ", samples, "; expected 0 or more"), at);
  }
  const std::int64_t categories = from[from.rank() - 1], rows = from.rank() == 2 ? from[0] : 1;
  Shape shape = from;
  shape[from.rank() - 1] = samples;
  check_shape(shape, sizeof(std::int64_t), name, at);
  if (!replacement && rows > 0 && samples > categories) {
    throw ValueError(ErrorCode::value_out_of_range, name,
                     message(samples, " samples without replacement of ", categories, " categories"), at);
  }
  const std::vector<double> host = ops::cast(weights, DType::float64, name, at).to_vector<double>(at);
  std::vector<double> totals;
  for (std::int64_t row = 0; row < rows; ++row) {
    totals.push_back(total_of(host.data() + row * categories, categories, row, samples, replacement, at));
  }
  std::vector<std::int64_t> out(static_cast<std::size_t>(rows * samples));
  const backends::RandomKey key{generator.seed(), generator.draw(), nullptr};
  for (std::int64_t row = 0; row < rows && samples > 0; ++row) {
    const double* const row_weights = host.data() + row * categories;
    const auto place = static_cast<std::size_t>(row * samples);
    const std::span<std::int64_t> target(out.data() + place, static_cast<std::size_t>(samples));
    if (replacement) {
      draw_with_replacement(row_weights, categories, totals[static_cast<std::size_t>(row)], key, place, target);
    } else {
      draw_without_replacement(row_weights, categories, key, static_cast<std::uint64_t>(row * categories), target);
    }
  }
  Tensor drawn = from_vector(out, shape, weights.impl()->storage->device, at);
  generator.next_draw();  // a call that threw takes no draw
  return drawn;
}

}  // namespace weft
