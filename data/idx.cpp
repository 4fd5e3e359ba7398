#include <weft/data/idx.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/idx_file.h>
#include <weft/data/unpacked_file.h>
#include <weft/tensor/creation.h>

namespace weft {
namespace {

struct ElementType {
  std::uint8_t code;
  std::int64_t bytes;
  DType dtype;
};

constexpr ElementType element_types[] = {
    {0x08, 1, DType::uint8}, {0x09, 1, DType::int32},   {0x0B, 2, DType::int32},
    {0x0C, 4, DType::int32}, {0x0D, 4, DType::float32}, {0x0E, 8, DType::float64},
};

struct Header {
  ElementType type{};
  Shape shape;
  std::int64_t count = 1;
  std::string bytes;
};

std::string hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

class Reader {
 public:
  Reader(const std::string& path, const IdxOptions& options, const char* op, CallSite at)
      : file_(path, op, at), options_(options), op_(op), at_(at) {}

  IdxFile read() {
    const Header header = read_header();
    check_length(header);
    IdxFile out;
    out.values = empty(header.shape, header.type.dtype, at_);
    read_elements(header, out.values);
    if (!file_.at_end()) {
      refuse(ErrorCode::io_format, message("longer than its header claims: more follows at unpacked byte ",
                                           file_.position(), ", where ", header.shape, " ends"));
    }
    out.header_bytes = static_cast<std::int64_t>(header.bytes.size());
    out.header = header.bytes;
    out.packed = file_.packed();
    return out;
  }

 private:
  [[noreturn]] void refuse(ErrorCode code, const std::string& what) const {
    throw IoError(code, op_, message(file_.path(), ": ", what), at_);
  }

  std::string read_exactly(std::size_t bytes, std::string_view what) {
    std::string text(bytes, '\0');
    const std::int64_t begin = file_.position();
    const std::size_t got = file_.read(text.data(), bytes);
    if (got == bytes) return text;
    refuse(ErrorCode::io_truncated, message("ends at byte ", begin + static_cast<std::int64_t>(got), ", within ", what,
                                            " of ", bytes, " bytes at byte ", begin));
  }

  Header read_header() {
    Header header;
    const std::string magic = read_exactly(4, "the IDX magic number");
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(magic[i]); };
    if (byte(0) != 0 || byte(1) != 0) {
      const bool reversed = byte(2) == 0 && byte(3) == 0;
      refuse(ErrorCode::io_format,
             message("no IDX file: starts with ", hex(magic), " at byte 0, expected two zero bytes",
                     reversed ? "; it looks like a header written little-endian, IDX is big-endian" : ""));
    }
    const auto type = std::find_if(std::begin(element_types), std::end(element_types),
                                   [&](const ElementType& t) { return t.code == byte(2); });
    if (type == std::end(element_types)) {
      refuse(ErrorCode::io_format,
             message("unknown type code ", hex(magic.substr(2, 1)), " at byte 2, expected 0x08 (uint8), 0x09, 0x0b, ",
                     "0x0c (integers), 0x0d or 0x0e (floating point)"));
    }
    header.type = *type;
    const int rank = byte(3);
    if (rank < 1 || rank > max_rank) {
      refuse(ErrorCode::io_format, message("rank ", rank, " at byte 3, expected 1 to ", max_rank));
    }
    const std::string extents = read_exactly(static_cast<std::size_t>(rank) * 4, "the extents");
    for (int axis = 0; axis < rank; ++axis) {
      std::int64_t extent = 0;
      for (int i = 0; i < 4; ++i) {
        extent = extent << 8 | static_cast<std::uint8_t>(extents[static_cast<std::size_t>(axis * 4 + i)]);
      }
      if (extent == 0) {
        refuse(ErrorCode::io_format,
               message("extent 0 of axis ", axis, " at byte ", 4 + axis * 4, ", expected 1 or more"));
      }
      header.shape.push_back(extent);
      if (__builtin_mul_overflow(header.count, extent, &header.count)) {
        header.count = -1;
        break;
      }
    }
    std::int64_t bytes = 0;
    if (header.count < 0 || __builtin_mul_overflow(header.count, header.type.bytes, &bytes) ||
        bytes > options_.max_bytes) {
      refuse(ErrorCode::io_format, message("the extents at byte 4, ", hex(extents), ", claim more than the ",
                                           options_.max_bytes, " bytes that are allowed (IdxOptions::max_bytes)"));
    }
    header.bytes = magic + extents;
    return header;
  }

