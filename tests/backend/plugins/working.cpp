// A plug-in as a third party would build one: the toy backend with its own copies of core/ and the composed forms, and
// one exported function. What it throws is a weft::ShapeError of its own copy of the library.

#include <ctime>

#include <weft/backends/plugin.h>
#include <weft/core/error.h>

#include "backend/toy_backend.h"

namespace {

using namespace weft;
using namespace weft::backends;

const PluginHost* the_host = nullptr;

std::int64_t now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

/// The toy, but scan refuses: so that the host has something to catch.
class Plugged final : public contract_test::ToyBackend {
 public:
  DeviceFacts facts() override {
    DeviceFacts facts;
    facts.name = "the test plug-in";
    return facts;
  }
  void scan(ScanOp, const TensorView&, int, const TensorView&) override {
    throw ShapeError(ErrorCode::shape_mismatch, "scan", "thrown by the plug-in", CallSite{"plugin.cpp", 7});
  }
  void fill(const TensorView& out, Number value) override {
    const std::int64_t begin = now();
    ToyBackend::fill(out, value);
    the_host->record_span("plugged fill", "plugin", begin, now());
  }
};

}  // namespace

extern "C" __attribute__((visibility("default"))) Backend* weft_plugin(const PluginHost* host, const char** why_not) {
  if (const char* why = mismatch(host); why != nullptr) {
    *why_not = why;
    return nullptr;
  }
  the_host = host;
  return new Plugged;
}
