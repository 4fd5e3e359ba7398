#pragma once
// Private: strings in JSON files, for what weft writes.

#include <cstddef>
#include <string>
#include <string_view>

namespace weft {

/// The length of the valid UTF-8 sequence at the start of the text, 0 if there is none.
inline std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto more = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return more(1) ? 2 : 0;
  if (first < 0xF0) {  // neither overlong nor a surrogate
    const bool good = first == 0xE0 ? byte(1) >= 0xA0 : first == 0xED ? byte(1) < 0xA0 : true;
    return more(1) && more(2) && good ? 3 : 0;
  }
  const bool good = first == 0xF0 ? byte(1) >= 0x90 : first == 0xF4 ? byte(1) < 0x90 : first < 0xF4;
  return more(1) && more(2) && more(3) && good ? 4 : 0;
}

/// Appends `text` in quotes; control characters are escaped, bytes that belong to no character become U+FFFD, so the
/// result is valid JSON whatever the text.
inline void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const unsigned char c = static_cast<unsigned char>(text.front());
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += text.front();
    } else if (c < 0x20) {
      out += "\\u00";
      out += "0123456789abcdef"[c >> 4];
      out += "0123456789abcdef"[c & 15];
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

}  // namespace weft
