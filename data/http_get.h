#pragma once
// Private: one HTTP request, without knowing what its answer is for.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <weft/core/function_ref.h>
#include <weft/data/download.h>

namespace weft {

struct HttpRequest {
  std::string url;
  std::int64_t offset = 0;  ///< asks for the bytes from here on
  const DownloadOptions* options = nullptr;
};

struct HttpAnswer {
  long status = 0;            ///< 0: no answer
  bool complete = false;      ///< the whole body of a success arrived
  std::int64_t received = 0;  ///< bytes of the body given to the sink
  bool unreachable = false;   ///< no connection could be made
  std::string reason;         ///< why not complete, for people
};

/// What the sink is told before the first byte: whether the body starts at `offset` (206) or at byte 0 (200), and how
/// long the whole file is, -1 if unknown.
struct HttpBody {
  std::int64_t start = 0;
  std::int64_t total = -1;
};

/// Calls begin() once and write() for each part of a successful body (200, 206); poll() a few times a second. Each
/// returns false to stop. What they throw passes through. Needs why_no_http() to be empty.
HttpAnswer http_get(const HttpRequest& request, FunctionRef<bool(const HttpBody&)> begin,
                    FunctionRef<bool(std::span<const std::byte>)> write, FunctionRef<bool()> poll);

/// Empty when there is a libcurl to call.
std::string why_no_http();

}  // namespace weft
