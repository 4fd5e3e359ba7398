#pragma once
// Private: how many CPUs the control groups of this process allow, for hardware_threads().

#include <string>
#include <string_view>

namespace weft {

/// The smallest quota / period over the process's group and its parents, rounded up; 0 when nothing limits it.
/// `membership` is the text of /proc/self/cgroup, `root` the folder where the hierarchies are mounted
/// (/sys/fs/cgroup). Inside a container the group's own path may not exist below `root`; then its root is read.
int cgroup_cpu_limit(std::string_view membership, const std::string& root);

}  // namespace weft
