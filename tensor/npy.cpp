#include <weft/tensor/npy.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include <weft/core/atomic_file.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/host_bytes.h>
#include <weft/tensor/make.h>
#include <weft/tensor/npy_format.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/tensor_impl.h>

namespace weft {
namespace npy {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are written little-endian");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::uint64_t longest_header = 10'000;  // NumPy's own limit
constexpr std::size_t alignment = 64;
constexpr std::size_t piece = std::size_t{4} << 20;

struct Known {
  std::string_view text;  // without the byte order
  DType dtype;
};
constexpr Known known[] = {{"f4", DType::float32}, {"f8", DType::float64}, {"f2", DType::float16}, {"i8", DType::int64},
                           {"i4", DType::int32},   {"u1", DType::uint8},   {"b1", DType::boolean}};

struct Unknown {
  std::string_view text;
  std::string_view what;
};
constexpr Unknown unknown[] = {
    {"i1", "int8; convert it in NumPy: a.astype(np.int32)"},
    {"i2", "int16; convert it in NumPy: a.astype(np.int32)"},
    {"u2", "uint16; convert it in NumPy: a.astype(np.int32)"},
    {"u4", "uint32; convert it in NumPy: a.astype(np.int64)"},
    {"u8", "uint64; convert it in NumPy: a.astype(np.int64)"},
    {"f16", "long double; convert it in NumPy: a.astype(np.float64)"},
    {"c8", "complex numbers; save a.real and a.imag"},
    {"c16", "complex numbers; save a.real and a.imag"},
    {"V2", "raw bytes, as bfloat16 is stored by ml_dtypes; convert it in NumPy: a.astype(np.float32)"},
    {"O", "Python objects, which are never read"},
};

struct Header {
  DType dtype = DType::float32;
  bool swapped = false;
  bool fortran = false;
  Shape shape;
};

// The header is a Python dictionary of three entries, and no more of Python is understood: texts without escapes, True
// and False, a tuple of whole numbers.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::uint64_t start, const Part& part)
      : text_(text), start_(start), part_(part) {}

  Header read() {
    if (text_.empty() || text_.back() != '\n') refuse_at(text_.size(), "the header does not end with a line break");
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (static_cast<unsigned char>(text_[i]) >= 0x80 || text_[i] == '\0') {
        refuse_at(i, "the header holds a byte that is not ASCII");
      }
    }
    expect('{', "'{'");
    while (!take('}')) {
      entry();
      if (take('}')) break;
      expect(',', "',' or '}'");
    }
    skip_blanks();
    if (place_ != text_.size()) refuse(message("there is ", in_quotes(rest()), " behind the header's '}'"));
    for (const auto& [bit, key] : {std::pair{1u, "descr"}, {2u, "fortran_order"}, {4u, "shape"}}) {
      if ((seen_ & bit) == 0) refuse(message("the header has no '", key, "'"));
    }
    return header_;
  }

 private:
  std::string_view rest() const { return text_.substr(place_); }
  [[noreturn]] void refuse_at(std::size_t place, std::string_view what) const {
    part_.refuse(ErrorCode::io_format, start_ + place, what);
  }
  [[noreturn]] void refuse(std::string_view what) const { refuse_at(place_, what); }

  void skip_blanks() {
    while (place_ < text_.size() && (text_[place_] == ' ' || text_[place_] == '\n')) ++place_;
  }
  bool take(char c) {
    skip_blanks();
    if (place_ == text_.size() || text_[place_] != c) return false;
    ++place_;
    return true;
  }
  bool take(std::string_view word) {
    skip_blanks();
    if (!rest().starts_with(word)) return false;
    place_ += word.size();
    return true;
  }
  void expect(char c, const char* what) {
    if (!take(c)) refuse(message("expected ", what, " in the header, found ", in_quotes(rest().substr(0, 20))));
  }
  std::string_view quoted() {
    skip_blanks();
    const char quote = place_ < text_.size() ? text_[place_] : '\0';
    if (quote != '\'' && quote != '"') {
      refuse(message("expected a text in the header, found ", in_quotes(rest().substr(0, 20))));
    }
    const std::size_t end = text_.find(quote, place_ + 1);
    if (end == std::string_view::npos) refuse("a text in the header does not end");
    const std::string_view inside = text_.substr(place_ + 1, end - place_ - 1);
    if (inside.find('\\') != std::string_view::npos) refuse("a text in the header has a backslash");
    place_ = end + 1;
    return inside;
  }

