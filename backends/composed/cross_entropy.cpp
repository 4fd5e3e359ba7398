#include <weft/backends/composed/scratch.h>

// With p = softmax(row), w the class weights (1 where none), s the smoothing, C classes and label t, as PyTorch's
// cross_entropy with reduction "none":
//
//   loss = -(1 - s) w_t log p_t - s / C sum_c w_c log p_c
//   d loss / d logit_j = p_j ((1 - s) w_t + s / C sum_c w_c) - (1 - s) w_t [j = t] - s / C w_j
//
// A row whose label is ignore_index has loss 0 and gradient 0, whatever its logits hold.

namespace weft::backends {

using namespace composed;

namespace {

/// The mean from the losses of the rows, as each backend has them.
void mean_cross_entropy(Backend& backend, CrossEntropyArgs args, const TensorView& logits, const TensorView& labels,
                        const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) {
  Calls call(backend);
  args.mean = false;
  const DType dtype = logits.dtype;
  const Shape line = {logits.shape[0]}, one = {1};
  const Scratch each(backend, dtype, line), divisor(backend, dtype, one);
  backend.cross_entropy(args, logits, labels, class_weight, wanted(losses) ? each.view() : TensorView{}, dlogits);

  const Scratch kept(backend, DType::boolean, line);
  call.binary(BinaryOp::ne, labels, Number(args.ignore_index), kept);
  if (wanted(class_weight)) {
    const Scratch target(backend, labels.dtype, line), weights(backend, dtype, line);
    call.where(kept, labels, Number(0), target);
    backend.gather(class_weight, 0, target, weights);
    call.where(kept, weights.view(), Number(0.0), weights);
    call.sum(weights, divisor);
  } else {
    const Scratch count(backend, DType::int64, one);
    call.sum(kept, count);
    backend.copy(count, divisor);
  }
  if (wanted(losses)) {
    const TensorView mean = {losses.data, dtype, one, {1}, {}};
    call.sum(each, mean);
    call.div(mean, divisor.view(), mean);
  }
  if (wanted(dlogits)) {
    call.div(Number(1.0), divisor.view(), divisor);
    call.mul(dlogits, as_row(divisor), dlogits);
  }
}

}  // namespace

void Backend::cross_entropy(const CrossEntropyArgs& args, const TensorView& logits, const TensorView& labels,
                            const TensorView& class_weight, const TensorView& losses, const TensorView& dlogits) {
  if (args.mean) return mean_cross_entropy(*this, args, logits, labels, class_weight, losses, dlogits);
  Calls call(*this);
  const DType dtype = compute_dtype(logits.dtype);
  const std::int64_t rows = logits.shape[0], classes = logits.shape[1];
  const Shape column = {rows, 1};
  const double keep = 1 - args.smoothing, share = args.smoothing / static_cast<double>(classes);

  const Scratch ignored(*this, DType::boolean, column);
  call.binary(BinaryOp::eq, as_column(labels), Number(args.ignore_index), ignored);
  const Scratch target(*this, labels.dtype, column);  // ignored rows look at class 0, and nobody looks at the result
  call.where(ignored, Number(0), as_column(labels), target);

  // The first call that uses the labels as positions: a bad one is refused here, before an output is written.
  const Scratch log_p(*this, dtype, logits.shape);
  {
    const Input in(*this, logits, dtype);
    softmax(true, in, 1, log_p);
  }
  const Scratch picked(*this, dtype, column);
  gather(log_p, 1, target, picked);

  const Input weight(*this, class_weight, dtype);
  const Scratch w_t(*this, dtype, column);
  if (wanted(class_weight)) {
    gather(weight, 0, TensorView{target.view().data, labels.dtype, {rows}, {1}, {}},
           TensorView{w_t.view().data, dtype, {rows}, {1}, {}});
  } else {
    fill(w_t, Number(1.0));
  }

  if (wanted(losses)) {
    Output out(*this, as_column(losses), dtype);
    const Scratch loss(*this, dtype, column);
    call.mul(picked.view(), w_t.view(), loss);
    call.mul(loss.view(), Number(-keep), loss);
    if (args.smoothing != 0) {
      const Scratch all(*this, dtype, column);
      if (wanted(class_weight)) {
        const Scratch weighted(*this, dtype, logits.shape);
        call.mul(log_p.view(), as_row(weight), weighted);
        call.sum(weighted, all);
      } else {
        call.sum(log_p, all);
      }
      call.mul(all.view(), Number(share), all);
      call.sub(loss.view(), all.view(), loss);
    }
    call.where(ignored, Number(0.0), loss.view(), out);
    out.finish();
  }

  if (wanted(dlogits)) {
    Output out(*this, dlogits, dtype);
    const Scratch pulled(*this, dtype, column);  // (1 - s) w_t
    call.mul(w_t.view(), Number(keep), pulled);
    const Scratch total(*this, dtype, column);  // the sum of the smoothed target
    if (args.smoothing == 0) {
      copy(pulled, total);
    } else if (wanted(class_weight)) {
      const Scratch sum(*this, dtype, {1, 1});
      call.sum(as_row(weight), sum);
      call.mul(sum.view(), Number(share), sum);
      call.add(pulled.view(), sum.view(), total);
    } else {
      call.add(pulled.view(), Number(args.smoothing), total);
    }
    const Scratch gradient(*this, dtype, logits.shape);
    call.unary(UnaryOp::exp, log_p, gradient);
    call.mul(gradient.view(), total.view(), gradient);
    if (args.smoothing != 0) {
      if (wanted(class_weight)) {
        const Scratch shares(*this, dtype, {1, classes});
        call.mul(as_row(weight), Number(share), shares);
        call.sub(gradient.view(), shares.view(), gradient);
      } else {
        call.sub(gradient.view(), Number(share), gradient);
      }
    }
    call.unary(UnaryOp::neg, pulled, pulled);
    scatter_add(pulled, 1, target, gradient);
    call.where(ignored, Number(0.0), gradient.view(), out);
    out.finish();
  }
}

}  // namespace weft::backends
