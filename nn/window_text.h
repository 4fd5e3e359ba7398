#pragma once
// Private: how layers print their windows.

#include <string>

#include <weft/core/message.h>
#include <weft/tensor/window.h>

namespace weft::nn {

/// "3" or "(3, 5)"
inline std::string text_of(const PerAxis& value, int spatial) {
  bool same = true;
  for (int i = 1; i < spatial; ++i) same = same && value[i] == value[0];
  if (same) return message(value[0]);
  std::string text = "(";
  for (int i = 0; i < spatial; ++i) text += message(i > 0 ? ", " : "", value[i]);
  return text + ")";
}

/// ", name=value" where the value is not the default.
inline std::string option_text(const char* name, const PerAxis& value, std::int64_t standard, int spatial) {
  for (int i = 0; i < spatial; ++i) {
    if (value[i] != standard) return message(", ", name, "=", text_of(value, spatial));
  }
  return {};
}

}  // namespace weft::nn
