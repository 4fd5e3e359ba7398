// weft_doctor: what this weft is, what it finds on this machine, and why what is missing is missing.

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "report.h"

namespace {

constexpr const char* usage =
    "usage: weft_doctor [--json]\n"
    "Prints the version and build of weft, the processor and its instruction sets, threads, the WEFT_* variables in\n"
    "effect, which backends can be used and why the others cannot, data folders and optional libraries.\n";

std::string text_of(const nlohmann::ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (!value.is_array()) return value.dump();
  std::string all;
  for (const auto& item : value) all += (all.empty() ? "" : " ") + text_of(item);
  return all.empty() ? "none" : all;
}

void print(const nlohmann::ordered_json& report) {
  for (const auto& [title, section] : report.items()) {
    if (!section.is_object()) {
      std::printf("%s %s\n", title.c_str(), text_of(section).c_str());
      continue;
    }
    std::printf("\n%s\n", title.c_str());
    if (section.empty()) std::printf("  none\n");
    for (const auto& [key, value] : section.items()) {
      std::printf("  %-18s %s\n", key.c_str(), text_of(value).c_str());
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json") {
      json = true;
    } else if (argument == "--help" || argument == "-h") {
      std::fputs(usage, stdout);
      return 0;
    } else {
      std::fprintf(stderr, "weft_doctor: unknown argument '%s'\n%s", argv[i], usage);
      return 2;
    }
  }
  const auto report = doctor::make_report();
  if (json) {
    std::printf("%s\n", report.dump(2).c_str());
  } else {
    print(report);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "weft_doctor: %s\n", error.what());
  return 1;
}
