#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include <weft/tensor/creation.h>
#include <weft/tensor/safetensors.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

std::string little_endian(std::uint64_t v) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(v >> 8 * i);
  return bytes;
}

std::string file(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}

Refusal bytes(const char* id, const char* what, std::string contents, ErrorCode code, std::vector<std::string> words) {
  words.push_back("a.safetensors");
  return {id, what, [contents = std::move(contents)](Bench& b) { load_safetensors(b.file("a.safetensors", contents)); },
          code, std::move(words)};
}

Refusal header(const char* id, const char* what, const std::string& json, std::size_t data,
               std::vector<std::string> words, ErrorCode code = ErrorCode::io_format) {
  return bytes(id, what, file(json, std::string(data, 'x')), code, std::move(words));
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

Refusal save(const char* id, const char* what, std::string name) {
  return {id,
          what,
          [name = std::move(name)](Bench& b) {
            save_safetensors(b.folder() + "/a.safetensors", {{name, b.keep(rand({2}))}});
          },
          ErrorCode::value_invalid,
          {"[save_safetensors]"}};
}

}  // namespace

std::vector<Refusal> safetensors_refusals() {
  using E = ErrorCode;
  const std::string f32 = entry("F32", "[1]", "[0,4]");
  const std::string one = R"({"w":)" + f32 + "}";
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "[";
  return {
      bytes("S1", "seven bytes", std::string(7, '\0'), E::io_truncated, {"7"}),
      bytes("S2", "header of length 0", little_endian(0), E::io_format, {"0"}),
      bytes("S3", "header of 2^63 bytes", little_endian(std::uint64_t{1} << 63) + "{}", E::io_format, {}),
      bytes("S3", "header of 2^64 - 1 bytes", little_endian(~std::uint64_t{0}) + "{}", E::io_format, {}),
      bytes("S3", "header of 17 MiB", little_endian(17u << 20) + "{}", E::io_format, {}),
      bytes("S4", "header longer than the file", little_endian(100) + "{}", E::io_truncated, {"100"}),
      bytes("S5", "header that is not UTF-8", file("{\"\xFF\":" + f32 + "}", "xxxx"), E::io_format, {}),
      header("S6", "header that is not JSON", "{hello}", 0, {}),
      header("S6", "header that is a list", "[]", 0, {}),
      header("S6", "garbage after the header", one + "x", 4, {}),
      header("S7", "a hundred thousand brackets", R"({"w":)" + deep, 0, {}),
      header("S8", "a name twice, other offsets", R"({"w":)" + f32 + R"(,"w":)" + entry("F32", "[1]", "[4,8]") + "}", 8,
             {"w"}),
      header("S8", "a name twice, same offsets", R"({"w":)" + f32 + R"(,"w":)" + f32 + "}", 4, {"w"}),
      header("S8", "a name twice, once escaped",
             R"({"a":)" + f32 + R"(,"\u0061":)" + entry("F32", "[1]", "[4,8]") + "}", 8, {"a"}),
      header("S9", "metadata that is a list", R"({"__metadata__":[],"w":)" + f32 + "}", 4, {"__metadata__"}),
      header("S9", "metadata with a number", R"({"__metadata__":{"epoch":3},"w":)" + f32 + "}", 4,
             {"metadata", "epoch", "number"}),
      header("S9", "metadata twice", R"({"__metadata__":{},"w":)" + f32 + R"(,"__metadata__":{}})", 4,
             {"__metadata__"}),
      header("S10", "unknown dtype", R"({"w":)" + entry("F8_E4M3", "[4]", "[0,4]") + "}", 4, {"w", "F8_E4M3"}),
      header("S11", "missing field", R"({"w":{"dtype":"F32","shape":[1]}})", 4, {"w", "data_offsets"}),
      header("S11", "extra field", R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"strides":[1]}})", 4,
             {"w", "strides"}),
      header("S12", "negative extent", R"({"w":)" + entry("F32", "[-1]", "[0,4]") + "}", 4, {"w"}),
      header("S12", "fractional extent", R"({"w":)" + entry("F32", "[1.5]", "[0,4]") + "}", 4, {"w"}),
      header("S12", "extent with an exponent", R"({"w":)" + entry("F32", "[1e0]", "[0,4]") + "}", 4, {"w"}),
      header("S12", "offset over 2^53", R"({"w":)" + entry("F32", "[1]", "[0,18014398509481984]") + "}", 4, {"w"}),
      header("S13", "begin after end", R"({"w":)" + entry("F32", "[1]", "[4,0]") + "}", 4, {"w"}),
      header("S14", "end past the file", R"({"w":)" + entry("F32", "[2]", "[0,8]") + "}", 4, {"byte 70", "66"},
             E::io_truncated),
      header("S15", "overlap",
             R"({"a":)" + entry("F32", "[2]", "[0,8]") + R"(,"b":)" + entry("F32", "[2]", "[4,12]") + "}", 12,
             {"a", "b"}),
      header("S16", "hole", R"({"a":)" + f32 + R"(,"b":)" + entry("F32", "[1]", "[8,12]") + "}", 12, {"b"}),
      header("S17", "bytes after the last tensor", one, 5, {}),
      header("S18", "size that is not shape times dtype", R"({"w":)" + entry("F32", "[3]", "[0,4]") + "}", 4,
             {"w", "12"}),
      header("S19", "shape whose product wraps",
             R"({"w":)" + entry("F32", "[4194305,4194305,211106198978564]", "[0,16]") + "}", 16, {"w"}),
      save("S21", "a tensor called __metadata__", "__metadata__"),
      save("S21", "a tensor without a name", ""),
      save("S21", "a name with a NUL", std::string("a\0b", 3)),
      {"S22",
       "a flipped bit in a tensor",
       [](Bench& b) {
         const std::string path = b.folder() + "/a.safetensors";
         save_safetensors(path, {{"w", ones({64})}});
         struct stat info {};
         stat(path.c_str(), &info);
         FILE* f = std::fopen(path.c_str(), "r+b");
         std::fseek(f, info.st_size - 5, SEEK_SET);
         std::fputc('!', f);
         std::fclose(f);
         load_safetensors(path);
       },
       E::io_checksum,
       {"w", "a.safetensors"}},
      {"S23",
       "a file one byte short",
       [](Bench& b) {
         const std::string path = b.folder() + "/a.safetensors";
         save_safetensors(path, {{"w", ones({64})}});
         struct stat info {};
         stat(path.c_str(), &info);
         if (truncate(path.c_str(), info.st_size - 1) != 0) return;
         load_safetensors(path);
       },
       E::io_truncated,
       {"a.safetensors"}},
      {"S24", "a folder", [](Bench& b) { load_safetensors(b.folder()); }, E::io_open, {}},
      {"S24",
       "a pipe",
       [](Bench& b) {
         const std::string path = b.folder() + "/pipe";
         mkfifo(path.c_str(), 0600);
         load_safetensors(path);
       },
       E::io_open,
       {"pipe"}},
      bytes("S27", "a PyTorch pickle", std::string("\x80\x02}q\0.", 6) + std::string(20, '\0'), E::io_format,
            {"pickle", "safetensors.torch.save_file"}),
      bytes("S27", "a PyTorch archive", std::string("PK\x03\x04", 4) + std::string(26, '\0') + "archive/data.pkl",
            E::io_format, {"torch.save", "safetensors.torch.save_file"}),
  };
}

}  // namespace weft::test
