// Products of matrices. Y = A B:  dA = dY B^T, dB = A^T dY.

#include <weft/autograd/cast_policy.h>
#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;

namespace {

// A tensor (.., n) as a matrix (rows, n).
Tensor as_rows(const Tensor& x, CallSite at) {
  const std::int64_t columns = x.size(-1);
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < x.rank(); ++i) rows *= x.size(i);
  return x.rank() == 2 ? x : reshape(x, {rows, columns}, at);
}

// A row on the left, a column on the right: what matmul() made of a vector.
Tensor as_matrix(const Tensor& x, bool left, CallSite at) { return x.rank() == 1 ? unsqueeze(x, left ? 0 : 1, at) : x; }

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, CallSite at) {
  if (const autograd::In16 in; in) return matmul(in(a, at), in(b, at), at);
  Tensor y = ops::matmul(a, b, "matmul", at);
  if (Recorder r{"matmul", at, a, b}) {
    const bool row = a.rank() == 1, column = b.rank() == 1;
    r.record(y, [row, column, a = r.keep_for(1, a), b = r.keep_for(0, b)](Back& back) {
      Tensor dy = back.dy;
      if (column) dy = unsqueeze(dy, -1, back.at);
      if (row) dy = unsqueeze(dy, -2, back.at);
      if (back.wants(0)) {
        const Tensor right = as_matrix(back(b), false, back.at);
        back[0] = matmul(dy, transpose(right, -2, -1, back.at), back.at);  // a row's (.., 1, k) is summed to (k)
      }
      if (back.wants(1)) {
        const Tensor left = as_matrix(back(a), true, back.at);
        Tensor db;
        if (left.rank() > 2 && back.argument_shape(1).rank() <= 2) {  // one product over all the batch's rows
          db = matmul(transpose(as_rows(left, back.at), 0, 1, back.at), as_rows(dy, back.at), back.at);
        } else {
          db = matmul(transpose(left, -2, -1, back.at), dy, back.at);
        }
        back[1] = column ? squeeze(db, -1, back.at) : db;
      }
    });
  }
  return y;
}

namespace {

// What is traced, profiled and recorded; messages say "linear".
const char* linear_name(Activation activation) {
  constexpr const char* names[activation_count] = {"linear", "linear_relu", "linear_tanh", "linear_sigmoid",
                                                   "linear_gelu_tanh"};
  return names[static_cast<int>(activation)];
}

// The gradients from dz, the gradient before the activation, by single functions: where they are recorded again, or x
// was not kept.
void by_single_calls(Back& back, const Tensor& dz, const Tensor& x, const Tensor& weight) {
  if (back.wants(0)) back[0] = matmul(dz, weight, back.at);
  if (back.wants(1)) {
    back[1] = matmul(transpose(as_rows(dz, back.at), 0, 1, back.at), as_rows(x, back.at), back.at);
  }
  if (back.wants(2)) back[2] = dz;
}

// The same from dy by one call, which `call` tells what is left to do of the activation.
void by_one_call(Back& back, const Tensor& x, const Tensor& weight, ops::LinearBackward call, const char* name) {
  call.want_dx = back.wants(0);
  call.want_dweight = back.wants(1);
  call.want_dbias = back.wants(2);
  call.below = back.below(0);
  if (call.below != Activation::none) {
    call.below_aux = back.below_aux(0);
    back.multiplied(0);
  }
  ops::LinearGrads grads = ops::linear_backward(back.dy, x, weight, call, name, back.at);
  back[0] = std::move(grads.dx);
  back[1] = std::move(grads.dweight);
  back[2] = std::move(grads.dbias);
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, CallSite at) {
  if (const autograd::In16 in; in) return linear(in(x, at), in(weight, at), in(bias, at), at);
  Tensor y = ops::linear(x, weight, bias, "linear", at);
  if (Recorder r{"linear", at, x, weight, bias}) {
    r.record(y, [x = r.keep_for(1, x), weight = r.keep(weight)](Back& back) {
      if (grad_enabled() || !x.kept()) {
        return by_single_calls(back, back.dy, x.kept() ? back(x) : Tensor(), back(weight));
      }
      by_one_call(back, back(x), back(weight), {false, false, false}, "linear");
    });
  }
  return y;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Activation activation, CallSite at) {
  if (activation == Activation::none) return linear(x, weight, bias, at);
  if (const autograd::In16 in; in) return linear(in(x, at), in(weight, at), in(bias, at), activation, at);
  const char* const name = linear_name(activation);
  const bool from_argument = activation == Activation::gelu_tanh;  // its derivative does not follow from the result
  Recorder r{name, at, x, weight, bias};
  // Under saved-tensor hooks nothing is kept beside what they are shown: the way back does with that.
  const bool remembers = r && !autograd::saved_hooks_active();
  Tensor aux;
  Tensor y = ops::linear(x, weight, bias, name, at, activation, remembers ? &aux : nullptr);
  if (!r) return y;
  autograd::Node& node =
      r.record(y, [activation, name, from_argument, aux, x = from_argument ? r.keep(x) : r.keep_for(1, x),
                   weight = r.keep(weight), bias = from_argument ? r.keep(bias) : autograd::Saved(),
                   y = from_argument ? autograd::Saved() : r.output(y)](Back& back) {
        const Tensor out = y.kept() ? back(y) : Tensor();
        const bool open = !back.is_multiplied();
        const Tensor in = x.kept() ? back(x) : Tensor();
        const bool one_call = !grad_enabled() && x.kept() && !(from_argument && open && !aux.defined());
        if (one_call && in.size(-1) != 0) {
          ops::LinearBackward call = {false, false, false};
          if (open) {
            call.activation = activation;
            call.y = from_argument ? back.dy : out;  // of gelu_tanh only aux is looked at
            call.aux = aux;
          }
          return by_one_call(back, in, back(weight), call, name);
        }
        Tensor dz = back.dy;
        if (open && from_argument) {
          const Tensor z = linear(in, back(weight), bias.kept() ? back(bias) : Tensor(), back.at);
          dz = autograd::through(activation, dz, z, name, back.at);
        } else if (open) {
          dz = autograd::through(activation, dz, out, name, back.at);
        }
        by_single_calls(back, dz, in, back(weight));
      });
  if (from_argument && !aux.defined()) return y;
  node.activation = activation;
  node.activation_aux = aux.defined() ? aux.impl()->view.data : nullptr;
  return y;
}

}  // namespace weft
