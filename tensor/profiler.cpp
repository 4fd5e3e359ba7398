#include <weft/tensor/profiler.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

#include <weft/backends/observer.h>
#include <weft/backends/tape.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;
using backends::Backend;
using backends::ObservedCall;
using backends::TensorView;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// The memory of one measurement.
class Scratch {
 public:
  Scratch(Backend& backend, const Shape& shape)
      : backend_(backend), bytes_(static_cast<std::size_t>(shape.numel()) * sizeof(float)) {
    view_ = backends::contiguous_view(backend.allocate(bytes_), DType::float32, shape);
    backend.fill(view_, backends::Number(0.5));
  }
  ~Scratch() { backend_.free(view_.data, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const TensorView& view() const noexcept { return view_; }

 private:
  Backend& backend_;
  std::size_t bytes_;
  TensorView view_;
};

/// Seconds of the fastest call within about a tenth of a second, after one that warms up.
template <class F>
double fastest(Backend& backend, F call) {
  double best = 0;
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i == 0 || i == 1 || seconds_since(begin) < 0.1; ++i) {
    const Clock::time_point one = Clock::now();
    call();
    backend.synchronise();
    const double time = seconds_since(one);
    if (i == 1 || (i > 1 && time < best)) best = time;
  }
  return std::max(best, 1e-9);
}

void measure(Backend& backend, MachinePeaks& peaks) {
  if (peaks.flops_per_second <= 0) {
    const std::int64_t n = 768;
    const Scratch a(backend, {n, n}), b(backend, {n, n}), c(backend, {n, n});
    const double flops = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
    peaks.flops_per_second = flops / fastest(backend, [&] { backend.matmul(a.view(), b.view(), c.view(), false); });
  }
  if (peaks.bytes_per_second <= 0) {
    const Scratch from(backend, {8 << 20}), to(backend, {8 << 20});
    peaks.bytes_per_second =
        2 * backends::bytes_of(from.view()) / fastest(backend, [&] { backend.copy(from.view(), to.view()); });
  }
}

Bound bound_of(double seconds, double flops, double bytes, const MachinePeaks& peaks) {
  const double compute = peaks.flops_per_second > 0 ? flops / peaks.flops_per_second : 0;
  const double memory = peaks.bytes_per_second > 0 ? bytes / peaks.bytes_per_second : 0;
  if (std::max(compute, memory) < seconds / 2) return Bound::overhead;
  return compute >= memory ? Bound::compute : Bound::memory;
}

std::string line(const char* format, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

}  // namespace

const char* name(Bound bound) noexcept {
  switch (bound) {
    case Bound::compute:
      return "compute-bound";
    case Bound::memory:
      return "memory-bound";
    case Bound::loader:
      return "loader-bound";
    case Bound::overhead:
      break;
  }
  return "overhead-bound";
}

struct Profiler::Impl final : backends::Observer {
  explicit Impl(MachinePeaks given) : peaks(given), scope(std::in_place, *this), begin(Clock::now()) {}

  void before(const ObservedCall& call) override {
    if (waits.first != &call.target) waits = {&call.target, call.target.facts().streams};
    if (waits.second) call.target.synchronise();
    call_begin = Clock::now();
  }

  void after(const ObservedCall& call) override {
    if (waits.second) call.target.synchronise();
    const double seconds = seconds_since(call_begin);
    if (device == nullptr) device = &call.target;
    const std::string_view function = call.function;
    std::string key = *call.tag.name != '\0' ? call.tag.name : call.function;
    if (function.size() > 9 && function.substr(function.size() - 9) == "_backward") key += ", backward";
    ProfileRow& row = rows[std::move(key)];
    ++row.calls;
    row.seconds += seconds;
    row.flops += call.flops;
    for (const TensorView& view : call.in) row.bytes += backends::bytes_of(view);
    for (const TensorView& view : call.out) row.bytes += backends::bytes_of(view);
  }

