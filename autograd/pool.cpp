// Pooling. An average is linear: its way back is one linear map, whose own way back is the average again. The largest
// of a window is picked by position, and the positions stay what they are: back again, gradients are picked there.

#include <weft/autograd/record.h>

namespace weft {

using autograd::Back;
using autograd::Recorder;
using backends::PoolGeometry;
using backends::PoolKind;

namespace {

Tensor send_back_average(const Tensor& dy, const PoolGeometry& g, const Shape& shape, const char* name, CallSite at);

Tensor average(const Tensor& x, const PoolGeometry& g, const Shape& shape, const char* name, CallSite at) {
  Tensor y = ops::pool(x, g, shape, nullptr, name, at);
  if (Recorder r{name, at, x}) {
    r.record(y, [g, name, xs = x.shape()](Back& back) { back[0] = send_back_average(back.dy, g, xs, name, back.at); });
  }
  return y;
}

Tensor send_back_average(const Tensor& dy, const PoolGeometry& g, const Shape& shape, const char* name, CallSite at) {
  Tensor dx = ops::pool_backward(dy, g, {}, {}, {}, shape, name, at);
  if (Recorder r{name, at, dy}) {
    r.record(dx, [g, name, ys = dy.shape()](Back& back) { back[0] = average(back.dy, g, ys, name, back.at); });
  }
  return dx;
}

/// What the largest of x's windows are, and where.
struct Picked {
  Tensor x, y, index;
};

Tensor pick(const Tensor& from, const PoolGeometry& g, const Picked& picked, const char* name, CallSite at);

/// dx, zero but for what arrives at the positions that were picked.
Tensor put_back(const Tensor& dy, const PoolGeometry& g, const Picked& picked, const char* name, CallSite at) {
  Tensor dx = ops::pool_backward(dy, g, picked.x, picked.y, picked.index, picked.x.shape(), name, at);
  if (Recorder r{name, at, dy}) {
    r.record(dx, [g, name, picked](Back& back) { back[0] = pick(back.dy, g, picked, name, back.at); });
  }
  return dx;
}

/// The elements of `from` at the positions that were picked.
Tensor pick(const Tensor& from, const PoolGeometry& g, const Picked& picked, const char* name, CallSite at) {
  Tensor y = ops::pool_pick(from, picked.index, name, at);
  if (Recorder r{name, at, from}) {
    r.record(y, [g, name, picked](Back& back) { back[0] = put_back(back.dy, g, picked, name, back.at); });
  }
  return y;
}

Tensor largest(const Tensor& x, const PoolGeometry& g, const Shape& shape, const char* name, CallSite at) {
  Recorder r{name, at, x};
  Tensor index;
  Tensor y = ops::pool(x, g, shape, r ? &index : nullptr, name, at);
  if (r) {
    r.record(y, [g, name, x = r.keep(x), y = r.output(y), index](Back& back) {
      const Picked picked{autograd::without_history(back(x)), back(y), index};
      back[0] = put_back(back.dy, g, picked, name, back.at);
    });
  }
  return y;
}

bool is_sample(const Tensor& x, int spatial) { return x.defined() && x.rank() == spatial + 1; }

/// pool(x) for x with a batch axis; one sample gets one for the while.
template <class Pool>
Tensor batched(const Tensor& x, int spatial, CallSite at, Pool pool) {
  if (!is_sample(x, spatial)) return pool(x);
  return squeeze(pool(unsqueeze(x, 0, at)), 0, at);
}

Tensor max_pool(const Tensor& x, int spatial, const PerAxis& kernel, const MaxPoolOptions& o, const char* name,
                CallSite at) {
  return batched(x, spatial, at, [&](const Tensor& in) {
    const ops::PoolCall call =
        ops::check_pool(in, spatial, PoolKind::max, kernel, o.stride, o.padding, o.dilation, o.ceil_mode, name, at);
    return largest(in, call.geometry, call.result, name, at);
  });
}

Tensor avg_pool(const Tensor& x, int spatial, const PerAxis& kernel, const AvgPoolOptions& o, const char* name,
                CallSite at) {
  const PoolKind kind = o.count_include_pad ? PoolKind::average_count_padding : PoolKind::average;
  return batched(x, spatial, at, [&](const Tensor& in) {
    const ops::PoolCall call =
        ops::check_pool(in, spatial, kind, kernel, o.stride, o.padding, 1, o.ceil_mode, name, at);
    return average(in, call.geometry, call.result, name, at);
  });
}

Tensor adaptive_avg_pool(const Tensor& x, int spatial, const PerAxis& output, const char* name, CallSite at) {
  return batched(x, spatial, at, [&](const Tensor& in) {
    const ops::PoolCall call = ops::check_adaptive_pool(in, spatial, PoolKind::average, output, name, at);
    return average(in, call.geometry, call.result, name, at);
  });
}

}  // namespace

Tensor max_pool1d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options, CallSite at) {
  return max_pool(x, 1, kernel, options, "max_pool1d", at);
}

Tensor max_pool2d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options, CallSite at) {
  return max_pool(x, 2, kernel, options, "max_pool2d", at);
}

Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options, CallSite at) {
  return avg_pool(x, 1, kernel, options, "avg_pool1d", at);
}

Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options, CallSite at) {
  return avg_pool(x, 2, kernel, options, "avg_pool2d", at);
}

Tensor adaptive_avg_pool1d(const Tensor& x, const PerAxis& output_size, CallSite at) {
  return adaptive_avg_pool(x, 1, output_size, "adaptive_avg_pool1d", at);
}

Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& output_size, CallSite at) {
  return adaptive_avg_pool(x, 2, output_size, "adaptive_avg_pool2d", at);
}

Tensor adaptive_max_pool2d(const Tensor& x, const PerAxis& output_size, CallSite at) {
  return batched(x, 2, at, [&](const Tensor& in) {
    const ops::PoolCall call = ops::check_adaptive_pool(in, 2, PoolKind::max, output_size, "adaptive_max_pool2d", at);
    return largest(in, call.geometry, call.result, "adaptive_max_pool2d", at);
  });
}

}  // namespace weft