  /// Holds the claim against the file before memory is asked for.
  void check_length(const Header& header) const {
    const std::int64_t claimed = header.count * header.type.bytes;
    const auto start = static_cast<std::int64_t>(header.bytes.size());
    if (file_.packed()) {
      constexpr std::int64_t free = std::int64_t{1} << 20;
      if (claimed > free && (claimed - free) / std::max<std::int64_t>(options_.max_ratio, 1) > file_.file_size()) {
        refuse(ErrorCode::io_format,
               message("the header at byte 0 claims ", header.shape, ", ", claimed, " bytes unpacked from ",
                       file_.file_size(), ", more than ", options_.max_ratio,
                       " to one (IdxOptions::max_ratio): refused as a decompression bomb"));
      }
      return;
    }
    const std::int64_t there = file_.file_size() - start;
    if (there < claimed) {
      refuse(ErrorCode::io_truncated,
             message("the header claims ", header.shape, ", ", claimed, " bytes from byte ", start,
                     ", the file ends at byte ", file_.file_size(), ", ", claimed - there, " too early"));
    }
    if (there > claimed) {
      refuse(ErrorCode::io_format, message("longer than its header claims: ", header.shape, " ends at byte ",
                                           start + claimed, ", the file at byte ", file_.file_size()));
    }
  }

  void read_part(const Header& header, void* to, std::int64_t bytes) {
    const auto got = static_cast<std::int64_t>(file_.read(to, static_cast<std::size_t>(bytes)));
    if (got == bytes) return;
    refuse(ErrorCode::io_truncated,
           message("the contents end at ", file_.packed() ? "unpacked " : "", "byte ", file_.position(),
                   ", the header claims ", header.shape, ", ", header.count * header.type.bytes, " bytes from byte ",
                   header.bytes.size()));
  }

  void read_elements(const Header& header, Tensor& values) {
    if (header.type.code == 0x08) return read_part(header, values.mutable_data<std::uint8_t>(at_), header.count);
    constexpr std::int64_t chunk = 1 << 13;
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(chunk * header.type.bytes));
    for (std::int64_t first = 0; first < header.count; first += chunk) {
      const std::int64_t n = std::min(chunk, header.count - first);
      read_part(header, bytes.data(), n * header.type.bytes);
      const auto convert = [&](auto* to) {
        for (std::int64_t i = 0; i < n; ++i) decode(header.type, bytes.data() + i * header.type.bytes, to + first + i);
      };
      if (header.type.dtype == DType::int32) convert(values.mutable_data<std::int32_t>(at_));
      if (header.type.dtype == DType::float32) convert(values.mutable_data<float>(at_));
      if (header.type.dtype == DType::float64) convert(values.mutable_data<double>(at_));
    }
  }

  static std::uint64_t big_endian(const std::uint8_t* bytes, std::int64_t count) {
    std::uint64_t value = 0;
    for (std::int64_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
    return value;
  }
  static void decode(const ElementType& type, const std::uint8_t* bytes, std::int32_t* to) {
    const auto value = static_cast<std::uint32_t>(big_endian(bytes, type.bytes));
    const int unused = 32 - 8 * static_cast<int>(type.bytes);
    *to = static_cast<std::int32_t>(value << unused) >> unused;  // carries the sign down
  }
  static void decode(const ElementType&, const std::uint8_t* bytes, float* to) {
    *to = std::bit_cast<float>(static_cast<std::uint32_t>(big_endian(bytes, 4)));
  }
  static void decode(const ElementType&, const std::uint8_t* bytes, double* to) {
    *to = std::bit_cast<double>(big_endian(bytes, 8));
  }

  UnpackedFile file_;
  IdxOptions options_;
  const char* op_;
  CallSite at_;
};

}  // namespace

IdxFile read_idx_file(const std::string& path, const IdxOptions& options, const char* op, CallSite at) {
  return Reader(path, options, op, at).read();
}

Tensor read_idx(const std::string& path, const IdxOptions& options, CallSite at) {
  return read_idx_file(path, options, "read_idx", at).values;
}

}  // namespace weft