  MachinePeaks peaks;
  std::optional<backends::RouterScope> scope;
  Clock::time_point begin;
  Clock::time_point call_begin;
  std::pair<Backend*, bool> waits{nullptr, false};  // of the latest backend: whether its calls return before the work
  Backend* device = nullptr;                        // of the first call: whose peaks are measured
  std::map<std::string, ProfileRow> rows;
  double total = 0;
  double waiting = 0;
};

Profiler::Profiler(MachinePeaks peaks, CallSite at) {
  if (backends::active_tape() != nullptr) {
    throw StateError(ErrorCode::read_only, "Profiler", "inside a captured step, which executes nothing", at);
  }
  impl_ = std::make_unique<Impl>(peaks);
}

Profiler::~Profiler() { impl_->scope.reset(); }

void Profiler::add_wait(double seconds) noexcept { impl_->waiting += seconds; }

void Profiler::stop() {
  if (!impl_->scope.has_value()) return;
  impl_->total = seconds_since(impl_->begin);
  impl_->scope.reset();
  if (impl_->device != nullptr) measure(*impl_->device, impl_->peaks);
}

std::vector<ProfileRow> Profiler::rows() const {
  const double total = summary().seconds;
  std::vector<ProfileRow> all;
  for (const auto& [operation, found] : impl_->rows) {
    ProfileRow row = found;
    row.operation = operation;
    row.share = total > 0 ? row.seconds / total : 0;
    row.bound = bound_of(row.seconds, row.flops, row.bytes, impl_->peaks);
    all.push_back(std::move(row));
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
  return all;
}

ProfileSummary Profiler::summary() const {
  ProfileSummary s;
  s.seconds = impl_->scope.has_value() ? seconds_since(impl_->begin) : impl_->total;
  double by_bound[3] = {};
  for (const auto& [operation, row] : impl_->rows) {
    s.operations += row.seconds;
    by_bound[static_cast<int>(bound_of(row.seconds, row.flops, row.bytes, impl_->peaks))] += row.seconds;
  }
  s.waiting = impl_->waiting;
  s.between = std::max(0.0, s.seconds - s.operations - s.waiting);
  s.peaks = impl_->peaks;
  if (impl_->device != nullptr) s.peak_memory_bytes = impl_->device->memory().peak;
  if (s.waiting > s.operations && s.waiting > s.between) {
    s.bound = Bound::loader;
  } else if (s.between <= s.operations) {
    s.bound = static_cast<Bound>(std::max_element(by_bound, by_bound + 3) - by_bound);
  }
  return s;
}

std::string Profiler::report() const {
  const ProfileSummary s = summary();
  std::string text = line("%-28s %9s %10s %7s %9s %8s  %s\n", "operation", "calls", "ms", "share", "GFLOP/s", "GB/s",
                          "what limits it");
  for (const ProfileRow& row : rows()) {
    text += line("%-28s %9lld %10.2f %6.1f%% %9.1f %8.1f  %s\n", row.operation.c_str(),
                 static_cast<long long>(row.calls), row.seconds * 1e3, row.share * 100, row.flops / row.seconds / 1e9,
                 row.bytes / row.seconds / 1e9, name(row.bound));
  }
  const double whole = std::max(s.seconds, 1e-12) / 100;
  text += line("%.2f ms watched: %.1f%% in operations, %.1f%% waiting for data, %.1f%% between calls. ",
               s.seconds * 1e3, s.operations / whole, s.waiting / whole, s.between / whole);
  text += message("As a whole: ", name(s.bound), ".\n");
  text += line("Peaks compared with: %.1f GFLOP/s, %.1f GB/s.", s.peaks.flops_per_second / 1e9,
               s.peaks.bytes_per_second / 1e9);
  if (s.peak_memory_bytes != 0)
    text += line(" Most memory live at once: %.1f MB.", static_cast<double>(s.peak_memory_bytes) / 1e6);
  return text + "\n";
}

}  // namespace weft
