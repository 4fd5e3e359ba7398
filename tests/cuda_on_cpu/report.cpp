#include "cuda_on_cpu/report.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <utility>

#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include "cuda_on_cpu/counters.h"
#include "cuda_on_cpu/schedule.h"

namespace weft_harness {
namespace {

Collect* collecting = nullptr;

const char* name_of(Order order) {
  constexpr const char* names[] = {"forward", "reverse", "random"};
  return names[static_cast<int>(order)];
}

Settings from_environment() {
  Settings s;
  if (const char* order = std::getenv("WEFT_HARNESS_ORDER"); order != nullptr) {
    for (const Order o : {Order::forward, Order::reverse, Order::random}) {
      if (std::strcmp(order, name_of(o)) == 0) s.order = o;
    }
  }
  if (const char* seed = std::getenv("WEFT_HARNESS_SEED"); seed != nullptr) s.seed = std::strtoull(seed, nullptr, 10);
  if (s.order == Order::random) {
    std::fprintf(stderr, "cuda-on-cpu: random order, WEFT_HARNESS_SEED=%llu\n",
                 static_cast<unsigned long long>(s.seed));
  }
  return s;
}

/// The symbol table of the file this code lies in: hidden symbols are not in the dynamic one.
std::vector<std::pair<std::uint64_t, std::string>> read_symbols(std::uint64_t base, const char* path) {
  std::vector<std::pair<std::uint64_t, std::string>> symbols;
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() < sizeof(Elf64_Ehdr)) return symbols;
  const auto at = [&](std::uint64_t offset, auto& value) {
    if (offset + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + offset, sizeof value);
  };
  Elf64_Ehdr header{};
  at(0, header);
  const bool moved = header.e_type == ET_DYN;
  for (unsigned s = 0; s < header.e_shnum; ++s) {
    Elf64_Shdr section{};
    at(header.e_shoff + s * sizeof section, section);
    if (section.sh_type != SHT_SYMTAB) continue;
    Elf64_Shdr names{};
    at(header.e_shoff + section.sh_link * sizeof names, names);
    for (std::uint64_t i = 0; i < section.sh_size / sizeof(Elf64_Sym); ++i) {
      Elf64_Sym symbol{};
      at(section.sh_offset + i * sizeof symbol, symbol);
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || names.sh_offset + symbol.st_name >= bytes.size()) continue;
      symbols.emplace_back(symbol.st_value + (moved ? base : 0), bytes.data() + names.sh_offset + symbol.st_name);
    }
  }
  return symbols;
}

}  // namespace

Settings& settings() {
  static Settings& s = *new Settings(from_environment());
  return s;
}

void report(const std::string& text) {
  const std::string where = running_kernel();
  const std::string full = where.empty() ? text : text + "\n  in " + where;
  ++counters().reports;
  if (collecting != nullptr) {
    if (collecting->reports_.size() < 100) collecting->reports_.push_back(full);
    return;
  }
  std::fprintf(stderr, "cuda-on-cpu: %s\n  order %s, WEFT_HARNESS_SEED=%llu\n", full.c_str(), name_of(settings().order),
               static_cast<unsigned long long>(settings().seed));
  std::fflush(nullptr);
  std::abort();
}

Collect::Collect() : outer_(collecting) { collecting = this; }
Collect::~Collect() { collecting = outer_; }
bool Collect::has(const std::string& part) const {
  for (const std::string& text : reports_) {
    if (text.find(part) != std::string::npos) return true;
  }
  return false;
}

std::string triple(unsigned x, unsigned y, unsigned z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

std::string function_name(const void* code) {
  static std::vector<std::pair<std::uint64_t, std::string>>* symbols = nullptr;
  if (symbols == nullptr) {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(&function_name), &info) == 0) return "a kernel";
    std::string path = info.dli_fname;
    if (path.find('/') == std::string::npos) path = "/proc/self/exe";
    symbols = new std::vector(read_symbols(reinterpret_cast<std::uint64_t>(info.dli_fbase), path.c_str()));
  }
  for (const auto& [address, mangled] : *symbols) {
    if (address != reinterpret_cast<std::uint64_t>(code)) continue;
    int status = 0;
    char* plain = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
    std::string name = status == 0 ? plain : mangled;
    std::free(plain);
    return name;
  }
  return "a kernel";
}

void fill_order(std::vector<unsigned>& order, unsigned n, Random& random) {
  order.resize(n);
  const Order how = settings().order;
  for (unsigned i = 0; i < n; ++i) order[i] = how == Order::reverse ? n - 1 - i : i;
  if (how != Order::random) return;
  for (unsigned i = n; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
}

}  // namespace weft_harness
