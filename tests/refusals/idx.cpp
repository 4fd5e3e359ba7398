#include <sys/stat.h>
#include <zlib.h>

#include <weft/data/idx.h>
#include <weft/data/mnist.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

std::string big_endian(std::uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

/// An IDX file of bytes.
std::string idx(std::initializer_list<std::uint32_t> extents, const std::string& elements, char type = 8) {
  std::string bytes = {0, 0, type, static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents) bytes += big_endian(extent);
  return bytes + elements;
}

std::string gzip(const std::string& bytes) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, bytes.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

Refusal bytes(const char* id, const char* what, std::string contents, ErrorCode code, std::vector<std::string> words) {
  words.push_back("data.idx");
  return {id, what, [contents = std::move(contents)](Bench& b) { read_idx(b.file("data.idx", contents)); }, code,
          std::move(words)};
}

/// Training files of two digits with one thing changed.
Refusal folder(const char* id, const char* what, std::string images, std::string labels, ErrorCode code,
               std::vector<std::string> words) {
  return {id, what,
          [images = std::move(images), labels = std::move(labels)](Bench& b) {
            b.file("train-images-idx3-ubyte", images);
            b.file("train-labels-idx1-ubyte", labels);
            load_mnist(b.folder(), Split::train);
          },
          code, std::move(words)};
}

}  // namespace

std::vector<Refusal> idx_refusals() {
  using E = ErrorCode;
  const std::string good = idx({2, 2, 2}, "abcdefgh");
  std::string bad_crc = gzip(good);
  bad_crc[bad_crc.size() - 6] = static_cast<char>(bad_crc[bad_crc.size() - 6] ^ 1);
  const std::string packed = gzip(good);
  const std::string bomb = gzip(idx({16u << 20}, std::string(16u << 20, '\0')));
  return {
      bytes("I1", "empty file", "", E::io_truncated, {"0"}),
      bytes("I2", "three bytes", std::string("\0\0\x08", 3), E::io_truncated, {"3"}),
      bytes("I3", "wrong magic", "GIF89a..........", E::io_format, {"byte 0"}),
      bytes("I4", "unknown type code", idx({2}, "ab", 7), E::io_format, {"0x07"}),
      bytes("I5", "rank 0", std::string("\0\0\x08\0", 4), E::io_format, {"rank"}),
      bytes("I5", "rank 9", idx({1, 1, 1, 1, 1, 1, 1, 1, 1}, "a"), E::io_format, {"9"}),
      bytes("I6", "truncated header", std::string("\0\0\x08\x03\0\0\0", 7), E::io_truncated, {"extents", "byte 7"}),
      bytes("I7", "header claims more than the file", idx({3, 2, 2}, "abcdefgh"), E::io_truncated,
            {"12 bytes", "(3, 2, 2)", "byte 24"}),
      bytes("I8", "file longer than the header claims", good + "x", E::io_format, {"24"}),
      bytes("I9", "extents whose product wraps", idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "abcd"),
            E::io_format, {"0xffffffff", "byte 4"}),
      bytes("I10", "extent zero", idx({0, 28, 28}, ""), E::io_format, {"0"}),
      folder("I11", "more images than labels", good, idx({3}, "\1\2\3"), E::io_format, {"2", "3"}),
      folder("I12", "labels given as images", idx({2}, "\1\2"), idx({2}, "\1\2"), E::io_format, {"rank", "images"}),
      folder("I13", "a label of 10", good, idx({2}, "\1\x0A"), E::io_format, {"10", "labels"}),
      bytes("I14", "gzip with a bad CRC", bad_crc, E::io_checksum, {"CRC"}),
      bytes("I14", "truncated gzip", packed.substr(0, packed.size() - 9), E::io_truncated, {}),
      bytes("I14", "gzip with a second member", packed + packed, E::io_format, {}),
      bytes("I14", "gzip bomb", bomb, E::io_format, {}),
      bytes("I15", "little-endian header", std::string("\x03\x08\0\0\2\0\0\0", 8), E::io_format, {"little-endian"}),
      {"I17", "a folder", [](Bench& b) { read_idx(b.folder()); }, E::io_open, {"weft-refusal"}},
      {"I17",
       "a pipe",
       [](Bench& b) {
         const std::string path = b.folder() + "/pipe";
         mkfifo(path.c_str(), 0600);
         read_idx(path);
       },
       E::io_open,
       {"pipe"}},
      {"I17", "a file that is not there", [](Bench& b) { read_idx(b.folder() + "/nothing"); }, E::io_open, {"nothing"}},
      {"I17",
       "a folder without the files",
       [](Bench& b) { load_mnist(b.folder(), Split::test); },
       E::io_open,
       {"t10k-images-idx3-ubyte"}},
  };
}

}  // namespace weft::test