  void entry() {
    skip_blanks();
    const std::size_t before = place_;
    const std::string_view key = quoted();
    const unsigned bit = key == "descr" ? 1u : key == "fortran_order" ? 2u : key == "shape" ? 4u : 0u;
    if (bit == 0) {
      refuse_at(before, message("the header has the entry ", in_quotes(key), "; expected descr, fortran_order, shape"));
    }
    if ((seen_ & bit) != 0) refuse_at(before, message("the header has ", in_quotes(key), " twice"));
    seen_ |= bit;
    expect(':', "':'");
    if (bit == 1u) {
      dtype();
    } else if (bit == 2u) {
      header_.fortran = take("True");
      if (!header_.fortran && !take("False")) {
        refuse(message("fortran_order is ", in_quotes(rest().substr(0, 20)), "; expected True or False"));
      }
    } else {
      shape();
    }
  }

  void dtype() {
    skip_blanks();
    const std::size_t before = place_;
    if (place_ < text_.size() && text_[place_] == '[') {
      refuse("the dtype is structured (several fields), which weft does not have; save each field by itself");
    }
    const std::string_view text = quoted();
    const char order = text.empty() ? '\0' : text[0];
    const std::string_view kind = text.empty() ? text : text.substr(1);
    if (order == '<' || order == '>' || order == '|') {
      for (const Known& k : known) {
        if (k.text != kind) continue;
        if (order == '|' && item_size(k.dtype) > 1) break;
        header_.dtype = k.dtype;
        header_.swapped = order == '>' && item_size(k.dtype) > 1;
        return;
      }
      for (const Unknown& u : unknown) {
        if (u.text == kind) refuse_at(before, message("the dtype ", in_quotes(text), " is ", u.what));
      }
    }
    refuse_at(before,
              message("the dtype ", in_quotes(text), " is not one of <f4 <f8 <f2 <i8 <i4 |u1 |b1 (or '>' for '<')"));
  }

  void shape() {
    expect('(', "a tuple for the shape");
    bool comma = true;
    while (!take(')')) {
      if (!comma) refuse(message("expected ',' or ')' in the shape, found ", in_quotes(rest().substr(0, 20))));
      if (header_.shape.rank() == max_rank) refuse(message("the shape has more than ", max_rank, " dimensions"));
      header_.shape.push_back(number());
      comma = take(',');
      if (!comma && header_.shape.rank() == 1) refuse("a shape of one dimension needs a comma: (3,)");
    }
  }

  std::int64_t number() {
    skip_blanks();
    const std::size_t before = place_;
    std::int64_t value = 0;
    bool overflow = false;
    for (; place_ < text_.size() && text_[place_] >= '0' && text_[place_] <= '9'; ++place_) {
      overflow = overflow || __builtin_mul_overflow(value, std::int64_t{10}, &value) ||
                 __builtin_add_overflow(value, std::int64_t{text_[place_] - '0'}, &value);
    }
    const std::string_view digits = text_.substr(before, place_ - before);
    const bool ends = place_ < text_.size() && (text_[place_] == ',' || text_[place_] == ')' || text_[place_] == ' ');
    if (digits.empty() || !ends || (digits.size() > 1 && digits[0] == '0')) {
      refuse_at(before,
                message("the shape has ", in_quotes(text_.substr(before, 20)), "; expected whole numbers, 0 or more"));
    }
    if (overflow) refuse_at(before, message("the shape has ", in_quotes(digits), ", which is over 2^63 - 1"));
    return value;
  }

