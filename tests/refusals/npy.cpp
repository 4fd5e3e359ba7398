#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <iterator>

#include <weft/core/checksum.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/npy.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 0xFF);
  return out;
}

std::string npy(int version, std::uint64_t announced, const std::string& header, const std::string& data) {
  return "\x93NUMPY" + little(static_cast<std::uint64_t>(version), 2) + little(announced, version == 1 ? 2 : 4) +
         header + data;
}

std::string npy(const std::string& header, std::size_t data, int version = 1) {
  return npy(version, header.size(), header, std::string(data, 'x'));
}

std::string dict(const std::string& descr, const std::string& fortran, const std::string& shape) {
  return "{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

Refusal file(const char* id, const char* what, std::string contents, std::vector<std::string> words,
             ErrorCode code = ErrorCode::io_format) {
  words.push_back("[load_npy]");
  words.push_back("a.npy: byte");
  return {id, what, [contents = std::move(contents)](Bench& b) { load_npy(b.file("a.npy", contents)); }, code,
          std::move(words)};
}

Refusal header(const char* id, const char* what, const std::string& text, std::vector<std::string> words) {
  return file(id, what, npy(text, 4), std::move(words));
}

Refusal dtype(const char* id, const char* what, const std::string& descr, std::vector<std::string> words) {
  return header(id, what, dict(descr, "False", "(1,)"), std::move(words));
}

Refusal shape(const char* id, const char* what, const std::string& text, std::vector<std::string> words) {
  return header(id, what, dict("'<f4'", "False", text), std::move(words));
}

// ---- archives

struct Stored {
  std::string name = "a.npy";
  std::string contents = npy(dict("'|u1'", "False", "(2,)"), 2);
  unsigned flags = 0, method = 0;
  std::string local_name;  // empty: the same
};

std::uint32_t crc_of(const std::string& text) { return crc32(std::as_bytes(std::span(text.data(), text.size()))); }

std::string common(const Stored& s, std::size_t name) {
  return little(20, 2) + little(s.flags, 2) + little(s.method, 2) + little(0, 2) + little(0x21, 2) +
         little(crc_of(s.contents), 4) + little(s.contents.size(), 4) + little(s.contents.size(), 4) + little(name, 2) +
         little(0, 2);
}

std::string zip(const std::vector<Stored>& members, const std::string& before_directory = "") {
  std::string out, directory;
  for (const Stored& s : members) {
    const std::string inner = s.local_name.empty() ? s.name : s.local_name;
    directory += little(0x02014b50, 4) + little(20, 2) + common(s, s.name.size()) + little(0, 10) +
                 little(out.size(), 4) + s.name;
    out += little(0x04034b50, 4) + common(s, inner.size()) + inner + s.contents;
  }
  out += before_directory;
  return out + directory + little(0x06054b50, 4) + little(0, 4) + little(members.size(), 2) +
         little(members.size(), 2) + little(directory.size(), 4) + little(out.size(), 4) + little(0, 2);
}

Refusal archive(const char* id, const char* what, std::string contents, std::vector<std::string> words,
                ErrorCode code = ErrorCode::io_format) {
  words.push_back("[load_npz]");
  words.push_back("a.npz: ");
  words.push_back("byte");
  return {id, what, [contents = std::move(contents)](Bench& b) { load_npz(b.file("a.npz", contents)); }, code,
          std::move(words)};
}

Stored named(const std::string& name) {
  Stored s;
  s.name = name;
  return s;
}

std::string changed(std::string text, std::size_t place, char c) {
  text[place] = c;
  return text;
}

Refusal save(const char* id, const char* what, std::string name, std::vector<std::string> words) {
  words.push_back("[save_npz]");
  return {id, what,
          [name = std::move(name)](Bench& b) {
            save_npz(b.folder() + "/a.npz", {{"other", b.keep(rand({2}))}, {name, b.keep(rand({2}))}});
          },
          ErrorCode::value_invalid, std::move(words)};
}

}  // namespace

