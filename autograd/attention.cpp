// Attention, composed: what the masks leave out is a small number before the softmax and 0 after it.

#include <algorithm>
#include <cmath>
#include <limits>

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>

namespace weft {
namespace {

constexpr const char* fn = "scaled_dot_product_attention";

/// The lowest finite number: beside any score its exponential is 0, and a row of nothing else has no NaN.
double lowest(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return std::numeric_limits<double>::lowest();
    case DType::float16:
      return -65504;
    case DType::bfloat16:
      return -0x1.FEp127;
    default:
      return static_cast<double>(std::numeric_limits<float>::lowest());
  }
}

/// The leading axes of two operands, broadcast.
Shape lead_of(const Shape& a, const Shape& b, const char* a_name, const char* b_name, CallSite at) {
  const int rank = std::max(a.rank(), b.rank()) - 2;
  Shape lead = Shape::filled(rank, 1);
  for (int i = 0; i < rank; ++i) {
    const int in_a = a.rank() - 2 - rank + i, in_b = b.rank() - 2 - rank + i;
    const std::int64_t left = in_a < 0 ? 1 : a[in_a], right = in_b < 0 ? 1 : b[in_b];
    if (left != right && left != 1 && right != 1) {
      throw ShapeError(ErrorCode::shape_mismatch, fn,
                       message("the leading axes of ", a_name, " ", a, " and ", b_name, " ", b, " cannot be broadcast"),
                       at);
    }
    lead[i] = left == 1 ? right : left;
  }
  return lead;
}

/// Checks everything and returns the shape of the scores (.., L, S).
Shape check(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& mask, CallSite at) {
  ops::check_defined(query, fn, "query", at);
  ops::check_defined(key, fn, "key", at);
  ops::check_defined(value, fn, "value", at);
  ops::check_floating(query, "query", fn, at);
  ops::check_same_device(query, key, fn, at, "query", "key");
  ops::check_same_device(query, value, fn, at, "query", "value");
  ops::check_same_dtype(query, key, fn, at, "query", "key");
  ops::check_same_dtype(query, value, fn, at, "query", "value");
  const Shape &q = query.shape(), &k = key.shape(), &v = value.shape();
  if (q.rank() < 2 || k.rank() < 2 || v.rank() < 2) {
    throw ShapeError(ErrorCode::rank_unsupported, fn,
                     message("query, key and value are (.., length, features), not ", q, ", ", k, " and ", v), at);
  }
  if (q[q.rank() - 1] != k[k.rank() - 1]) {
    throw ShapeError(ErrorCode::shape_mismatch, fn, message("query ", q, " and key ", k, " differ in features"), at);
  }
  if (k[k.rank() - 2] != v[v.rank() - 2]) {
    throw ShapeError(ErrorCode::shape_mismatch, fn, message("key ", k, " and value ", v, " differ in length"), at);
  }
  Shape scores = lead_of(q, k, "query", "key", at);
  scores.push_back(q[q.rank() - 2]);
  scores.push_back(k[k.rank() - 2]);
  lead_of(scores, v, "the scores", "value", at);
  if (!mask.defined()) return scores;
  ops::check_same_device(query, mask, fn, at, "query", "attn_mask");
  if (mask.dtype() != DType::boolean) {
    if (!is_floating(mask.dtype())) {
      throw DTypeError(
          ErrorCode::dtype_unsupported, fn,
          message("attn_mask is ", mask.dtype(), "; it must be bool (true: look at it) or floating (added)"), at);
    }
    ops::check_same_dtype(query, mask, fn, at, "query", "attn_mask");
  }
  const Shape& m = mask.shape();
  bool fits = m.rank() <= scores.rank();
  for (int i = 0; i < m.rank() && fits; ++i) fits = m[i] == 1 || m[i] == scores[scores.rank() - m.rank() + i];
  if (!fits) {
    throw ShapeError(ErrorCode::shape_mismatch, fn,
                     message("attn_mask ", m, " cannot be broadcast to the scores ", scores), at);
  }
  return scores;
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask, double dropout_p, bool is_causal,
                                    std::optional<double> scale, Generator& generator, CallSite at) {
  if (const autograd::In16 in; in) {
    return scaled_dot_product_attention(in(query, at), in(key, at), in(value, at), in(attn_mask, at), dropout_p,
                                        is_causal, scale, generator, at);
  }
  const Shape shape = check(query, key, value, attn_mask, at);
  ops::check_dropout(query, dropout_p, fn, at);
  if (scale && !std::isfinite(*scale)) {
    throw ValueError(ErrorCode::value_out_of_range, fn, message("scale = ", *scale, " is not finite"), at);
  }
  const double features = static_cast<double>(std::max<std::int64_t>(query.size(-1), 1));
  const double factor = scale ? *scale : 1 / std::sqrt(features);
  Tensor scores = matmul(mul({query, at}, factor), transpose(key, -2, -1, at), at);
  Tensor allowed;
  if (attn_mask.defined() && attn_mask.dtype() == DType::boolean) {
    allowed = attn_mask;
  } else if (attn_mask.defined()) {
    allowed = ne({attn_mask, at}, -std::numeric_limits<double>::infinity());
    scores = add({scores, at}, where(allowed, {attn_mask, at}, 0));
  }
  if (is_causal) {
    const Tensor earlier = ops::on_or_below(query, shape[shape.rank() - 2], shape[shape.rank() - 1], 0, fn, at);
    allowed = allowed.defined() ? logical_and(allowed, earlier, at) : earlier;
  }
  if (allowed.defined()) scores = where(allowed, {scores, at}, lowest(query.dtype()));
  Tensor weights = softmax(scores, -1, at);
  // A row that is left out whole came out even; causality alone leaves none.
  if (attn_mask.defined()) weights = where(allowed, {weights, at}, 0);
  if (dropout_p > 0) weights = dropout(weights, dropout_p, true, generator, at);
  return matmul(weights, value, at);
}

}  // namespace weft
