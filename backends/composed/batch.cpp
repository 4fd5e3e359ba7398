#include <weft/backends/composed/scratch.h>

namespace weft::backends {

using namespace composed;

namespace {

/// A view of rank 0 as (1, .., 1), the form in which a reduction writes it.
TensorView ones(const TensorView& scalar, int rank) {
  return {scalar.data, scalar.dtype, Shape::filled(rank, 1), Strides::filled(rank, 0), {}};
}

}  // namespace

void Backend::sum_squares(std::span<const TensorView> views, const TensorView& out) {
  Calls call(*this);
  const Scratch total(*this, DType::float64, {});
  const Scratch part(*this, DType::float64, {});
  fill(total, Number(0.0));
  for (const TensorView& view : views) {
    const Scratch squares(*this, DType::float64, view.shape);
    copy(view, squares);
    call.mul(squares.view(), squares.view(), squares);
    if (view.rank() == 0) {
      call.add(total.view(), squares.view(), total);
      continue;
    }
    call.sum(squares, ones(part, view.rank()));
    call.add(total.view(), part.view(), total);
  }
  copy(total, out);
}

void Backend::gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                           const TensorView& index, const TensorView& out, const TensorView& out_labels) {
  Calls call(*this);
  TensorView rows = index;  // one index per row, repeated along the row
  rows.shape = out.shape;
  rows.strides = Strides::filled(out.rank(), 0);
  rows.strides[0] = index.strides[0];
  const Scratch picked(*this, data.dtype, out.shape);
  gather(data, 0, rows, picked);
  Output batch(*this, out, DType::float64);
  copy(picked, batch);
  call.mul(batch.view(), Number(args.scale), batch);
  call.add(batch.view(), Number(args.shift), batch);
  batch.finish();
  if (!wanted(labels) || !wanted(out_labels)) return;
  if (labels.dtype == out_labels.dtype) return gather(labels, 0, index, out_labels);
  const Scratch narrow(*this, labels.dtype, out_labels.shape);
  gather(labels, 0, index, narrow);
  copy(narrow, out_labels);
}

}  // namespace weft::backends
