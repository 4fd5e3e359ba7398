#pragma once
// Private: what this machine's processor is called.

#include <string>

namespace weft {

/// "AMD EPYC 9655 96-Core Processor", from /proc/cpuinfo; the architecture's name where that says nothing. Read once.
const std::string& processor_name();

}  // namespace weft
