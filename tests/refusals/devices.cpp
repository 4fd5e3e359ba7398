#include <weft/autograd/functions.h>
#include <weft/backends/registry.h>
#include <weft/core/thread_pool.h>

#include "refusals/refusals.h"

namespace weft::test {

std::vector<Refusal> device_refusals() {
  using E = ErrorCode;
  std::vector<Refusal> rows = {
      {"D1",
       "cpu plus serial",
       [](Bench& b) { b.keep(rand({2})) + b.keep(rand({2}, serial())); },
       E::device_mismatch,
       {"[add]", "cpu", "serial", ".to("}},
      {"D1",
       "labels on another device",
       [](Bench& b) {
         cross_entropy(b.keep(rand({1, 2})), zeros({1}, {serial(), DType::int64}));
       },
       E::device_mismatch,
       {"[cross_entropy]", "cpu", "serial"}},
      {"D2",
       "a second cpu",
       [](Bench&) {
         zeros({1}, Device{BackendKind::cpu, 1});
       },
       E::device_unknown,
       {"cpu", "1"}},
      {"D2", "an unknown device name", [](Bench&) { parse_device("cdua"); }, E::device_unknown, {"cdua", "cuda"}},
      {"D2", "a device index that is no number", [](Bench&) { parse_device("cuda:x"); }, E::device_unknown, {"cuda:x"}},
      {"L5", "no threads", [](Bench&) { set_num_threads(0); }, E::value_out_of_range, {"[set_num_threads]", "0"}},
      {"L5",
       "a billion threads",
       [](Bench&) { set_num_threads(1000000000); },
       E::value_out_of_range,
       {"1000000000", "1024"}},
  };
  if (!is_available(cuda())) {
    rows.push_back({"D3",
                    "CUDA where there is none",
                    [](Bench&) { zeros({1}, cuda()); },
                    // no plug-in, or a plug-in that finds no driver
                    [] {
                      try {
                        backends::backend_for(cuda());
                      } catch (const DeviceError& e) {
                        if (e.code() == ErrorCode::device_unavailable) return e.code();
                      } catch (const Error&) {
                      }
                      return ErrorCode::plugin_incompatible;
                    }(),
                    {"cuda"}});
  } else {
    rows.push_back({"D2",
                    "a CUDA device beyond the last",
                    [](Bench&) {
                      zeros({1}, Device{BackendKind::cuda, 32767});
                    },
                    E::device_unknown,
                    {"cuda:32767"}});
  }
  return rows;
}

}  // namespace weft::test
