#include <weft/core/processor.h>

#include <sys/utsname.h>

#include <cstdio>
#include <string_view>

namespace weft {
namespace {

std::string read_name() {
  std::string found;
  if (std::FILE* file = std::fopen("/proc/cpuinfo", "re")) {
    char line[256];
    while (found.empty() && std::fgets(line, sizeof line, file) != nullptr) {
      const std::string_view text = line;
      const std::size_t colon = text.find(": ");
      if (text.rfind("model name", 0) == 0 && colon != std::string_view::npos) found = text.substr(colon + 2);
    }
    std::fclose(file);
  }
  while (!found.empty() && (found.back() == '\n' || found.back() == ' ')) found.pop_back();
  utsname system{};
  if (found.empty() && uname(&system) == 0) found = system.machine;
  return found.empty() ? "unknown processor" : found;
}

}  // namespace

const std::string& processor_name() {
  static const std::string& name = *new std::string(read_name());
  return name;
}

}  // namespace weft
