#include <weft/tensor/safetensors_header.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

#include <weft/core/error.h>
#include <weft/core/message.h>

// The header is read event by event, not into a document: a document would already have lost a duplicate name, the
// difference between 4 and 4.0, and where each thing stood.

namespace weft::safetensors {
namespace {

using nlohmann::json;

constexpr std::string_view dtype_texts[dtype_count] = {"F32", "F64", "F16", "BF16", "I64", "I32", "U8", "BOOL"};
constexpr std::uint64_t largest_integer = std::uint64_t{1} << 53;  // what every JSON reader keeps exactly

std::optional<DType> dtype_of_text(std::string_view text) {
  for (int i = 0; i < dtype_count; ++i) {
    if (dtype_texts[i] == text) return static_cast<DType>(i);
  }
  return {};
}

/// Walks the text and tells how far the reader is.
class Cursor {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Cursor(const char* place, const char** furthest) : place_(place), furthest_(furthest) {}
  reference operator*() const { return *place_; }
  Cursor& operator++() {
    *furthest_ = ++place_;
    return *this;
  }
  Cursor operator++(int) {
    Cursor before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Cursor& other) const { return place_ == other.place_; }

 private:
  const char* place_;
  const char** furthest_;
};

class Reader : public nlohmann::json_sax<json> {
 public:
  Reader(std::string_view text, const Source& source) : text_(text), furthest_(text.data()), source_(source) {}

  SafetensorsListing read() {
    json::sax_parse(Cursor(text_.data(), &furthest_), Cursor(text_.data() + text_.size(), &furthest_), this);
    return std::move(listing_);
  }