  std::string_view text_;
  std::uint64_t start_;
  const Part& part_;
  std::size_t place_ = 0;
  unsigned seen_ = 0;
  Header header_;
};

std::string_view what_it_is(std::string_view start) {
  if (start.starts_with("PK\x03\x04")) {
    return "; this is a zip archive: load_npz reads .npz files; what torch.save wrote (.pt) is to be converted in "
           "Python "
           "with safetensors.torch.save_file";
  }
  if (start.starts_with("\x80") && start.size() > 1 && start[1] >= 2 && start[1] <= 5) {
    return "; this is a Python pickle, which is never read: save the array with np.save";
  }
  if (start.starts_with("\x89HDF")) return "; this is an HDF5 file";
  if (start.starts_with("\x1F\x8B")) return "; this is gzip data: decompress it first";
  return "";
}

// How many bytes the elements need; nothing where 63 bits do not count them.
std::optional<std::uint64_t> bytes_of(const Header& header) {
  auto bytes = static_cast<std::int64_t>(item_size(header.dtype));
  bool empty = false;
  for (const std::int64_t extent : header.shape) {
    if (extent == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      return {};
    }
  }
  return empty ? 0 : static_cast<std::uint64_t>(bytes);
}

template <class Word>
void swap_words(std::span<std::byte> bytes) {
  for (std::size_t i = 0; i + sizeof(Word) <= bytes.size(); i += sizeof(Word)) {
    std::reverse(bytes.data() + i, bytes.data() + i + sizeof(Word));
  }
}

void to_native(std::span<std::byte> bytes, const Header& header) {
  if (header.dtype == DType::boolean) {  // another writer's true may be any byte but 0
    for (std::byte& b : bytes) b = std::byte{b != std::byte{0}};
  }
  if (!header.swapped) return;
  switch (item_size(header.dtype)) {
    case 2:
      return swap_words<std::uint16_t>(bytes);
    case 4:
      return swap_words<std::uint32_t>(bytes);
    default:
      return swap_words<std::uint64_t>(bytes);
  }
}

}  // namespace

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 60)) out += c < 0x20 || static_cast<unsigned char>(c) >= 0x7F ? '?' : c;
  return out + (text.size() > 60 ? "...\"" : "\"");
}

void Part::refuse(ErrorCode code, std::uint64_t byte, std::string_view what) const {
  throw IoError(code, op, message(label, ": byte ", begin + byte, ": ", what), at);
}

