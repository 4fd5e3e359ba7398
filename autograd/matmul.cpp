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

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, CallSite at) {
  if (const autograd::In16 in; in) return linear(in(x, at), in(weight, at), in(bias, at), at);
  Tensor y = ops::linear(x, weight, bias, "linear", at);
  if (Recorder r{"linear", at, x, weight, bias}) {
    r.record(y, [x = r.keep_for(1, x), weight = r.keep(weight)](Back& back) {
      if (grad_enabled() || !x.kept()) {
        if (back.wants(0)) back[0] = matmul(back.dy, back(weight), back.at);
        if (back.wants(1)) {
          const Tensor rows = as_rows(back.dy, back.at);
          back[1] = matmul(transpose(rows, 0, 1, back.at), as_rows(back(x), back.at), back.at);
        }
        if (back.wants(2)) back[2] = back.dy;
        return;
      }
      ops::LinearGrads grads = ops::linear_backward(back.dy, back(x), back(weight), back.wants(0), back.wants(1),
                                                    back.wants(2), "linear", back.at);
      back[0] = std::move(grads.dx);
      back[1] = std::move(grads.dweight);
      back[2] = std::move(grads.dbias);
    });
  }
  return y;
}

}  // namespace weft
