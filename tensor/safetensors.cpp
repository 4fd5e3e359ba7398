#include <weft/tensor/safetensors.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include <weft/core/atomic_file.h>
#include <weft/core/checksum.h>
#include <weft/core/closest_name.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/trace.h>
#include <weft/tensor/checks.h>
#include <weft/tensor/host_bytes.h>
#include <weft/tensor/input_file.h>
#include <weft/tensor/make.h>
#include <weft/tensor/ops.h>
#include <weft/tensor/safetensors_header.h>

namespace weft {
namespace {

using namespace safetensors;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr std::size_t piece = std::size_t{4} << 20;

std::string crc_text(std::uint32_t crc) {
  std::string text(8, '0');
  char digits[8];
  char* const end = std::to_chars(digits, digits + 8, crc, 16).ptr;
  std::copy(digits, end, text.end() - (end - digits));
  return text;
}

// ---- reading

/// What the first bytes look like, when they cannot be a header's length.
std::string_view what_it_is(std::string_view start) {
  if (start.starts_with("PK\x03\x04")) {
    return "; this is a zip archive, as torch.save writes it (.pt, .pth): convert it in Python with "
           "safetensors.torch.save_file";
  }
  if (start.starts_with("\x80") && start.size() > 1 && start[1] >= 2 && start[1] <= 5) {
    return "; this is a Python pickle, as old versions of torch.save write it: convert it in Python with "
           "safetensors.torch.save_file";
  }
  if (start.starts_with("\x93NUMPY")) return "; this is a NumPy array (.npy)";
  if (start.starts_with("GGUF")) return "; this is a GGUF file";
  if (start.starts_with("\x1F\x8B")) return "; this is gzip data: decompress it first";
  return "";
}

SafetensorsListing read_listing(const InputFile& file, const Source& source) {
  std::byte start[length_bytes] = {};
  const std::size_t there = std::min<std::uint64_t>(file.size(), length_bytes);
  file.read(0, std::span(start).first(there));
  const std::string_view magic(reinterpret_cast<const char*>(start), there);
  if (there < length_bytes) {
    source.refuse(ErrorCode::io_truncated, there,
                  message("the file ends here; a safetensors file begins with 8 bytes for the length of its header",
                          what_it_is(magic)));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, start, length_bytes);
  if (length > longest_header) {
    source.refuse(ErrorCode::io_format, 0,
                  message("a header of ", length, " bytes is announced; at most ", longest_header, " are read",
                          what_it_is(magic)));
  }
  if (length == 0) source.refuse(ErrorCode::io_format, 0, "a header of 0 bytes is announced");
  if (length > file.size() - length_bytes) {
    source.refuse(ErrorCode::io_truncated, file.size(),
                  message("the file ends here; a header of ", length, " bytes is announced"));
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(length_bytes, std::as_writable_bytes(std::span(text)));
  return parse_header(text, file.size() - length_bytes - length, source);
}

/// Texts of eight hexadecimal digits, by tensor name.
std::unordered_map<std::string_view, std::string_view> checksums(const SafetensorsMetadata& metadata) {
  std::unordered_map<std::string_view, std::string_view> found;
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(crc_prefix)) found.emplace(std::string_view(key).substr(crc_prefix.size()), value);
  }
  return found;
}

class TensorReader {
 public:
  TensorReader(const InputFile& file, const Source& source) : file_(file), source_(source) {}

  Tensor read(const SafetensorsEntry& entry, Device device, const std::string_view* expected) {
    Tensor out = ops::make_on(device, entry.shape, entry.dtype, source_.op, source_.at);
    std::uint32_t crc = 0;
    auto* target = out.impl()->view.as<std::byte>();
    for (std::int64_t done = 0; done < entry.bytes;) {
      const auto n = static_cast<std::size_t>(std::min<std::int64_t>(entry.bytes - done, piece));
      if (staging_.size() < n) staging_.resize(n);
      const std::span<std::byte> bytes = std::span(staging_).first(n);
      file_.read(static_cast<std::uint64_t>(entry.offset + done), bytes);
      if (expected != nullptr) crc = crc32c(bytes, crc);
      if (entry.dtype == DType::boolean) {  // another writer's true may be any byte but 0
        for (std::byte& b : bytes) b = std::byte{b != std::byte{0}};
      }
      ops::begin(out, source_.op, source_.at).copy_in(target + done, bytes.data(), n);
      done += static_cast<std::int64_t>(n);
    }
    if (expected != nullptr && *expected != crc_text(crc)) {
      source_.refuse(ErrorCode::io_checksum, static_cast<std::uint64_t>(entry.offset),
                     message("the bytes of tensor ", in_quotes(entry.name), " have the CRC-32C ", crc_text(crc),
                             ", the header says ", *expected));
    }
    return out;
  }

