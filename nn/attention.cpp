#include <weft/nn/attention.h>

#include <limits>
#include <utility>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/init.h>

namespace weft::nn {
namespace {

constexpr const char* op = "MultiheadAttention";

[[noreturn]] void refuse_shape(const std::string& text, CallSite at) {
  throw ShapeError(ErrorCode::shape_mismatch, op, text, at);
}

/// (N, S) -> (N, 1, 1, S), true where a query may look; undefined stays undefined.
Tensor allowed_keys(const Tensor& padding, std::int64_t batch, std::int64_t keys, bool single, CallSite at) {
  if (!padding.defined()) return padding;
  if (padding.dtype(at) != DType::boolean) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message("key_padding_mask is ", padding.dtype(), "; it must be bool, true where a key is padding"),
                     at);
  }
  if (padding.shape() != (single ? Shape{keys} : Shape{batch, keys})) {
    refuse_shape(message("key_padding_mask is ", padding.shape(), "; ", single ? Shape{keys} : Shape{batch, keys},
                         " is needed, a value for every key"),
                 at);
  }
  return reshape(logical_not(padding, at), {batch, 1, 1, keys}, at);
}

/// attn_mask with the axes (N, heads, L, S), or (L, S).
Tensor mask_of(const Tensor& mask, std::int64_t batch, std::int64_t heads, std::int64_t queries, std::int64_t keys,
               CallSite at) {
  if (!mask.defined() || mask.shape(at) == Shape{queries, keys}) return mask;
  if (mask.shape() != Shape{batch * heads, queries, keys}) {
    refuse_shape(message("attn_mask is ", mask.shape(), "; ", Shape{queries, keys}, " or ",
                         Shape{batch * heads, queries, keys}, " is needed"),
                 at);
  }
  return reshape(mask, {batch, heads, queries, keys}, at);
}

}  // namespace

MultiheadAttention::MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads, double dropout, bool bias,
                                       bool batch_first, TensorOptions options, Generator& generator, CallSite at)
    : width_(embed_dim), heads_(num_heads), dropout_(dropout), batch_first_(batch_first), generator_(&generator) {
  if (embed_dim < 1 || num_heads < 1 || embed_dim % num_heads != 0) {
    throw ValueError(ErrorCode::value_out_of_range, op,
                     message("embed_dim = ", embed_dim, ", num_heads = ", num_heads,
                             ": both are at least 1 and num_heads divides embed_dim"),
                     at);
  }
  if (!(dropout >= 0 && dropout <= 1)) {
    throw ValueError(ErrorCode::value_out_of_range, op, message("dropout = ", dropout, " is not in [0, 1]"), at);
  }
  if (!is_floating(options.dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     message("parameters are floating, dtype ", options.dtype, " was given"), at);
  }
  in_proj_weight = empty({3 * embed_dim, embed_dim}, options, at);
  init::xavier_uniform_(in_proj_weight, 1, generator, at);
  register_parameter("in_proj_weight", in_proj_weight, at);
  if (bias) in_proj_bias = register_parameter("in_proj_bias", zeros({3 * embed_dim}, options, at), at);
  out_proj = register_module("out_proj", Linear(embed_dim, embed_dim, bias, options, generator, at), at);
  if (bias) init::constant_(out_proj->bias, 0, at);
}

Tensor MultiheadAttention::forward(const Tensor& x) { return forward(x, x, x, {}, call_site()); }

// (N, L, E) -> (N, heads, L, E / heads)
Tensor MultiheadAttention::split_heads(const Tensor& x, CallSite at) const {
  return transpose(reshape(x, {x.size(0), x.size(1), heads_, width_ / heads_}, at), 1, 2, at);
}