Tensor read_array(const Part& part, Device device) {
  std::byte start[12] = {};
  const std::size_t there = std::min<std::uint64_t>(part.size, sizeof start);
  part.read(0, std::span(start).first(there));
  const std::string_view first(reinterpret_cast<const char*>(start), there);
  if (!first.starts_with(magic)) {
    part.refuse(there < magic.size() && magic.starts_with(first) ? ErrorCode::io_truncated : ErrorCode::io_format, 0,
                message("a .npy file begins with the byte 147 and \"NUMPY\"", what_it_is(first)));
  }
  const auto byte_at = [&](std::size_t i) { return std::to_integer<std::uint64_t>(start[i]); };
  if (there < 8) part.refuse(ErrorCode::io_truncated, there, "the file ends before its version");
  const std::uint64_t version = byte_at(6);
  if (version < 1 || version > 3 || byte_at(7) != 0) {
    part.refuse(ErrorCode::io_format, 6,
                message("the version is ", version, ".", byte_at(7), "; 1.0, 2.0 and 3.0 are read"));
  }
  const std::size_t prefix = version == 1 ? 10 : 12;
  if (there < prefix) part.refuse(ErrorCode::io_truncated, there, "the file ends before the length of its header");
  std::uint64_t length = byte_at(8) | byte_at(9) << 8;
  if (version > 1) length |= byte_at(10) << 16 | byte_at(11) << 24;
  if (length > longest_header) {
    part.refuse(ErrorCode::io_format, 8,
                message("a header of ", length, " bytes is announced; at most ", longest_header, " are read"));
  }
  if (length > part.size - prefix) {
    part.refuse(ErrorCode::io_truncated, part.size,
                message("the file ends here; a header of ", length, " bytes is announced"));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  part.read(prefix, std::as_writable_bytes(std::span(text)));
  const Header header = HeaderReader(text, prefix, part).read();

  const std::uint64_t data = prefix + length, given = part.size - data;
  const std::optional<std::uint64_t> needed = bytes_of(header);
  if (!needed) {
    part.refuse(ErrorCode::io_format, prefix, message("the shape ", header.shape, " needs more than 2^63 - 1 bytes"));
  }
  if (*needed != given) {
    part.refuse(*needed > given ? ErrorCode::io_truncated : ErrorCode::io_format, data + std::min(*needed, given),
                message(header.dtype, " ", header.shape, " needs ", *needed, " bytes, ", given, " follow the header"));
  }
  Shape shape = header.shape;  // as it lies in memory
  if (header.fortran) std::reverse(&shape[0], &shape[0] + shape.rank());
  Tensor out = ops::make_on(device, shape, header.dtype, part.op, part.at);
  std::vector<std::byte> staging(static_cast<std::size_t>(std::min<std::uint64_t>(given, piece)));
  auto* const target = out.impl()->view.as<std::byte>();
  for (std::uint64_t done = 0; done < given;) {
    const std::span<std::byte> bytes = std::span(staging).first(std::min<std::uint64_t>(given - done, piece));
    part.read(data + done, bytes);
    to_native(bytes, header);
    ops::begin(out, part.op, part.at).copy_in(target + done, bytes.data(), bytes.size());
    done += bytes.size();
  }
  if (!header.fortran || shape.rank() < 2) return out;
  Axes reversed;
  for (int i = shape.rank() - 1; i >= 0; --i) reversed.push_back(i);
  return ops::permute(out, reversed, part.op, part.at);
}

std::string array_header(const Tensor& tensor, const char* op, CallSite at) {
  ops::check_defined(tensor, op, "tensor", at);
  const DType dtype = tensor.impl()->view.dtype;
  if (dtype == DType::bfloat16) {
    throw DTypeError(ErrorCode::dtype_unsupported, op,
                     "NumPy has no bfloat16; convert first with .to(weft::DType::float32), or use save_safetensors",
                     at);
  }
  const Known& k = *std::find_if(std::begin(known), std::end(known), [&](const Known& o) { return o.dtype == dtype; });
  std::string text = message("{'descr': '", item_size(dtype) > 1 ? '<' : '|', k.text,
                             "', 'fortran_order': False, 'shape': ", tensor.impl()->view.shape, ", }");
  constexpr std::size_t prefix = magic.size() + 4;
  text.append(alignment - 1 - (prefix + text.size()) % alignment, ' ');
  text += '\n';
  const char start[4] = {1, 0, static_cast<char>(text.size() & 0xFF), static_cast<char>(text.size() >> 8)};
  return std::string(magic) + std::string(start, 4) + text;
}

}  // namespace npy

void save_npy(const std::string& path, const Tensor& tensor, CallSite at) {
  constexpr const char* op = "save_npy";
  const TraceSpan span(op, "file");
  const std::string header = npy::array_header(tensor, op, at);
  const HostBytes host = host_bytes(tensor, op, at);
  AtomicFile file(path, op, at);
  file.write(std::as_bytes(std::span(header)));
  file.write(host.bytes);
  file.commit();
}

Tensor load_npy(const std::string& path, Device device, CallSite at) {
  constexpr const char* op = "load_npy";
  const TraceSpan span(op, "file");
  const InputFile file(path, op, at);
  return npy::read_array({file, path, op, at, 0, file.size()}, device);
}

}  // namespace weft
