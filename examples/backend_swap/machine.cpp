#include "machine.h"

#include <unistd.h>

#include <ctime>

#include <weft/weft.h>

#include "build_info.h"
#include "units.h"

namespace lab {

const char* serial_flags() { return "-O2 -fno-tree-vectorize -fno-tree-slp-vectorize -ffp-contract=off"; }

std::string date_now() {
  const std::time_t t = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&t, &utc);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return out;
}

Machine this_machine() {
  Machine m;
  const auto add = [&](const char* name, std::string value) { m.facts.emplace_back(name, std::move(value)); };
  const std::string processor = weft::backends::backend_for(weft::cpu()).facts().name;
  m.device = processor + ", " + std::to_string(weft::hardware_threads()) + " cores";
  add("processor", processor);
  add("cores", std::to_string(weft::hardware_threads()));
  const double pages = static_cast<double>(sysconf(_SC_PHYS_PAGES)), page = static_cast<double>(sysconf(_SC_PAGESIZE));
  add("memory", quantity(pages * page, "B"));
  const std::string why_not = weft::backends::why_unavailable(weft::cuda());
  if (why_not.empty()) {
    const weft::backends::DeviceFacts gpu = weft::backends::backend_for(weft::cuda()).facts();
    m.device = gpu.name;
    add("gpu", std::string(gpu.name) + ", " + std::to_string(gpu.units) + " multiprocessors, " +
                   quantity(static_cast<double>(gpu.total_bytes), "B"));
  } else {
    add("gpu", "none: " + why_not);
  }
  add("weft", weft::version());
  add("commit", build::commit);
  add("compiler", build::compiler);
  add("flags", build::flags);
  add("flags of serial", serial_flags());
  return m;
}

}  // namespace lab