Tensor MultiheadAttention::forward(const Tensor& query, const Tensor& key, const Tensor& value,
                                   const AttentionMasks& masks, CallSite at) {
  const bool single = query.rank(at) == 2;
  for (const auto& [tensor, name] : {std::pair(&query, "query"), std::pair(&key, "key"), std::pair(&value, "value")}) {
    if (tensor->rank(at) != (single ? 2 : 3) || tensor->size(-1) != width_) {
      refuse_shape(message(name, " is ", tensor->shape(), "; ",
                           single         ? "(length, "
                           : batch_first_ ? "(batch, length, "
                                          : "(length, batch, ",
                           width_, ") is needed"),
                   at);
    }
  }
  if (key.shape() != value.shape()) {
    refuse_shape(message("key is ", key.shape(), ", value is ", value.shape(), ": one value for every key"), at);
  }
  const auto batched = [&](const Tensor& x) {
    return single ? unsqueeze(x, 0, at) : batch_first_ ? x : transpose(x, 0, 1, at);
  };
  const Tensor q = batched(query);
  const bool same_keys = key.is_same(value), self = same_keys && query.is_same(key);
  const Tensor k = self ? q : batched(key);
  const Tensor v = same_keys ? k : batched(value);
  if (q.size(0) != k.size(0)) {
    refuse_shape(message("query is ", query.shape(), ", key is ", key.shape(), ": the batches differ"), at);
  }

  // One product for as many of the projections as share their input.
  const auto project = [&](const Tensor& x, std::int64_t first, std::int64_t blocks) {
    const Tensor weight = narrow(in_proj_weight, 0, first * width_, blocks * width_, at);
    const Tensor bias =
        in_proj_bias.defined() ? narrow(in_proj_bias, 0, first * width_, blocks * width_, at) : Tensor();
    return linear(x, weight, bias, at);
  };
  const auto block = [&](const Tensor& x, std::int64_t i) {
    return split_heads(narrow(x, -1, i * width_, width_, at), at);
  };
  Tensor heads_q, heads_k, heads_v;
  if (self) {
    const Tensor all = project(q, 0, 3);
    heads_q = block(all, 0);
    heads_k = block(all, 1);
    heads_v = block(all, 2);
  } else {
    heads_q = split_heads(project(q, 0, 1), at);
    heads_k = split_heads(project(k, 1, 1), at);
    heads_v = split_heads(project(v, 2, 1), at);
  }

  const std::int64_t batch = q.size(0), queries = q.size(1), keys = k.size(1);
  Tensor mask = mask_of(masks.attn_mask, batch, heads_, queries, keys, at);
  const Tensor seen = allowed_keys(masks.key_padding_mask, batch, keys, single, at);
  if (mask.defined() && mask.dtype() == DType::boolean) {
    mask = logical_not(mask, at);
    if (seen.defined()) mask = logical_and(mask, seen, at);
  } else if (mask.defined() && seen.defined()) {
    mask = where(seen, {mask, at}, -std::numeric_limits<double>::infinity());
  } else if (seen.defined()) {
    mask = seen;
  }
  Tensor y = scaled_dot_product_attention(heads_q, heads_k, heads_v, mask, is_training() ? dropout_ : 0,
                                          masks.is_causal, {}, *generator_, at);
  y = (*out_proj)(reshape(transpose(y, 1, 2, at), {batch, queries, width_}, at), at);
  return single ? squeeze(y, 0, at) : batch_first_ ? y : transpose(y, 0, 1, at);
}

std::shared_ptr<Module> MultiheadAttention::fresh() const {
  auto made = std::make_shared<MultiheadAttention>(width_, heads_, dropout_, in_proj_bias.defined(), batch_first_);
  made->generator_ = generator_;  // only now: initial values that are overwritten draw nothing from it
  return made;
}

std::string MultiheadAttention::describe() const {
  return message(op, "(", width_, ", ", heads_, dropout_ > 0 ? message(", dropout=", dropout_) : std::string(),
                 in_proj_bias.defined() ? "" : ", bias=false", batch_first_ ? ", batch_first=true)" : ")");
}

}  // namespace weft::nn