  // ---- events; each throws instead of returning false

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool number_integer(number_integer_t value) override {
    refuse(message(field_text(), " has the negative number ", value, "; expected 0 to 2^53"));
  }
  bool number_float(number_float_t, const string_t& digits) override {
    refuse(message(field_text(), " has the number ", digits.substr(0, 40), "; expected an integer from 0 to 2^53"));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) unexpected("a number");
    if (value > largest_integer) {
      refuse(message(field_text(), " has the number ", value, ", which is over 2^53"));
    }
    const auto number = static_cast<std::int64_t>(value);
    if (field_ == Field::shape) {
      if (entry_.shape.rank() == max_rank) {
        refuse(message(tensor_text(), " has more than ", max_rank, " dimensions"));
      }
      entry_.shape.push_back(number);
    } else {
      if (offsets_seen_ == 2) refuse(message(field_text(), " has more than two numbers"));
      offsets_[offsets_seen_++] = number;
    }
    return true;
  }
  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      listing_.metadata.emplace_back(std::move(key_), std::move(value));
      return true;
    }
    if (place_ != Place::entry || field_ != Field::dtype) unexpected("a text");
    const std::optional<DType> dtype = dtype_of_text(value);
    if (!dtype) {
      refuse(message(tensor_text(), " has the dtype ", in_quotes(value),
                     "; this version reads F32, F64, F16, BF16, I64, I32, U8 and BOOL"));
    }
    entry_.dtype = *dtype;
    return true;
  }
  bool binary(json::binary_t&) override { unexpected("bytes"); }

  bool start_object(std::size_t) override {
    switch (place_) {
      case Place::outside:
        place_ = Place::root;
        return true;
      case Place::root:
        place_ = key_ == metadata_name ? Place::metadata : Place::entry;
        if (place_ == Place::entry) begin_entry();
        return true;
      default:
        unexpected("an object");
    }
  }
  bool key(string_t& value) override {
    const std::uint64_t here = start_of_text();
    switch (place_) {
      case Place::root: {
        const auto [before, added] = tensors_.try_emplace(value, here);
        if (!added) {
          refuse(message("the name ", in_quotes(value), " is used twice: here and at byte ", before->second), here);
        }
        key_ = std::move(value);
        key_at_ = here;
        return true;
      }
      case Place::metadata: {
        const auto [before, added] = metadata_.try_emplace(value, here);
        if (!added) {
          refuse(message("the metadata key ", in_quotes(value), " is used twice: here and at byte ", before->second),
                 here);
        }
        if (metadata_.size() > most_metadata) refuse(message("more than ", most_metadata, " metadata keys"), here);
        key_ = std::move(value);
        return true;
      }
      default:
        begin_field(value, here);
        return true;
    }
  }
  bool end_object() override {
    if (place_ == Place::entry) end_entry();
    place_ = place_ == Place::root ? Place::outside : Place::root;
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::entry || field_ == Field::dtype) unexpected("a list");
    place_ = Place::numbers;
    return true;
  }
  bool end_array() override {
    if (field_ == Field::offsets && offsets_seen_ != 2) {
      refuse(message(field_text(), " has ", offsets_seen_, " numbers instead of two"));
    }
    place_ = Place::entry;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    std::string_view why = error.what();  // "[json.exception...] parse error at line 1, column 9: syntax error ..."
    const std::size_t colon = why.find(": ");
    if (colon != std::string_view::npos) why.remove_prefix(colon + 2);
    refuse(message("the header is not valid JSON: ", why));
  }

 private:
  enum class Place { outside, root, metadata, entry, numbers };
  enum class Field { dtype, shape, offsets };

  std::uint64_t reached() const { return length_bytes + static_cast<std::uint64_t>(furthest_ - text_.data()); }

  /// The byte of the opening quote of the text that was just read: the nearest quote before the closing one that no
  /// odd number of backslashes precedes.
  std::uint64_t start_of_text() const {
    std::size_t i = static_cast<std::size_t>(furthest_ - text_.data()) - 1;  // the closing quote
    while (i > 0) {
      --i;
      if (text_[i] != '"') continue;
      std::size_t slashes = 0;
      while (slashes < i && text_[i - 1 - slashes] == '\\') ++slashes;
      if (slashes % 2 == 0) break;
    }
    return length_bytes + i;
  }

  [[noreturn]] void refuse(std::string_view what) const { refuse(what, reached()); }
  [[noreturn]] void refuse(std::string_view what, std::uint64_t byte) const {
    source_.refuse(ErrorCode::io_format, byte, what);
  }
  [[noreturn]] void unexpected(const char* what) const {
    switch (place_) {
      case Place::outside:
        refuse(message("the header is ", what, " instead of an object"));
      case Place::root:
        refuse(message(in_quotes(key_), " is ", what, " instead of an object"));
      case Place::metadata:
        refuse(message("the metadata ", in_quotes(key_), " is ", what, " instead of a text"));
      case Place::numbers:
        refuse(message(field_text(), " holds ", what, " instead of a number"));
      case Place::entry:
        break;
    }
    refuse(
        message(field_text(), " is ", what, " instead of ", field_ == Field::dtype ? "a text" : "a list of numbers"));
  }

  std::string tensor_text() const { return message("tensor ", in_quotes(key_)); }
  std::string field_text() const {
    if (place_ != Place::entry && place_ != Place::numbers) {
      return place_ == Place::outside ? "the header" : message("the value of ", in_quotes(key_));
    }
    return message(field_ == Field::dtype   ? "the dtype"
                   : field_ == Field::shape ? "the shape"
                                            : "the data_offsets",
                   " of ", tensor_text());
  }

  void begin_entry() {
    if (listing_.entries.size() == most_tensors)
      refuse(message("there are more than ", most_tensors, " tensors"), key_at_);
    entry_ = {};
    offsets_seen_ = 0;
    fields_seen_ = 0;
  }
  void begin_field(const std::string& name, std::uint64_t here) {
    if (name == "dtype") {
      field_ = Field::dtype;
    } else if (name == "shape") {
      field_ = Field::shape;
    } else if (name == "data_offsets") {
      field_ = Field::offsets;
    } else {
      refuse(message(tensor_text(), " has the field ", in_quotes(name), "; expected dtype, shape and data_offsets"),
             here);
    }
    const unsigned bit = 1u << static_cast<unsigned>(field_);
    if ((fields_seen_ & bit) != 0) refuse(message(tensor_text(), " has the field ", name, " twice"), here);
    fields_seen_ |= bit;
  }
  void end_entry() {
    for (const auto& [field, name] :
         {std::pair{Field::dtype, "dtype"}, {Field::shape, "shape"}, {Field::offsets, "data_offsets"}}) {
      if ((fields_seen_ & 1u << static_cast<unsigned>(field)) == 0) {
        refuse(message(tensor_text(), " has no ", name), key_at_);
      }
    }
    if (offsets_[0] > offsets_[1]) {
      refuse(message(tensor_text(), " has the data_offsets [", offsets_[0], ", ", offsets_[1],
                     "], which end before they begin"),
             key_at_);
    }
    entry_.name = key_;
    entry_.offset = offsets_[0];
    entry_.bytes = offsets_[1] - offsets_[0];
    listing_.entries.push_back(entry_);
  }

  std::string_view text_;
  const char* furthest_;
  const Source& source_;
  SafetensorsListing listing_;
  std::unordered_map<std::string, std::uint64_t> tensors_, metadata_;  // name -> its byte

  Place place_ = Place::outside;
  std::string key_;
  std::uint64_t key_at_ = 0;
  Field field_ = Field::dtype;
  unsigned fields_seen_ = 0;
  SafetensorsEntry entry_;
  std::int64_t offsets_[2] = {};
  int offsets_seen_ = 0;
};

