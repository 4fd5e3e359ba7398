// By index: index_select and index_add are each other's way back, and so are gather and scatter_add.

#include <weft/autograd/record.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/tensor/checks.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

Tensor index_select(const Tensor& x, int axis, const Tensor& index, CallSite at) {
  Tensor y = ops::index_select(x, axis, index, "index_select", at);
  if (Recorder r{"index_select", at, x}) {
    r.record(y, [axis, index = r.keep(index), shape = x.shape()](Back& back) {
      const Tensor nothing = zeros(shape, {back.dy.device(), back.dy.dtype()}, back.at);
      back[0] = index_add(nothing, axis, back(index), back.dy, back.at);
    });
  }
  return y;
}

Tensor index_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, CallSite at) {
  Tensor y = ops::index_add(x, axis, index, source, "index_add", at);
  if (Recorder r{"index_add", at, x, source}) {
    r.record(y, [axis, index = r.keep(index)](Back& back) {
      back[0] = back.dy;
      if (back.wants(1)) back[1] = index_select(back.dy, axis, back(index), back.at);
    });
  }
  return y;
}

Tensor gather(const Tensor& x, int axis, const Tensor& index, CallSite at) {
  Tensor y = ops::gather(x, axis, index, "gather", at);
  if (Recorder r{"gather", at, x}) {
    r.record(y, [axis, index = r.keep(index), shape = x.shape()](Back& back) {
      const Tensor nothing = zeros(shape, {back.dy.device(), back.dy.dtype()}, back.at);
      back[0] = scatter_add(nothing, axis, back(index), back.dy, back.at);
    });
  }
  return y;
}

Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source, CallSite at) {
  Tensor y = ops::scatter_add(x, axis, index, source, "scatter_add", at);
  if (Recorder r{"scatter_add", at, x, source}) {
    r.record(y, [axis, index = r.keep(index)](Back& back) {
      back[0] = back.dy;
      if (!back.wants(1)) return;
      const Tensor used = gather(back.dy, axis, back(index), back.at);
      const Shape& whole = back.argument_shape(1);
      std::vector<std::int64_t> beyond;
      for (int i = whole.rank() - 1; i >= 0 && used.shape() != whole; --i) {
        beyond.insert(beyond.end(), {0, whole[i] - used.shape()[i]});
      }
      back[1] = beyond.empty() ? used : pad(used, beyond, PadMode::constant, 0, back.at);
    });
  }
  return y;
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Operand& value) {
  constexpr const char* name = "masked_fill";
  const CallSite at = value.at();
  ops::check_defined(x, name, "x", at);
  ops::check_defined(mask, name, "mask", at);
  if (mask.dtype() != DType::boolean) {
    throw DTypeError(ErrorCode::dtype_unsupported, name,
                     message("mask must be bool, not ", mask.dtype(), "; compare first, for instance x != 0"), at);
  }
  if (!value.is_number()) {
    ops::check_defined(value.tensor(), name, "value", at);
    if (value.tensor().rank() != 0) {
      throw ShapeError(ErrorCode::rank_unsupported, name,
                       message("value is a tensor of shape ", value.tensor().shape(),
                               "; expected a number or a rank-0 tensor, use where() for a value per element"),
                       at);
    }
  }
  Tensor y = ops::where(mask, value, {x, at}, name, at);
  if (Recorder r{name, at, x, value}) {
    r.record(y, [mask = r.keep(mask)](Back& back) {
      if (back.wants(0)) back[0] = masked_fill(back.dy, back(mask), {0, back.at});
      if (back.wants(1)) back[1] = where(back(mask), {back.dy, back.at}, 0);
    });
  }
  return y;
}

Tensor embedding(const Tensor& indices, const Tensor& weight, std::optional<std::int64_t> padding_idx, CallSite at) {
  constexpr const char* name = "embedding";
  ops::check_defined(indices, name, "indices", at);
  ops::check_defined(weight, name, "weight", at);
  ops::check_index(indices, "indices", name, at);
  if (weight.rank() != 2) {
    throw ShapeError(ErrorCode::rank_unsupported, name,
                     message("weight must be a matrix (rows, width), not ", weight.shape()), at);
  }
  const std::int64_t rows = weight.shape()[0], width = weight.shape()[1];
  if (padding_idx && (*padding_idx < -rows || *padding_idx >= rows)) {
    throw IndexError(
        ErrorCode::index_out_of_range, name,
        message("padding_idx ", *padding_idx, " is out of range for weight ", weight.shape(), " with ", rows, " rows"),
        at);
  }
  Shape shape = indices.shape();
  shape.push_back(width);
  check_shape(shape, item_size(weight.dtype()), name, at);
  const Tensor flat = ops::reshape(indices, {indices.numel()}, name, at);
  Tensor y = ops::reshape(ops::index_select(weight, 0, flat, name, at), shape, name, at);
  if (Recorder r{name, at, weight}) {
    const std::int64_t padding = !padding_idx ? -1 : *padding_idx < 0 ? *padding_idx + rows : *padding_idx;
    r.record(y, [flat = r.keep(flat), padding, rows, width](Back& back) {
      const Tensor index = back(flat);
      Tensor dy = reshape(back.dy, {index.numel(), width}, back.at);
      if (padding >= 0) {
        dy = masked_fill(dy, unsqueeze(eq({index, back.at}, padding), 1, back.at), {0, back.at});
      }
      const Tensor nothing = zeros({rows, width}, {dy.device(), dy.dtype()}, back.at);
      back[0] = index_add(nothing, 0, index, dy, back.at);
    });
  }
  return y;
}

Tensor one_hot(const Tensor& labels, std::int64_t num_classes, CallSite at) {
  return ops::one_hot(labels, num_classes, "one_hot", at);
}

GatheredBatch gather_batch(const Tensor& data, const Tensor& labels, const Tensor& index,
                           const GatherBatchOptions& options, CallSite at) {
  auto [rows, truth] =
      ops::gather_batch(data, labels, index, {options.scale, options.shift}, options.dtype, "gather_batch", at);
  return {std::move(rows), std::move(truth)};
}

}  // namespace weft
