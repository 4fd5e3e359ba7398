#include <algorithm>

#include <weft/backends/composed/scratch.h>

// Both norms are one computation over a view [outer.., inner..] with other reduced axes: statistics have extent 1 on
// the axes that are averaged over, scale and shift extent 1 on those they are shared along. The variance is taken about
// the mean in a second pass (no cancellation).
//
//   y = (x - mean) rstd scale + shift,  rstd = 1 / sqrt(var + epsilon)
//   dx = rstd (g - mean(g) - xhat mean(g xhat)),  g = dy scale,  xhat = (x - mean) rstd
//   dscale = sum dy xhat,  dshift = sum dy

namespace weft::backends {

using namespace composed;

namespace {

struct Parts {
  TensorView x;      // in the compute dtype
  TensorView scale;  // broadcastable to x, or null
  TensorView shift;  // the same
  TensorView mean;   // extent 1 on the averaged axes
  TensorView rstd;   // the same
  double count = 1;  // elements per average
};

/// mean and, into rstd, the biased variance.
void moments(Backend& backend, const Parts& p) {
  Calls call(backend);
  call.sum(p.x, p.mean);
  call.div(p.mean, Number(p.count), p.mean);
  const Scratch centred(backend, p.x.dtype, p.x.shape);
  call.sub(p.x, p.mean, centred);
  call.mul(centred.view(), centred.view(), centred);
  call.sum(centred, p.rstd);
  call.div(p.rstd, Number(p.count), p.rstd);
}

void reciprocal_root(Backend& backend, const TensorView& variance, double epsilon, const TensorView& rstd) {
  Calls call(backend);
  call.add(variance, Number(epsilon), rstd);
  call.unary(UnaryOp::sqrt, rstd, rstd);
  call.div(Number(1.0), rstd, rstd);
}

void apply(Backend& backend, const Parts& p, const TensorView& y) {
  Calls call(backend);
  Output out(backend, y, p.x.dtype);
  call.sub(p.x, p.mean, out);
  call.mul(out.view(), p.rstd, out);
  if (wanted(p.scale)) call.mul(out.view(), p.scale, out);
  if (wanted(p.shift)) call.add(out.view(), p.shift, out);
  out.finish();
}

/// dscale and dshift come with extent 1 on the axes they are shared along.
void backward(Backend& backend, const Parts& p, const TensorView& dy, const TensorView& dx, const TensorView& dscale,
              const TensorView& dshift) {
  Calls call(backend);
  const DType dtype = p.x.dtype;
  const Input dout(backend, dy, dtype);
  const Scratch xhat(backend, dtype, p.x.shape);
  call.sub(p.x, p.mean, xhat);
  call.mul(xhat.view(), p.rstd, xhat);
  if (wanted(dshift)) {
    Output out(backend, dshift, dtype);
    call.sum(dout, out);
    out.finish();
  }
  const Scratch product(backend, dtype, p.x.shape);
  if (wanted(dscale)) {
    Output out(backend, dscale, dtype);
    call.mul(dout.view(), xhat.view(), product);
    call.sum(product, out);
    out.finish();
  }
  if (!wanted(dx)) return;
  Output out(backend, dx, dtype);
  const Scratch g(backend, dtype, p.x.shape);
  call.mul(dout.view(), wanted(p.scale) ? Argument(p.scale) : Argument(Number(1.0)), g);
  const Scratch average(backend, dtype, p.mean.shape);
  call.mul(g.view(), xhat.view(), product);
  call.sum(product, average);
  call.div(average.view(), Number(p.count), average);
  call.mul(xhat.view(), average.view(), xhat);
  call.sum(g, average);
  call.div(average.view(), Number(p.count), average);
  call.sub(g.view(), average.view(), g);
  call.sub(g.view(), xhat.view(), g);
  call.mul(g.view(), p.rstd, out);
  out.finish();
}

TensorView row_or_null(const TensorView& vector) { return wanted(vector) ? as_row(vector) : vector; }
TensorView channel_or_null(const TensorView& vector) { return wanted(vector) ? as_axis(vector, 1, 3) : vector; }

void copy_wanted(Backend& backend, const TensorView& from, const TensorView& to) {
  if (wanted(to)) backend.copy(from, to);
}

/// running = (1 - momentum) running + momentum now; `now` is overwritten. Allocates in the constructor only, so that of
/// several running statistics either all are updated or none.
class Blend {
 public:
  Blend(Backend& backend, const TensorView& running, const TensorView& now)
      : backend_(backend), now_(now), running_(backend, running, now.dtype, true) {}
  void run(double momentum) {
    if (!wanted(running_)) return;
    Calls call(backend_);
    call.mul(now_, Number(momentum), now_);
    call.mul(running_.view(), Number(1 - momentum), running_);
    call.add(running_.view(), now_, running_);
    running_.finish();
  }