/// Offsets within the data become offsets in the file. Together the tensors are the data: no hole, no overlap, no rest.
void check_cover(SafetensorsListing& listing, std::uint64_t header_bytes, std::uint64_t data_bytes,
                 const Source& source) {
  const std::uint64_t base = length_bytes + header_bytes;
  std::vector<const SafetensorsEntry*> by_place;
  by_place.reserve(listing.entries.size());
  for (SafetensorsEntry& entry : listing.entries) {
    std::int64_t bytes = static_cast<std::int64_t>(item_size(entry.dtype));
    bool overflow = false, empty = false;
    for (const std::int64_t extent : entry.shape) {
      if (extent == 0) {
        empty = true;
      } else {
        overflow = overflow || __builtin_mul_overflow(bytes, extent, &bytes);
      }
    }
    const auto at = base + static_cast<std::uint64_t>(entry.offset);
    if (overflow) {
      source.refuse(ErrorCode::io_format, length_bytes,
                    message("tensor ", in_quotes(entry.name), " has the shape ", entry.shape,
                            ", which needs more than 2^63 - 1 bytes"));
    }
    if (empty) bytes = 0;
    if (bytes != entry.bytes) {
      source.refuse(ErrorCode::io_format, at,
                    message("tensor ", in_quotes(entry.name), " ", dtype_text(entry.dtype), " ", entry.shape, " needs ",
                            bytes, " bytes, its data_offsets span ", entry.bytes));
    }
    const auto end = static_cast<std::uint64_t>(entry.offset) + static_cast<std::uint64_t>(entry.bytes);
    if (end > data_bytes) {
      source.refuse(ErrorCode::io_truncated, at,
                    message("tensor ", in_quotes(entry.name), " ends at byte ", base + end, ", the file at byte ",
                            base + data_bytes));
    }
    entry.offset += static_cast<std::int64_t>(base);
    if (entry.bytes != 0) by_place.push_back(&entry);
  }
  std::sort(by_place.begin(), by_place.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  auto covered = static_cast<std::int64_t>(base);
  const SafetensorsEntry* before = nullptr;
  for (const SafetensorsEntry* entry : by_place) {
    const auto at = static_cast<std::uint64_t>(entry->offset);
    if (entry->offset < covered) {
      source.refuse(ErrorCode::io_format, at,
                    message("tensors ", in_quotes(before->name), " and ", in_quotes(entry->name),
                            " overlap: the first ends at byte ", covered));
    }
    if (entry->offset > covered) {
      source.refuse(
          ErrorCode::io_format, static_cast<std::uint64_t>(covered),
          message(entry->offset - covered, " bytes before tensor ", in_quotes(entry->name), " belong to no tensor"));
    }
    covered += entry->bytes;
    before = entry;
  }
  if (static_cast<std::uint64_t>(covered) != base + data_bytes) {
    source.refuse(ErrorCode::io_format, static_cast<std::uint64_t>(covered),
                  message(base + data_bytes - static_cast<std::uint64_t>(covered),
                          " bytes after the last tensor belong to no tensor"));
  }
}

}  // namespace

std::string_view dtype_text(DType dtype) noexcept { return dtype_texts[static_cast<int>(dtype)]; }

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return out + (text.size() > 80 ? "...\"" : "\"");
}

void Source::refuse(ErrorCode code, std::uint64_t byte, std::string_view what) const {
  throw IoError(code, op, message(path, ": byte ", byte, ": ", what), at);
}

SafetensorsListing parse_header(std::string_view text, std::uint64_t data_bytes, const Source& source) {
  // The JSON reader takes a byte order mark for nothing and a NUL for the end of its input.
  const std::size_t first = text.find_first_not_of(" \t\n\r");
  if (first == std::string_view::npos || text[first] != '{') {
    source.refuse(ErrorCode::io_format, length_bytes + (first == std::string_view::npos ? 0 : first),
                  "the header does not begin with '{'");
  }
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    source.refuse(ErrorCode::io_format, length_bytes + nul, "the header holds a NUL byte");
  }
  SafetensorsListing listing = Reader(text, source).read();
  check_cover(listing, text.size(), data_bytes, source);
  return listing;
}

std::string write_header(const std::vector<SafetensorsEntry>& entries, const SafetensorsMetadata& metadata) {
  std::string text = "{";
  const auto quote = [](const std::string& s) { return json(s).dump(); };
  if (!metadata.empty()) {
    text += message("\"", metadata_name, "\":{");
    for (const auto& [key, value] : metadata) text += message(quote(key), ":", quote(value), ",");
    text.back() = '}';
    text += ',';
  }
  std::int64_t offset = 0;
  for (const SafetensorsEntry& entry : entries) {
    text += message(quote(entry.name), ":{\"dtype\":\"", dtype_text(entry.dtype), "\",\"shape\":[");
    for (int i = 0; i < entry.shape.rank(); ++i) text += message(i > 0 ? "," : "", entry.shape[i]);
    text += message("],\"data_offsets\":[", offset, ",", offset + entry.bytes, "]},");
    offset += entry.bytes;
  }
  if (text.size() > 1) text.pop_back();
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

bool is_utf8(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xC2 && lead <= 0xDF   ? 1
                     : lead >= 0xE0 && lead <= 0xEF ? 2
                     : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                    : 0;
    if (more == 0) return false;
    for (int k = 0; k < more; ++k) {
      if (i == text.size()) return false;
      const auto byte = static_cast<unsigned char>(text[i++]);
      unsigned char low = 0x80, high = 0xBF;
      if (k == 0) {  // no overlong forms, no surrogates, nothing over U+10FFFF
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
      }
      if (byte < low || byte > high) return false;
    }
  }
  return true;
}

}  // namespace weft::safetensors