 private:
  const InputFile& file_;
  const Source& source_;
  std::vector<std::byte> staging_;
};

// ---- writing

void check_name(const std::string& name, CallSite at) {
  const auto refuse = [&](const char* why) {
    throw ValueError(ErrorCode::value_invalid, "save_safetensors", message("the name ", in_quotes(name), " ", why), at);
  };
  if (name.empty()) refuse("is empty");
  if (name == metadata_name) refuse("is reserved by the format");
  if (name.find('\0') != std::string::npos) refuse("holds a NUL");
  if (!is_utf8(name)) refuse("is not UTF-8");
}

void check_metadata(const SafetensorsMetadata& metadata, CallSite at) {
  std::unordered_set<std::string_view> keys;
  for (const auto& [key, value] : metadata) {
    const char* why = nullptr;
    if (key.starts_with(crc_prefix)) {
      why = "is reserved: weft writes its checksums there";
    } else if (!is_utf8(key) || !is_utf8(value)) {
      why = "or its text is not UTF-8";
    } else if (!keys.insert(key).second) {
      why = "is given twice";
    }
    if (why != nullptr) {
      throw ValueError(ErrorCode::value_invalid, "save_safetensors",
                       message("the metadata key ", in_quotes(key), " ", why), at);
    }
  }
}

/// The order the reference writes: wide dtypes first, so that every tensor is aligned, then by name.
int rank_of(DType dtype) {
  constexpr DType order[] = {DType::int64,    DType::float64, DType::float32, DType::int32,
                             DType::bfloat16, DType::float16, DType::uint8,   DType::boolean};
  return static_cast<int>(std::find(std::begin(order), std::end(order), dtype) - std::begin(order));
}

}  // namespace

const Tensor* Safetensors::find(std::string_view name) const noexcept {
  for (const NamedTensor& named : tensors) {
    if (named.name == name) return &named.tensor;
  }
  return nullptr;
}

Tensor Safetensors::at(std::string_view name, CallSite at) const {
  if (const Tensor* tensor = find(name)) return *tensor;
  std::vector<std::string_view> names;
  for (const NamedTensor& named : tensors) names.push_back(named.name);
  throw ValueError(ErrorCode::value_invalid, "Safetensors::at",
                   message("there is no tensor \"", name, "\" among ", names.size(), did_you_mean(name, names)), at);
}

SafetensorsListing list_safetensors(const std::string& path, CallSite at) {
  const Source source{path, "list_safetensors", at};
  return read_listing(InputFile(path, source.op, at), source);
}

Safetensors load_safetensors(const std::string& path, Device device, CallSite at) {
  const TraceSpan span("load_safetensors", "file");
  const Source source{path, "load_safetensors", at};
  const InputFile file(path, source.op, at);
  SafetensorsListing listing = read_listing(file, source);
  const auto crcs = checksums(listing.metadata);
  TensorReader reader(file, source);
  Safetensors loaded;
  loaded.tensors.reserve(listing.entries.size());
  for (SafetensorsEntry& entry : listing.entries) {
    const auto crc = crcs.find(entry.name);
    Tensor tensor = reader.read(entry, device, crc == crcs.end() ? nullptr : &crc->second);
    loaded.tensors.push_back({std::move(entry.name), std::move(tensor)});
  }
  for (auto& pair : listing.metadata) {
    if (!pair.first.starts_with(crc_prefix)) loaded.metadata.push_back(std::move(pair));
  }
  return loaded;
}

void save_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                      const SafetensorsMetadata& metadata, CallSite at) {
  constexpr const char* op = "save_safetensors";
  const TraceSpan span(op, "file");
  std::unordered_set<std::string_view> names;
  for (const NamedTensor& named : tensors) {
    check_name(named.name, at);
    if (!names.insert(named.name).second) {
      throw ValueError(ErrorCode::value_invalid, op, message("the name ", in_quotes(named.name), " is given twice"),
                       at);
    }
    ops::check_defined(named.tensor, op, named.name.c_str(), at);
  }
  check_metadata(metadata, at);

  std::vector<const NamedTensor*> order;
  order.reserve(tensors.size());
  for (const NamedTensor& named : tensors) order.push_back(&named);
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    const int left = rank_of(a->tensor.impl()->view.dtype), right = rank_of(b->tensor.impl()->view.dtype);
    return left != right ? left < right : a->name < b->name;
  });

  std::vector<HostBytes> contents;
  std::vector<SafetensorsEntry> entries;
  SafetensorsMetadata written = metadata;
  for (const NamedTensor* named : order) {
    contents.push_back(host_bytes(named->tensor, op, at));
    const std::span<const std::byte> bytes = contents.back().bytes;
    const backends::TensorView& view = named->tensor.impl()->view;
    entries.push_back({named->name, view.dtype, view.shape, 0, static_cast<std::int64_t>(bytes.size())});
    written.emplace_back(std::string(crc_prefix) + named->name, crc_text(crc32c(bytes)));
  }
  const std::string header = write_header(entries, written);
  if (header.size() > longest_header || entries.size() > most_tensors || written.size() > most_metadata) {
    throw ValueError(
        ErrorCode::value_out_of_range, op,
        message(entries.size(), " tensors, ", written.size(), " metadata keys and a header of ", header.size(),
                " bytes; at most ", most_tensors, ", ", most_metadata, " and ", longest_header, " can be read back"),
        at);
  }
  AtomicFile file(path, op, at);
  const std::uint64_t length = header.size();
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(header)));
  for (const HostBytes& host : contents) file.write(host.bytes);
  file.commit();
}

void save_safetensors(const std::string& path, std::initializer_list<NamedTensor> tensors,
                      const SafetensorsMetadata& metadata, CallSite at) {
  save_safetensors(path, std::span(tensors.begin(), tensors.size()), metadata, at);
}

}  // namespace weft
