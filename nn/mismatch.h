#pragma once
// Private: comparing two states and telling every difference at once.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/error.h>
#include <weft/nn/state_dict.h>

namespace weft::nn {

using Options = std::vector<std::pair<std::string, double>>;

/// One line per difference: names missing in or unexpected in `given` (strict only), shapes, dtypes, names given twice.
std::vector<std::string> mismatches(const StateDict& own, const StateDict& given, bool strict);
/// One line per option that is missing, unexpected or has another value.
std::vector<std::string> mismatches(const Options& own, const Options& given);

StateError state_mismatch(const char* op, std::string_view what, const std::vector<std::string>& problems, CallSite at);

}  // namespace weft::nn
