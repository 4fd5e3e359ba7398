#include <weft/core/cpu_quota.h>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <new>

#include <weft/core/thread_pool.h>

namespace weft {
namespace {

std::string small_file(const std::string& path) {
  char text[256];
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t got = read(fd, text, sizeof text);
  close(fd);
  return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string();
}

// The first whole number in the text and what follows it; -1 where there is none ("max", an empty file).
std::int64_t number(std::string_view& text) {
  std::int64_t value = -1;
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

int cpus(std::int64_t quota, std::int64_t period) {
  if (quota <= 0 || period <= 0) return 0;
  const std::int64_t whole = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<int>(std::min<std::int64_t>(whole, 1 << 20));
}

int limit_v2(const std::string& folder) {
  const std::string text = small_file(folder + "/cpu.max");  // "max 100000" or "150000 100000"
  std::string_view rest = text;
  const std::int64_t quota = number(rest);
  return quota < 0 ? 0 : cpus(quota, number(rest));
}

int limit_v1(const std::string& folder) {
  const std::string quota_text = small_file(folder + "/cpu.cfs_quota_us");  // -1: none
  const std::string period_text = small_file(folder + "/cpu.cfs_period_us");
  std::string_view quota = quota_text, period = period_text;
  return cpus(number(quota), number(period));
}

// A parent's quota binds its children too.
int smallest_up_to_root(const std::string& root, std::string path, int (*limit)(const std::string&)) {
  int smallest = 0;
  for (;;) {
    const int here = limit(root + path);
    if (here > 0 && (smallest == 0 || here < smallest)) smallest = here;
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos || path.empty()) return smallest;
    path.resize(slash);
  }
}

bool lists(std::string_view controllers, std::string_view wanted) {
  for (;;) {
    const std::size_t comma = controllers.find(',');
    if (controllers.substr(0, comma) == wanted) return true;
    if (comma == std::string_view::npos) return false;
    controllers.remove_prefix(comma + 1);
  }
}

}  // namespace

int cgroup_cpu_limit(std::string_view membership, const std::string& root) {
  int smallest = 0;
  while (!membership.empty()) {  // lines "hierarchy:controllers:path"; version 2 has "0::path"
    const std::size_t end = std::min(membership.find('\n'), membership.size());
    const std::string_view line = membership.substr(0, end);
    membership.remove_prefix(std::min(end + 1, membership.size()));
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string path(line.substr(second + 1));
    while (!path.empty() && path.back() == '/') path.pop_back();
    int here = 0;
    if (controllers.empty()) {
      here = smallest_up_to_root(root, path, limit_v2);
      if (here == 0) here = smallest_up_to_root(root + "/unified", path, limit_v2);  // hybrid layout
    } else if (lists(controllers, "cpu")) {
      here = smallest_up_to_root(root + "/cpu", path, limit_v1);
      if (here == 0) here = smallest_up_to_root(root + "/" + std::string(controllers), path, limit_v1);
    }
    if (here > 0 && (smallest == 0 || here < smallest)) smallest = here;
  }
  return smallest;
}

namespace {

int count_cpus() noexcept {
  int allowed = 0;
  for (int size = 1024; size <= 1 << 20; size *= 2) {  // the kernel's mask may be wider than cpu_set_t
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(size));
    if (set == nullptr) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
    if (sched_getaffinity(0, bytes, set) == 0) allowed = CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    if (allowed > 0) break;
  }
  if (allowed == 0) allowed = std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  try {
    std::string membership;
    char text[4096];
    const int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      for (ssize_t got = 0; (got = read(fd, text, sizeof text)) > 0;) {
        membership.append(text, static_cast<std::size_t>(got));
      }
      close(fd);
    }
    const int quota = cgroup_cpu_limit(membership, "/sys/fs/cgroup");
    if (quota > 0) allowed = std::min(allowed, quota);
  } catch (const std::bad_alloc&) {  // the mask alone, then
  }
  return allowed;
}

}  // namespace

int hardware_threads() noexcept {
  static const int threads = count_cpus();
  return threads;
}

}  // namespace weft
