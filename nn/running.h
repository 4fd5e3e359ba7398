#pragma once
// Private: which module is running on this thread.

#include <string>

namespace weft::nn {

/// The path of the innermost running module as seen from the outermost, "encoder.0"; empty where none runs.
std::string running_path();

}  // namespace weft::nn
