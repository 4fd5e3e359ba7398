#pragma once
// Private: which of the known names did the user mean? For "did you mean" in messages about unknown names.

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`, ASCII letters compared without case:
/// the optimal string alignment distance. O(|a| |b|) time, O(|b|) memory.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  std::vector<std::size_t> two_back(b.size() + 1), back(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) back[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({back[j] + 1, row[j - 1] + 1, back[j - 1] + (same ? 0u : 1u)});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], two_back[j - 2] + 1);
      }
    }
    two_back.swap(back);
    back.swap(row);
  }
  return back[b.size()];
}

/// The name nearest to `text`, the first of equals; empty where none is near enough to be a slip (a third of the
/// longer of the two, at least one edit).
inline std::string_view closest_name(std::string_view text, std::span<const std::string_view> names) {
  constexpr std::size_t longest = 256;  // longer texts are no slip of the finger; keeps the cost bounded
  std::string_view best;
  std::size_t best_distance = longest;
  if (text.size() > longest) return best;
  for (std::string_view name : names) {
    if (name.size() > longest) continue;
    const std::size_t distance = edit_distance(text, name);
    const std::size_t allowed = std::max<std::size_t>(1, std::max(text.size(), name.size()) / 3);
    if (distance <= allowed && distance < best_distance && distance < name.size()) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

/// "; did you mean \"relu\"?", or nothing when no name is close.
inline std::string did_you_mean(std::string_view text, std::span<const std::string_view> names) {
  const std::string_view best = closest_name(text, names);
  if (best.empty()) return {};
  return "; did you mean \"" + std::string(best) + "\"?";
}

}  // namespace weft
