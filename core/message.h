#pragma once
// Private: puts an error message together. message("a is ", a.shape(), ", b is ", b.shape()).

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

#include <weft/core/device.h>
#include <weft/core/dtype.h>
#include <weft/core/shape.h>

namespace weft {

inline void append(std::string& out, std::string_view text) { out += text; }
inline void append(std::string& out, const char* text) { out += text; }
inline void append(std::string& out, char c) { out += c; }
inline void append(std::string& out, bool b) { out += b ? "true" : "false"; }
inline void append(std::string& out, const Shape& shape) { out += to_string(shape); }
inline void append(std::string& out, DType dtype) { out += name(dtype); }
inline void append(std::string& out, Device device) { out += to_string(device); }
template <class Number>
requires(std::integral<Number> ||
         std::floating_point<Number>) void append(std::string& out,
                                                  Number value) {  // locale-free, shortest text that reads back
  char text[64];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

template <class... Parts>
std::string message(const Parts&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

}  // namespace weft