std::vector<Refusal> npy_refusals() {
  using E = ErrorCode;
  const std::string good = dict("'<f4'", "False", "(1,)");
  const std::string two = zip({named("a.npy"), named("b.npy")});
  Stored deflated, locked, other_name;
  deflated.method = 8;
  locked.flags = 1;
  other_name.local_name = "b.npy";
  return {
      file("Y1", "an empty file", "", {"NUMPY"}, E::io_truncated),
      file("Y1", "half the magic", "\x93NUM", {"NUMPY"}, E::io_truncated),
      file("Y1", "another magic", "\x93NUMPX" + npy(good, 4).substr(6), {"byte 0", "NUMPY"}),
      file("Y2", "version 0", npy(0, good.size(), good, "xxxx"), {"0.0", "1.0"}),
      file("Y2", "version 9", npy(9, good.size(), good, "xxxx"), {"9.0"}),
      file("Y2", "version 1.1", changed(npy(good, 4), 7, '\1'), {"1.1"}),
      file("Y2", "no version", "\x93NUMPY", {"version"}, E::io_truncated),
      file("Y3", "a header of 4 GiB", npy(2, 0xFFFFFFFF, good, "xxxx"), {"4294967295", "10000"}),
      file("Y3", "a header of 4 GiB, version 3", npy(3, 0xFFFFFF00, good, "xxxx"), {"4294967040"}),
      file("Y4", "a header past the end", npy(1, 1000, good, "xxxx"), {"1000"}, E::io_truncated),
      file("Y4", "no length", std::string("\x93NUMPY\1\0", 8), {"length"}, E::io_truncated),
      file("Y5", "a header of 10,001 bytes",
           npy(good.substr(0, good.size() - 1) + std::string(10'001 - good.size(), ' ') + "\n", 4), {"10001", "10000"}),
      header("Y6", "no closing brace", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), \n", {"expected"}),
      header("Y6", "no line break", good.substr(0, good.size() - 1) + " ", {"line break"}),
      header("Y6", "a header of no bytes", "", {"line break"}),
      header("Y6", "a byte that is not ASCII", dict("'<f4\xE9'", "False", "(1,)"), {"ASCII"}),
      header("Y6", "a NUL", dict("'<f4'", "False", std::string("(1,)\0", 5)), {"ASCII"}),
      header("Y6", "something behind the brace", good.substr(0, good.size() - 1) + " 1\n", {"behind"}),
      header("Y6", "a text that does not end", "{'descr\n", {"does not end"}),
      header("Y6", "a backslash", dict("'\\x3cf4'", "False", "(1,)"), {"backslash"}),
      header("Y6", "a list", "[1]\n", {"'{'"}),
      header("Y7", "no descr", "{'fortran_order': False, 'shape': (1,)}\n", {"no 'descr'"}),
      header("Y7", "no shape", "{'descr': '<f4', 'fortran_order': False}\n", {"no 'shape'"}),
      header("Y7", "nothing", "{}\n", {"no 'descr'"}),
      header("Y7", "an entry too many", "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}\n", {"\"x\""}),
      header("Y7", "descr twice", "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\n",
             {"\"descr\" twice", "byte 27"}),
      header("Y7", "an order that is no truth", dict("'<f4'", "1", "(1,)"), {"fortran_order", "True"}),
      header("Y7", "no comma", "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}\n", {"','"}),
      header("Y7", "no colon", "{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}\n", {"':'"}),
      dtype("Y8", "Python objects", "'|O'", {"objects", "never read"}),
      dtype("Y8", "raw bytes", "'|V4'", {"\"|V4\""}),
      dtype("Y8", "bfloat16 of ml_dtypes", "'<V2'", {"bfloat16", "astype(np.float32)"}),
      dtype("Y8", "a structured dtype", "[('a', '<f4')]", {"structured"}),
      dtype("Y8", "text", "'<U4'", {"\"<U4\""}),
      dtype("Y8", "native order", "'=f4'", {"\"=f4\"", "<f4"}),
      dtype("Y8", "no order", "'f4'", {"\"f4\"", "<f4"}),
      dtype("Y8", "no order for four bytes", "'|f4'", {"\"|f4\""}),
      dtype("Y8", "long double", "'<f16'", {"long double", "float64"}),
      dtype("Y8", "int16", "'<i2'", {"int16", "astype(np.int32)"}),
      dtype("Y8", "uint64", "'<u8'", {"uint64", "astype(np.int64)"}),
      dtype("Y8", "complex numbers", "'<c8'", {"complex"}),
      dtype("Y8", "an empty text", "''", {"\"\""}),
      dtype("Y8", "a number", "4", {"expected a text"}),
      shape("Y9", "a list", "[1]", {"tuple"}),
      shape("Y9", "a number", "1", {"tuple"}),
      shape("Y9", "a negative extent", "(-1,)", {"\"-1,"}),
      shape("Y9", "a truth", "(True,)", {"\"True,"}),
      shape("Y9", "a Python 2 number", "(2L,)", {"\"2L,"}),
      shape("Y9", "a missing comma", "(1)", {"comma", "(3,)"}),
      shape("Y9", "two numbers without a comma", "(1 1)", {"comma"}),
      shape("Y9", "two commas", "(1,,)", {"whole numbers"}),
      shape("Y9", "a comma alone", "(,)", {"whole numbers"}),
      shape("Y9", "a leading zero", "(01,)", {"\"01,"}),
      shape("Y9", "a fraction", "(1.0,)", {"\"1.0,"}),
      shape("Y9", "nine dimensions", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", {"8 dimensions"}),
      shape("Y9", "a tuple that does not end", "(1, ", {"whole numbers"}),
      shape("Y10", "a product that wraps to 4", "(4194305, 4194305, 211106198978564)", {"2^63 - 1"}),
      shape("Y10", "an extent of 2^63", "(9223372036854775808,)", {"2^63 - 1"}),
      shape("Y10", "a huge product beside a zero", "(0, 4611686018427387904, 4)", {"2^63 - 1"}),
      file("Y11", "a byte too few", npy(good, 3), {"needs 4 bytes, 3"}, E::io_truncated),
      file("Y11", "no data", npy(good, 0), {"needs 4 bytes, 0"}, E::io_truncated),
      file("Y12", "a byte too many", npy(good, 5), {"needs 4 bytes, 5"}),
      file("Y12", "bytes behind an empty array", npy(dict("'<f4'", "False", "(0,)"), 1), {"needs 0 bytes, 1"}),
      file("Y15", "eight exabytes in a small file", npy(dict("'<f4'", "False", "(2305843009213693951,)"), 4),
           {"needs 9223372036854775804 bytes, 4"}, E::io_truncated),
      file("Y16", "a pickle", std::string("\x80\x04", 2) + std::string(20, '.'), {"pickle", "np.save"}),
      file("Y16", "an .npz", two, {"zip", "load_npz"}),
      file("Y16", "gzip data", "\x1F\x8B" + std::string(20, '.'), {"gzip"}),
      {"Y16", "a folder", [](Bench& b) { load_npy(b.folder()); }, E::io_open, {"[load_npy]", "folder"}},
      {"Y16",
       "a pipe",
       [](Bench& b) {
         const std::string path = b.folder() + "/pipe";
         mkfifo(path.c_str(), 0600);
         load_npy(path);
       },
       E::io_open,
       {"[load_npy]", "FIFO"}},
      {"Y17",
       "saving bfloat16",
       [](Bench& b) { save_npy(b.folder() + "/a.npy", b.keep(zeros({2}, DType::bfloat16))); },
       E::dtype_unsupported,
       {"[save_npy]", "bfloat16", "float32", "save_safetensors"}},
      {"Y17",
       "saving where no folder is",
       [](Bench& b) { save_npy(b.folder() + "/none/a.npy", b.keep(zeros({2}))); },
       E::io_open,
       {"[save_npy]", "none"}},
      {"Y17",
       "saving nothing",
       [](Bench& b) { save_npy(b.folder() + "/a.npy", {}); },
       E::tensor_undefined,
       {"[save_npy]"}},

      archive("Y18", "an .npy given as .npz", npy(good, 4), {"load_npy"}),
      archive("Y18", "no archive", "hello, world, this is no archive", {"no zip archive"}),
      archive("Y18", "an archive cut off", two.substr(0, two.size() - 1), {"directory"}, E::io_truncated),
      archive("Y18", "an archive cut to its first bytes", two.substr(0, 10), {"directory"}, E::io_truncated),
      archive("Y18", "bytes behind the archive", two + "x", {"directory"}, E::io_truncated),
      archive("Y18", "bytes before the directory", zip({named("a.npy")}, "polyglot"), {"8 bytes", "no member"}),
      archive("Y18", "bytes before the archive", "PK\3\4" + two, {"directory"}),
      archive("Y18", "a compressed member", zip({deflated}), {"\"a.npy\"", "compressed", "np.savez"}),
      archive("Y18", "an encrypted member", zip({locked}), {"\"a.npy\"", "encrypted"}),
      archive("Y18", "a name twice", zip({named("a.npy"), named("a.npy")}), {"\"a.npy\"", "twice"}),
      archive("Y18", "a path up", zip({named("../a.npy")}), {"../a.npy", "elsewhere"}),
      archive("Y18", "a path up from inside", zip({named("b/../../a.npy")}), {"elsewhere"}),
      archive("Y18", "an absolute path", zip({named("/etc/a.npy")}), {"elsewhere"}),
      archive("Y18", "a backslash", zip({named("..\\a.npy")}), {"backslash"}),
      archive("Y18", "a NUL in a name", zip({named(std::string("a\0.npy", 6))}), {"control character"}),
      archive("Y18", "no name", zip({named(".npy")}), {"empty"}),
      archive("Y18", "a member that is no array", zip({named("a.txt")}), {"a.txt", ".npy"}),
      archive("Y18", "another name in the member", zip({other_name}), {"disagree"}),
      archive("Y18", "a flipped bit in the data", changed(two, 30 + 5 + 68, '!'), {"CRC-32"}, E::io_checksum),
      archive("Y18", "a flipped bit in the checksum", changed(two, 14, '!'), {"disagree"}),
      archive("Y18", "a count that is too small", changed(changed(two, two.size() - 12, 1), two.size() - 14, 1),
              {"more entries"}),
      archive("Y18", "a count that is too large", changed(changed(two, two.size() - 12, 3), two.size() - 14, 3),
              {"missing", "3"}),
      archive("Y18", "several volumes", changed(two, two.size() - 18, 1), {"volumes"}),
      archive("Y18", "zip64 without its directory",
              changed(changed(changed(changed(two, two.size() - 6, '\xFF'), two.size() - 5, '\xFF'), two.size() - 4,
                              '\xFF'),
                      two.size() - 3, '\xFF'),
              {"zip64"}),
      archive("Y18", "a member that is a pickle",
              zip({{"a.npy", std::string("\x80\x04", 2) + std::string(20, '.'), 0, 0, ""}}), {"\"a.npy\"", "pickle"}),
      save("Y19", "a name twice", "other", {"other", "twice"}),
      save("Y19", "no name", "", {"empty"}),
      save("Y19", "a path up", "../x", {"elsewhere"}),
      save("Y19", "a name that is not UTF-8", "\xFF", {"UTF-8"}),
  };
}

}  // namespace weft::test
