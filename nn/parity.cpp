#include <weft/nn/parity.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/backends/observer.h>
#include <weft/backends/tape.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/running.h>
#include <weft/tensor/generator.h>

namespace weft {
namespace {

using backends::ObservedCall;
using backends::TensorView;

std::string site_of(const char* file, unsigned line) {
  std::string_view name = file;
  name = name.substr(name.rfind('/') + 1);
  return name.empty() ? std::string() : message(" (", name, ':', line, ')');
}

/// A call as both sides must have made it, with the values that came out.
struct Seen {
  std::string what;  // "[matmul] in layer "2" (net.cpp:41)"
  std::vector<Shape> shapes;
  std::vector<std::vector<double>> values;
};

std::vector<double> on_host(backends::Backend& backend, const TensorView& view) {
  std::vector<double> values(static_cast<std::size_t>(view.numel()));
  const std::size_t bytes = values.size() * sizeof(double);
  void* dense = backend.allocate(bytes);
  try {
    backend.copy(view, backends::contiguous_view(dense, DType::float64, view.shape));
    backend.copy_out(values.data(), dense, bytes);
  } catch (...) {
    backend.free(dense, bytes);
    throw;
  }
  backend.free(dense, bytes);
  return values;
}

class Watcher : public backends::Observer {
 public:
  void before(const ObservedCall&) override {}
  void after(const ObservedCall& call) override {
    Seen seen;
    const std::string path = nn::running_path();
    seen.what = message('[', *call.tag.name != '\0' ? call.tag.name : call.function, ']');
    if (!path.empty()) seen.what += message(" in layer \"", path, '"');
    seen.what += site_of(call.tag.file, call.tag.line);
    for (const TensorView& view : call.out) {
      seen.shapes.push_back(view.shape);
      seen.values.push_back(on_host(call.target, view));
    }
    take(std::move(seen));
  }

 protected:
  ~Watcher() = default;
  virtual void take(Seen seen) = 0;
};

class Recording final : public Watcher {
 public:
  std::vector<Seen> calls;

 private:
  void take(Seen seen) override { calls.push_back(std::move(seen)); }
};

struct Distance {
  double relative;
  std::size_t at;  // the element that differs most
};

Distance distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, norm = 0, most = -1;
  std::size_t at = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) {
      if (std::isfinite(a[i])) norm += a[i] * a[i];
      continue;
    }
    double d = std::fabs(b[i] - a[i]);
    if (!std::isfinite(d)) d = std::numeric_limits<double>::infinity();
    if (d > most) {
      most = d;
      at = i;
    }
    difference += d * d;
    if (std::isfinite(a[i])) norm += a[i] * a[i];
  }
  if (difference == 0) return {0, at};
  return {std::sqrt(difference) / std::max(std::sqrt(norm), std::numeric_limits<double>::min()), at};
}

/// Position of an element, counted in row-major order.
std::string position(std::size_t element, const Shape& shape) {
  Shape place = shape;
  auto rest = static_cast<std::int64_t>(element);
  for (int i = shape.rank() - 1; i >= 0; --i) {
    place[i] = rest % shape[i];
    rest /= shape[i];
  }
  return to_string(place);
}

class Comparison final : public Watcher {
 public:
  Comparison(const std::vector<Seen>& expected, Device a, Device b, double tolerance)
      : expected_(expected), a_(to_string(a)), b_(to_string(b)), tolerance_(tolerance) {}
  ParityReport report;

  void finish() {
    if (next_ < expected_.size()) {
      differ(message("the calls differ: ", a_, " went on with ", expected_[next_].what, " after ", next_, " calls, ",
                     b_, " ended"));
    }
  }

 private:
  void differ(std::string text) {
    if (!report.agree) return;
    report.agree = false;
    report.message = std::move(text);
  }

  void take(Seen seen) override {
    const std::size_t call = next_++;
    if (!report.agree && other_calls_) return;
    if (call >= expected_.size() || expected_[call].what != seen.what || expected_[call].shapes != seen.shapes) {
      other_calls_ = true;
      return differ(message("the calls differ: call ", call, " is ", seen.what, " on ", b_, " and ",
                            call < expected_.size() ? expected_[call].what : std::string("not made"), " on ", a_));
    }
    for (std::size_t i = 0; i < seen.values.size(); ++i) {
      const std::vector<double>& x = expected_[call].values[i];
      const std::vector<double>& y = seen.values[i];
      const Distance d = distance(x, y);
      ++report.compared;
      if (d.relative > report.worst) {
        report.worst = d.relative;
        report.worst_where = message(seen.what, ", call ", call);
      }
      if (d.relative > tolerance_) {
        differ(message(seen.what, ", call ", call, ", result ", i, " of shape ", seen.shapes[i], ": ", b_,
                       " differs from ", a_, " by ", d.relative, " of its norm, allowed ", tolerance_,
                       "; most at element ", position(d.at, seen.shapes[i]), ": ", x[d.at], " and ", y[d.at]));
      }
    }
  }

  const std::vector<Seen>& expected_;
  const std::string a_, b_;
  const double tolerance_;
  std::size_t next_ = 0;
  bool other_calls_ = false;
};

/// The model as it was: values, buffers, device and the generator's state come back, also after a throw.
class Unchanged {
 public:
  Unchanged(nn::Module& model, const Tensor& batch) : model_(model), device_(batch.device()) {
    const NoGrad off;
    nn::StateDict own = model.state_dict();
    if (!own.empty()) device_ = own.front().tensor.device();
    for (const NamedTensor& entry : own) state_.push_back({entry.name, entry.tensor.detach().clone()});
  }
  ~Unchanged() {
    default_generator().set_state(seed_, draw_);
    try {
      put_on(device_);
    } catch (...) {  // the device is gone: there is nothing to go back to
    }
  }
  Unchanged(const Unchanged&) = delete;
  Unchanged& operator=(const Unchanged&) = delete;

  void put_on(Device device) {
    model_.to(device);
    model_.load_state_dict(state_);
    model_.zero_grad();
  }

 private:
  nn::Module& model_;
  Device device_;
  nn::StateDict state_;
  std::uint64_t seed_ = default_generator().seed(), draw_ = default_generator().draw();
};

Tensor default_loss(nn::Module& model, const Tensor& batch) {
  const Tensor y = model(batch);
  return (y * y).mean();
}

}  // namespace

ParityReport parity(nn::Module& model, const Tensor& batch, Device a, Device b, const ParityOptions& options,
                    CallSite at) {
  if (!batch.defined()) throw StateError(ErrorCode::tensor_undefined, "parity", "batch is undefined", at);
  if (!(options.tolerance >= 0)) {
    throw ValueError(ErrorCode::value_out_of_range, "parity", message("tolerance is ", options.tolerance), at);
  }
  if (backends::active_tape() != nullptr) {
    throw StateError(ErrorCode::read_only, "parity", "inside a captured step, which executes nothing", at);
  }
  Unchanged model_as_it_was(model, batch);
  const auto run_on = [&](Device device, backends::Observer& observer) {
    model_as_it_was.put_on(device);
    default_generator().set_state(options.seed, 0);
    const Tensor input = batch.detach().to(device);
    const backends::RouterScope scope(observer);
    const Tensor loss = options.loss ? options.loss(model, input) : default_loss(model, input);
    if (loss.requires_grad()) loss.backward({}, false, false, at);
  };
  Recording first;
  run_on(a, first);
  Comparison second(first.calls, a, b, options.tolerance);
  run_on(b, second);
  second.finish();
  return second.report;
}

}  // namespace weft