 private:
  Backend& backend_;
  TensorView now_;
  Output running_;
};

}  // namespace

void Backend::layer_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                         const TensorView& y, const TensorView& mean, const TensorView& rstd) {
  const DType dtype = compute_dtype(x.dtype);
  const Input in(*this, x, dtype), by(*this, scale, dtype), plus(*this, shift, dtype);
  const Scratch average(*this, dtype, without_axis(x.shape, 1)), spread(*this, dtype, without_axis(x.shape, 1));
  const Parts parts{in, row_or_null(by), row_or_null(plus), average, spread, static_cast<double>(x.shape[1])};
  moments(*this, parts);
  reciprocal_root(*this, spread, args.epsilon, spread);
  apply(*this, parts, y);
  copy_wanted(*this, average, wanted(mean) ? as_column(mean) : mean);
  copy_wanted(*this, spread, wanted(rstd) ? as_column(rstd) : rstd);
}

void Backend::layer_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                  const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                  const TensorView& dscale, const TensorView& dshift) {
  const DType dtype = compute_dtype(x.dtype);
  const Input in(*this, x, dtype), by(*this, scale, dtype), average(*this, mean, dtype), spread(*this, rstd, dtype);
  const Parts parts{in, row_or_null(by), {}, as_column(average), as_column(spread), static_cast<double>(x.shape[1])};
  backward(*this, parts, dy, dx, row_or_null(dscale), row_or_null(dshift));
}

void Backend::batch_norm(const NormArgs& args, const TensorView& x, const TensorView& scale, const TensorView& shift,
                         const TensorView& running_mean, const TensorView& running_var, const TensorView& y,
                         const TensorView& mean, const TensorView& rstd) {
  const DType dtype = compute_dtype(x.dtype);
  const Shape channel = {1, x.shape[1], 1};
  const double count = static_cast<double>(x.shape[0] * x.shape[2]);
  const Input in(*this, x, dtype), by(*this, scale, dtype), plus(*this, shift, dtype);
  const Scratch average(*this, dtype, channel), spread(*this, dtype, channel), unbiased(*this, dtype, channel);
  const Parts parts{in, channel_or_null(by), channel_or_null(plus), average, spread, count};
  const bool batch_statistics = args.training || !wanted(running_mean) || !wanted(running_var);
  if (batch_statistics) {
    moments(*this, parts);
    Calls(*this).mul(spread.view(), Number(count / std::max(count - 1, 1.0)), unbiased);
  } else {
    copy(channel_or_null(running_mean), average);
    copy(channel_or_null(running_var), spread);
  }
  reciprocal_root(*this, spread, args.epsilon, spread);
  apply(*this, parts, y);
  copy_wanted(*this, average, channel_or_null(mean));
  copy_wanted(*this, spread, channel_or_null(rstd));
  if (!args.training) return;
  Blend means(*this, channel_or_null(running_mean), average), variances(*this, channel_or_null(running_var), unbiased);
  means.run(args.momentum);
  variances.run(args.momentum);
}

void Backend::batch_norm_backward(const TensorView& dy, const TensorView& x, const TensorView& scale,
                                  const TensorView& mean, const TensorView& rstd, const TensorView& dx,
                                  const TensorView& dscale, const TensorView& dshift) {
  const DType dtype = compute_dtype(x.dtype);
  const Input in(*this, x, dtype), by(*this, scale, dtype), average(*this, mean, dtype), spread(*this, rstd, dtype);
  const Parts parts{in,
                    channel_or_null(by),
                    {},
                    channel_or_null(average),
                    channel_or_null(spread),
                    static_cast<double>(x.shape[0] * x.shape[2])};
  backward(*this, parts, dy, dx, channel_or_null(dscale), channel_or_null(dshift));
}

}  // namespace weft::backends
