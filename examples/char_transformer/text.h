#pragma once
// Text as numbers: a character is a byte, and gets the position of that byte among those the text has.

#include <cstdint>
#include <string>
#include <vector>

struct Text {
  std::string name;  ///< for people
  std::string bytes;
};

/// A file; for "synthetic" sentences made from a fixed rule, the same every time; for an empty path README.md and
/// docs/*.md of weft's source tree, one after the other. Throws weft::IoError.
Text read_text(const std::string& path);

class Vocabulary {
 public:
  explicit Vocabulary(const std::string& text);
  std::int64_t size() const { return static_cast<std::int64_t>(characters_.size()); }
  /// Throws weft::ValueError for a character the text does not have.
  std::vector<std::int64_t> encode(const std::string& text) const;
  char decode(std::int64_t token) const { return characters_[static_cast<std::size_t>(token)]; }

 private:
  std::string characters_;
  std::int64_t token_[256];
};
