#include <weft/backends/exhibits.h>

#include <algorithm>

#include <weft/backends/registry.h>
#include <weft/backends/router.h>
#include <weft/core/closest_name.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

std::vector<Exhibit> exhibits() {
  return {
      {"warps-in-flight", "warps resident on a multiprocessor", {1, 2, 4, 8, 16, 32}},
      {"instruction-parallelism", "independent chains of multiply-adds in a thread", {1, 2, 4, 8}},
      {"divergence", "paths the 32 threads of a warp take", {1, 2, 4, 8, 16, 32}},
      {"coalescing", "floats from one thread's address to its neighbour's", {1, 2, 4, 8, 16, 32}},
      {"bank-conflicts",
       "4-byte words from one thread's address in shared memory to its neighbour's",
       {1, 2, 4, 8, 16, 32, 33}},
      {"block-size", "threads in a block", {32, 64, 128, 256, 512, 1024}},
  };
}

ExhibitRun run_exhibit(Device device, std::string_view name, std::int64_t setting, int repeats, CallSite at) {
  constexpr const char* fn = "run_exhibit";
  const std::vector<Exhibit> all = exhibits();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Exhibit& e) { return name == e.name; });
  if (found == all.end()) {
    std::vector<std::string_view> names;
    for (const Exhibit& e : all) names.emplace_back(e.name);
    throw ValueError(ErrorCode::value_invalid, fn,
                     message("no exhibit is called \"", name, '"', did_you_mean(name, names)), at);
  }
  const std::int64_t least = found->settings.front(), most = found->settings.back();
  if (setting < least || setting > most) {
    throw ValueError(
        ErrorCode::value_out_of_range, fn,
        message("setting = ", setting, " (", found->setting, ") of \"", name, "\" is not in ", least, " .. ", most),
        at);
  }
  if (repeats < 1 || repeats > 1000) {
    throw ValueError(ErrorCode::value_out_of_range, fn, message("repeats = ", repeats, " is not in 1 .. 1000"), at);
  }
  ExhibitRun run;
  run.seconds.resize(static_cast<std::size_t>(repeats));
  backends::Backend& backend = backends::active(backends::backend_for(device, at));
  backend.tag({fn, at.file, at.line});
  if (!backend.exhibit(name, setting, run.figures, run.seconds)) {
    throw DeviceError(ErrorCode::not_built, fn,
                      message('\'', device, "' has no exhibit \"", name, "\" with the setting ", setting), at);
  }
  return run;
}

}  // namespace weft
