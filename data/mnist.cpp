#include <weft/data/mnist.h>

#include <sys/stat.h>

#include <cstdint>
#include <span>
#include <string_view>

#include <weft/core/atomic_file.h>
#include <weft/core/checksum.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/idx_file.h>
#include <weft/data/mnist_files.h>

namespace weft {
namespace {

constexpr const char* op = "load_mnist";
constexpr std::int64_t num_classes = 10;

bool exists(const std::string& path) {
  struct stat facts {};
  return stat(path.c_str(), &facts) == 0;
}

std::string in_folder(const std::string& folder, std::string_view name, const char* ending) {
  return message(folder, folder.empty() || folder.back() == '/' ? "" : "/", name, ending);
}

/// The plain file, the packed one, or an empty text.
std::string find(const std::string& folder, std::string_view name) {
  for (const char* ending : {"", ".gz"}) {
    std::string path = in_folder(folder, name, ending);
    if (exists(path)) return path;
  }
  return {};
}

struct Part {
  std::string path;
  IdxFile file;
};

Part read_part(const std::string& folder, const MnistFile& known, int rank, const MnistOptions& options, CallSite at) {
  Part part;
  part.path = find(folder, known.name);
  if (part.path.empty()) {
    throw IoError(ErrorCode::io_open, op,
                  message(in_folder(folder, known.name, ""), ": no such file, and none with .gz behind the name"), at);
  }
  part.file = read_idx_file(part.path, options.idx, op, at);
  const Tensor& values = part.file.values;
  if (values.rank() != rank || values.dtype() != DType::uint8) {
    throw IoError(ErrorCode::io_format, op,
                  message(part.path, ": the header at byte 0 says ", values.dtype(), " ", values.shape(),
                          ", expected uint8 of rank ", rank, rank == 3 ? " (images)" : " (labels)"),
                  at);
  }
  return part;
}

/// Of the unpacked file.
std::string plain_sha256(const Part& part) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(part.file.header)));
  const auto n = static_cast<std::size_t>(part.file.values.numel());
  hash.update(std::as_bytes(std::span(part.file.values.data<std::uint8_t>(), n)));
  return to_hex(hash.digest());
}

bool is_known(const Part& part, const MnistFile& known, CallSite at) {
  if (!known.plain_sha256.empty()) return plain_sha256(part) == known.plain_sha256;
  constexpr std::int64_t limit = std::int64_t{1} << 30;
  return part.file.packed && sha256_hex(read_file(part.path, limit, op, at)) == known.packed_sha256;
}

void check_labels(const Part& images, const Part& labels, CallSite at) {
  const std::int64_t n = images.file.values.size(0);
  if (labels.file.values.size(0) != n) {
    throw IoError(ErrorCode::io_format, op,
                  message(labels.path, ": ", labels.file.values.size(0), " labels at byte 4, but ", images.path,
                          " has ", n, " images"),
                  at);
  }
  const std::uint8_t* label = labels.file.values.data<std::uint8_t>(at);
  for (std::int64_t i = 0; i < n; ++i) {
    if (label[i] < num_classes) continue;
    throw IoError(ErrorCode::io_format, op,
                  message(labels.path, ": label ", static_cast<int>(label[i]), " of example ", i, " at byte ",
                          labels.file.header_bytes + i, ", expected 0 to ", num_classes - 1),
                  at);
  }
}

}  // namespace

ImageDataset load_mnist(const std::string& folder, Split split, const MnistOptions& options, CallSite at) {
  const int first = split == Split::train ? 0 : 2;
  const Part images = read_part(folder, mnist_files[first], 3, options, at);
  const Part labels = read_part(folder, mnist_files[first + 1], 1, options, at);
  check_labels(images, labels, at);

  const char* name = "IDX images";
  const MnistFile* published = nullptr;
  if (is_known(labels, mnist_files[first + 1], at)) {
    name = "MNIST";
    published = &mnist_files[first];
  } else if (is_known(labels, fashion_mnist_files[first + 1], at)) {
    name = "Fashion-MNIST";
    published = &fashion_mnist_files[first];
  }
  if (options.verify && (published == nullptr || !is_known(images, *published, at))) {
    throw IoError(ErrorCode::io_checksum, op,
                  published == nullptr ? message(labels.path, ": its SHA-256 is neither MNIST's nor Fashion-MNIST's")
                                       : message(images.path, ": the labels beside it are those of ", name,
                                                 ", its SHA-256 is not that of ", name, "'s images",
                                                 published->plain_sha256.empty() ? " (known packed only)" : ""),
                  at);
  }
  return ImageDataset(images.file.values, labels.file.values, num_classes, name, folder, at);
}

bool has_mnist(const std::string& folder) {
  for (const MnistFile& file : mnist_files) {
    if (find(folder, file.name).empty()) return false;
  }
  return true;
}

}  // namespace weft
