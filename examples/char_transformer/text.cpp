#include "text.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <weft/weft.h>

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || fs::is_directory(path)) {
    throw weft::IoError(weft::ErrorCode::io_open, "text", path.string() + " cannot be read; --text FILE names another");
  }
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string documentation() {
  const fs::path root = WEFT_DOCUMENTATION;
  std::vector<fs::path> files;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(root / "docs", missing)) {
    if (entry.path().extension() == ".md") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::string all = read_file(root / "README.md");
  for (const fs::path& file : files) all += read_file(file);
  return all;
}

// Sentences of a small grammar, chosen by weft's own generator: there is something to learn and an end to it.
std::string synthetic() {
  const char* subjects[] = {"the weaver", "a loom", "the warp", "one thread", "the old shuttle"};
  const char* verbs[] = {"crosses", "holds", "follows", "pulls"};
  const char* objects[] = {"the weft", "a pattern", "the selvedge", "every second thread"};
  weft::Generator generator(2024);
  const auto picks = weft::randint(0, 60, {1500, 3}, weft::DType::int64, generator).to_vector<std::int64_t>();
  std::string text;
  for (std::size_t i = 0; i < picks.size(); i += 3) {
    text += subjects[picks[i] % 5];
    text += ' ';
    text += verbs[picks[i + 1] % 4];
    text += ' ';
    text += objects[picks[i + 2] % 4];
    text += ".\n";
  }
  return text;
}

}  // namespace

Text read_text(const std::string& path) {
  if (path == "synthetic") return {"synthetic sentences", synthetic()};
  if (!path.empty()) return {path, read_file(path)};
  return {"weft's documentation", documentation()};
}

Vocabulary::Vocabulary(const std::string& text) {
  const std::set<char> found(text.begin(), text.end());
  characters_.assign(found.begin(), found.end());
  std::fill(std::begin(token_), std::end(token_), -1);
  for (std::size_t i = 0; i < characters_.size(); ++i) {
    token_[static_cast<unsigned char>(characters_[i])] = static_cast<std::int64_t>(i);
  }
}

std::vector<std::int64_t> Vocabulary::encode(const std::string& text) const {
  std::vector<std::int64_t> tokens;
  tokens.reserve(text.size());
  for (const char c : text) {
    const std::int64_t token = token_[static_cast<unsigned char>(c)];
    if (token < 0) {
      throw weft::ValueError(weft::ErrorCode::value_invalid, "text",
                             "the character with byte value " + std::to_string(static_cast<unsigned char>(c)) +
                                 " does not occur in the text the network learned from");
    }
    tokens.push_back(token);
  }
  return tokens;
}
