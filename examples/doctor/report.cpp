#include "report.h"

#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/backends/registry.h>
#include <weft/core/device.h>
#include <weft/core/version.h>

#include "build_info.h"

namespace doctor {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

/// The variables weft reads and what each does; anything else that starts with WEFT_ is probably a slip of the pen.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> variables{{
    {"WEFT_NUM_THREADS", "threads of the cpu backend"},
    {"WEFT_CPU_ISA", "instruction set of the cpu backend"},
    {"WEFT_BACKEND_PATH", "folders searched for backend plug-ins"},
    {"WEFT_CUDA_ALLOC", "direct: a block of device memory is asked of the driver each time, for memory checkers"},
    {"WEFT_DATA_DIR", "folder of data sets"},
    {"WEFT_NVTX", "1 names public calls in NVIDIA's tools"},
    {"WEFT_POISON", "1 fills fresh host memory with a pattern, to show reads of what was never written"},
}};

Json build_section() {
  return {{"compiler", compiler},
          {"type", build_type},
          {"target", target},
          {"sanitizers", *sanitizers != '\0' ? sanitizers : "none"},
          {"CUDA", std::string(cuda_kind) + ": " + cuda_why}};
}

std::string processor_name() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("model name")) {
      const auto colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return "unknown";
}

Json instruction_sets() {
  Json sets = Json::array({"baseline"});
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back("avx2");
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    sets.push_back("avx512");
  }
#elif defined(__aarch64__)
  sets.push_back("neon");
#endif
  return sets;
}

/// The cores this process may run on (its affinity mask); a container's quota shows in the cpu backend's threads.
int cores_allowed() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return -1;
  return CPU_COUNT(&mask);
}

Json processor_section() {
  return {{"name", processor_name()},
          {"cores", sysconf(_SC_NPROCESSORS_ONLN)},
          {"cores allowed", cores_allowed()},
          {"instruction sets", instruction_sets()}};
}

Json environment_section() {
  Json found = Json::object();
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (!text.starts_with("WEFT_") || equals == std::string_view::npos) continue;
    const auto name = text.substr(0, equals);
    const auto* known =
        std::find_if(variables.begin(), variables.end(), [&](const auto& v) { return v.first == name; });
    const auto meaning = known != variables.end() ? known->second : std::string_view("weft reads no such variable");
    found[std::string(name)] = std::string(text.substr(equals + 1)) + "  (" + std::string(meaning) + ")";
  }
  return found;
}

Json backends_section() {
  Json backends = Json::object();
  for (const auto& name : weft::backend_names()) {
    const auto device = weft::parse_device(name);
    const auto why = weft::backends::why_unavailable(device);
    if (!why.empty()) {
      backends[name] = "no: " + why;
      continue;
    }
    const auto facts = weft::backends::backend_for(device).facts();
    backends[name] = std::string("yes: ") + facts.name + ", " + std::to_string(facts.units) +
                     (device.kind == weft::BackendKind::cuda ? " multiprocessors, " : " threads, ") +
                     std::to_string(facts.total_bytes >> 20) + " MiB";
  }
  return backends;
}

fs::path cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return fs::path(cache) / "weft";
  const char* home = std::getenv("HOME");
  return home != nullptr ? fs::path(home) / ".cache" / "weft" : fs::path();
}

/// The subfolders of the places where programs look for data.
Json data_section() {
  const char* data = std::getenv("WEFT_DATA_DIR");
  Json section = Json::object();
  for (const auto& folder : {data != nullptr ? fs::path(data) : fs::path(), cache_folder()}) {
    if (folder.empty()) continue;
    std::error_code ignored;
    if (!fs::is_directory(folder, ignored)) {
      section[folder.string()] = "not there";
      continue;
    }
    Json sets = Json::array();
    for (const auto& entry : fs::directory_iterator(folder, ignored)) {
      if (entry.is_directory(ignored)) sets.push_back(entry.path().filename().string());
    }
    std::sort(sets.begin(), sets.end());
    section[folder.string()] = sets;
  }
  return section;
}

/// Opens a library as weft would at run time and asks it for its version.
std::string run_time_library(const std::vector<const char*>& names, const char* version_function) {
  std::string why;
  for (const char* name : names) {
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      why = dlerror();
      continue;
    }
    using Version = const char* (*)();
    const auto version = reinterpret_cast<Version>(dlsym(library, version_function));
    return std::string("yes: ") + name + (version != nullptr ? std::string(", ") + version() : "");
  }
  return "no: " + why;
}

Json libraries_section() {
  return {{"zlib", std::string(zlibVersion()) + ", built with " + built_with_zlib},
          {"libcurl", downloads ? run_time_library({"libcurl.so.4", "libcurl-gnutls.so.4"}, "curl_version")
                                : "no: weft was built without curl/curl.h"},
          {"Eigen", std::string("used to build: ") + built_with_eigen}};
}

}  // namespace

Json make_report() {
  Json report = Json::object();
  report["weft"] = weft::version();
  if (std::string_view(weft::version()) != WEFT_VERSION_STRING)
    report["headers of another version:"] = WEFT_VERSION_STRING;
  report["build"] = build_section();
  report["processor"] = processor_section();
  report["backends"] = backends_section();
  report["environment"] = environment_section();
  report["data folders"] = data_section();
  report["libraries"] = libraries_section();
  return report;
}

}  // namespace doctor
