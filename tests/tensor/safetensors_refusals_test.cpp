#include <sys/stat.h>

#include <functional>

#include "tensor/safetensors_file.h"
#include "tensor/tensor_test.h"

#include <weft/tensor/safetensors.h>

// Files that must be refused, each with its code, the words of the message, the path and a byte; nothing is left
// allocated. S25 (non-finite weights) and S26 (sharded index files) have nothing yet that would read them.

namespace weft {
namespace {

using namespace weft::testing;
using C = ErrorCode;

const std::string four = {"\x00\x00\x80\x3F", 4};

std::string one(std::string_view fields) { return "{\"a\":{" + std::string(fields) + "}}"; }
std::string one_of(std::string_view shape, std::string_view offsets = "[0,4]", std::string_view dtype = "\"F32\"") {
  return one("\"dtype\":" + std::string(dtype) + ",\"shape\":" + std::string(shape) +
             ",\"data_offsets\":" + std::string(offsets));
}
std::string named(std::string_view name, int begin, int end) { return entry(name, "U8", "[1]", begin, end); }

struct Row {
  const char* id;
  const char* what;
  std::string bytes;
  ErrorCode code;
  std::vector<std::string> words;
};

std::vector<Row> rows() {
  const std::string a = entry("a", "F32", "[1]", 0, 4);
  std::string saved;
  {
    const TemporaryFolder folder;
    save_safetensors(folder / "x", {{"a", ones({1}, serial())}, {"b", ones({2}, serial())}});
    saved = read_bytes(folder / "x");
  }
  std::string flipped = saved;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  return {
      {"S1", "nothing", "", C::io_truncated, {"byte 0", "8 bytes"}},
      {"S1", "seven bytes", std::string(7, '\0'), C::io_truncated, {"byte 7"}},
      {"S2", "a header of 0 bytes", length_of(0) + "{}", C::io_format, {"byte 0", "0 bytes"}},
      {"S3",
       "a header over the limit",
       length_of((16 << 20) + 1) + "{}",
       C::io_format,
       {"16777217", "at most 16777216"}},
      {"S3", "a header of 2^63 bytes", length_of(std::uint64_t{1} << 63) + "{}", C::io_format, {"9223372036854775808"}},
      {"S3", "a header of 2^64 - 1 bytes", length_of(~std::uint64_t{0}) + "{}", C::io_format, {"18446744073709551615"}},
      {"S4", "a header past the end", length_of(3) + "{}", C::io_truncated, {"byte 10", "3 bytes"}},
      {"S5", "a name that is no UTF-8", safetensors("{\"\xFF\":{}}"), C::io_format, {"JSON", "UTF-8"}},
      {"S5", "an overlong name", safetensors("{\"\xC0\x80\":{}}"), C::io_format, {"JSON"}},
      {"S5", "half a surrogate", safetensors("{\"\\ud800\":{}}"), C::io_format, {"JSON", "surrogate"}},
      {"S6", "no JSON", safetensors("{hello"), C::io_format, {"JSON", "byte 1"}},
      {"S6", "a list", safetensors("[]"), C::io_format, {"'{'", "byte 8"}},
      {"S6", "a number", safetensors("7"), C::io_format, {"'{'"}},
      {"S6", "spaces alone", safetensors("        "), C::io_format, {"'{'"}},
      {"S6", "a byte order mark", safetensors("\xEF\xBB\xBF{}"), C::io_format, {"'{'"}},
      {"S6", "two objects", safetensors("{}{}"), C::io_format, {"JSON"}},
      {"S6", "garbage behind", safetensors("{} x"), C::io_format, {"JSON"}},
      {"S6",
       "a NUL and garbage behind",
       safetensors(std::string("{}\0\xFFpickle", 10)),
       C::io_format,
       {"NUL", "byte 10"}},
      {"S6", "an unfinished object", safetensors("{\"a\":{\"dtype\":\"F3"), C::io_format, {"JSON"}},
      {"S6", "a comment", safetensors("{/* */}"), C::io_format, {"JSON"}},
      {"S6", "a comma too many", safetensors("{" + a + ",}", four), C::io_format, {"JSON"}},
      {"S7", "100,000 lists", safetensors("{\"a\":" + std::string(100000, '[')), C::io_format, {"\"a\"", "list"}},
      {"S7",
       "100,000 lists in a shape",
       safetensors("{\"a\":{\"shape\":" + std::string(100000, '[')),
       C::io_format,
       {"shape", "a list"}},
      {"S7", "objects in objects", safetensors("{\"a\":{\"dtype\":{\"b\":{}}}}"), C::io_format, {"dtype", "an object"}},
      {"S8",
       "a name twice, other offsets",
       safetensors("{" + named("a", 0, 1) + "," + named("a", 1, 2) + "}", "xy"),
       C::io_format,
       {"\"a\"", "twice", "byte 9", "byte 61"}},
      {"S8",
       "a name twice, same offsets",
       safetensors("{" + named("a", 0, 1) + "," + named("a", 0, 1) + "}", "x"),
       C::io_format,
       {"\"a\"", "twice"}},
      {"S8",
       "a name twice, once escaped",
       safetensors("{" + named("a", 0, 1) + "," + named("\\u0061", 1, 2) + "}", "xy"),
       C::io_format,
       {"\"a\"", "twice"}},
      {"S8",
       "a name with a quote and a backslash twice",
       safetensors("{" + named("q\\\"\\\\", 0, 1) + "," + named("q\\\"\\\\", 1, 2) + "}", "xy"),
       C::io_format,
       {"twice", "byte 65: ", "byte 9"}},
      {"S8",
       "a field twice",
       safetensors(one("\"dtype\":\"U8\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]"), four),
       C::io_format,
       {"dtype twice"}},
      {"S9",
       "metadata that are a list",
       safetensors("{\"__metadata__\":[]}"),
       C::io_format,
       {"__metadata__", "a list"}},
      {"S9",
       "metadata that are a text",
       safetensors("{\"__metadata__\":\"x\"}"),
       C::io_format,
       {"__metadata__", "a text"}},
      {"S9",
       "a number in the metadata",
       safetensors("{\"__metadata__\":{\"k\":1}}"),
       C::io_format,
       {"\"k\"", "a number"}},
      {"S9", "null in the metadata", safetensors("{\"__metadata__\":{\"k\":null}}"), C::io_format, {"\"k\"", "null"}},
      {"S9",
       "an object in the metadata",
       safetensors("{\"__metadata__\":{\"k\":{}}}"),
       C::io_format,
       {"\"k\"", "an object"}},
      {"S9",
       "metadata twice",
       safetensors("{\"__metadata__\":{},\"__metadata__\":{}}"),
       C::io_format,
       {"__metadata__", "twice"}},
      {"S9",
       "a metadata key twice",
       safetensors("{\"__metadata__\":{\"k\":\"1\",\"\\u006b\":\"2\"}}"),
       C::io_format,
       {"\"k\"", "twice"}},
      {"S10",
       "a dtype of the format weft lacks",
       safetensors(one_of("[2]", "[0,4]", "\"I16\""), four),
       C::io_format,
       {"\"I16\"", "F32"}},
      {"S10", "no dtype at all", safetensors(one_of("[1]", "[0,4]", "\"f32\""), four), C::io_format, {"\"f32\""}},
      {"S10",
       "a dtype that is a number",
       safetensors(one_of("[1]", "[0,4]", "3"), four),
       C::io_format,
       {"dtype", "a number"}},
      {"S11",
       "no dtype field",
       safetensors(one("\"shape\":[1],\"data_offsets\":[0,4]"), four),
       C::io_format,
       {"\"a\" has no dtype"}},
      {"S11",
       "no shape",
       safetensors(one("\"dtype\":\"F32\",\"data_offsets\":[0,4]"), four),
       C::io_format,
       {"\"a\" has no shape"}},
      {"S11",
       "no data_offsets",
       safetensors(one("\"dtype\":\"F32\",\"shape\":[1]"), four),
       C::io_format,
       {"has no data_offsets"}},
      {"S11",
       "a field too many",
       safetensors(one("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"stride\":[1]"), four),
       C::io_format,
       {"\"stride\""}},
      {"S11", "one offset", safetensors(one_of("[1]", "[0]"), four), C::io_format, {"data_offsets", "1 numbers"}},
      {"S11", "three offsets", safetensors(one_of("[1]", "[0,4,4]"), four), C::io_format, {"more than two"}},
      {"S11", "an entry that is a list", safetensors("{\"a\":[]}"), C::io_format, {"\"a\"", "a list"}},
      {"S11", "an entry that is null", safetensors("{\"a\":null}"), C::io_format, {"\"a\"", "null"}},
      {"S11", "a shape that is a number", safetensors(one_of("1"), four), C::io_format, {"shape", "a number"}},
      {"S11", "a shape of nine axes", safetensors(one_of("[1,1,1,1,1,1,1,1,1]"), four), C::io_format, {"more than 8"}},
      {"S12", "a negative extent", safetensors(one_of("[-1]"), four), C::io_format, {"shape", "-1"}},
      {"S12", "a negative offset", safetensors(one_of("[1]", "[-4,0]"), four), C::io_format, {"data_offsets", "-4"}},
      {"S12", "a fraction", safetensors(one_of("[1.0]"), four), C::io_format, {"shape", "1.0"}},
      {"S12", "an exponent", safetensors(one_of("[1e0]"), four), C::io_format, {"shape", "1e0"}},
      {"S12", "2^53 + 1", safetensors(one_of("[9007199254740993]"), four), C::io_format, {"9007199254740993", "2^53"}},
      {"S12", "2^64", safetensors(one_of("[18446744073709551616]"), four), C::io_format, {"18446744073709551616"}},
      {"S12", "a text", safetensors(one_of("[\"1\"]"), four), C::io_format, {"shape", "a text"}},
      {"S12", "true", safetensors(one_of("[true]"), four), C::io_format, {"shape", "true"}},
      {"S13",
       "offsets that run backwards",
       safetensors(one_of("[1]", "[4,0]"), four),
       C::io_format,
       {"[4, 0]", "before"}},
      {"S14",
       "an end past the data",
       safetensors(one_of("[2]", "[0,8]"), four),
       C::io_truncated,
       {"\"a\"", "ends at byte"}},
      {"S14",
       "an empty tensor past the data",
       safetensors("{" + a + "," + entry("e", "F32", "[0]", 5, 5) + "}", four),
       C::io_truncated,
       {"\"e\""}},
      {"S15",
       "the same bytes twice",
       safetensors("{" + a + "," + entry("b", "F32", "[1]", 0, 4) + "}", four),
       C::io_format,
       {"\"a\"", "\"b\"", "overlap"}},
      {"S15",
       "one byte twice",
       safetensors("{" + a + "," + entry("b", "U8", "[2]", 3, 5) + "}", four + "x"),
       C::io_format,
       {"overlap"}},
      {"S16",
       "a hole in front",
       safetensors(one_of("[1]", "[1,5]"), "x" + four),
       C::io_format,
       {"1 bytes before", "\"a\""}},
      {"S16",
       "a hole in between",
       safetensors("{" + a + "," + named("b", 6, 7) + "}", four + "xyz"),
       C::io_format,
       {"2 bytes before", "\"b\""}},
      {"S17", "bytes behind", safetensors("{" + a + "}", four + "PK"), C::io_format, {"2 bytes after"}},
      {"S17", "data of no tensor", safetensors("{}", "PK"), C::io_format, {"2 bytes after"}},
      {"S18",
       "more bytes than the shape",
       safetensors(one_of("[1]", "[0,8]"), four + four),
       C::io_format,
       {"needs 4", "span 8"}},
      {"S18", "fewer bytes than the shape", safetensors(one_of("[2]"), four), C::io_format, {"needs 8", "span 4"}},
      {"S18", "bytes for nothing", safetensors(one_of("[0]"), four), C::io_format, {"needs 0", "span 4"}},
      {"S19",
       "a product over 2^64",
       safetensors(one_of("[4194305,4194305,211106198978564]", "[0,16]"), four + four + four + four),
       C::io_format,
       {"2^63 - 1"}},
      {"S19", "bytes over 2^63", safetensors(one_of("[9007199254740992,1024]"), four), C::io_format, {"2^63 - 1"}},
      {"S19",
       "0 beside an overflow",
       safetensors(one_of("[0,9007199254740992,9007199254740992]", "[0,0]")),
       C::io_format,
       {"2^63 - 1"}},
      {"S22", "a bit flipped", flipped, C::io_checksum, {"\"b\"", "CRC-32C"}},
      {"S22",
       "a checksum that is no checksum",
       safetensors("{\"__metadata__\":{\"weft.crc32c.a\":\"hello\"}," + a + "}", four),
       C::io_checksum,
       {"hello"}},
      {"S23", "one byte short", saved.substr(0, saved.size() - 1), C::io_truncated, {"\"b\"", "ends at byte"}},
      {"S23", "a tensor short", saved.substr(0, saved.size() - 8), C::io_truncated, {"\"b\""}},
      {"-",
       "torch.save",
       std::string("PK\x03\x04\x00\x00\x08\x08", 8) + "archive/data.pkl",
       C::io_format,
       {"zip archive", "torch.save", "safetensors.torch.save_file"}},
      {"-",
       "an old torch.save",
       std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20", 10),
       C::io_format,
       {"pickle", "safetensors.torch.save_file"}},
      {"-", "NumPy", std::string("\x93NUMPY\x01\x00v\x00", 10), C::io_format, {".npy"}},
      {"-",
       "too many tensors",
       [] {
         std::string header = "{";
         for (int i = 0; i < 100001; ++i) header += entry("t" + std::to_string(i), "U8", "[0]", 0, 0) + ",";
         header.back() = '}';
         return safetensors(header);
       }(),
       C::io_format,
       {"100000"}},
  };
}

TEST(SafetensorsRefusals, EveryRowThrowsItsCode) {
  const TemporaryFolder folder;
  const std::size_t live = backends::backend_for(serial()).memory().live;
  std::size_t refused = 0;
  for (const Row& row : rows()) {
    SCOPED_TRACE(std::string(row.id) + ": " + row.what);
    const std::string path = folder.write("bad.safetensors", row.bytes);
    for (const bool list : {false, true}) {
      if (list && row.code == C::io_checksum) continue;  // a listing reads no data
      try {
        if (list) {
          (void)list_safetensors(path, here);
        } else {
          (void)load_safetensors(path, serial(), here);
        }
        ADD_FAILURE() << "nothing was thrown";
      } catch (const IoError& error) {
        EXPECT_STREQ(to_string(error.code()), to_string(row.code)) << error.what();
        const std::string_view text = error.what();
        for (const std::string& word : row.words) {
          EXPECT_NE(text.find(word), std::string_view::npos) << "\"" << word << "\" is not in: " << text;
        }
        EXPECT_NE(text.find(path + ": byte "), std::string_view::npos) << text;
        EXPECT_NE(text.find(list ? "[list_safetensors]" : "[load_safetensors]"), std::string_view::npos) << text;
        EXPECT_NE(text.find("(user.cpp:7)"), std::string_view::npos) << text;
        ++refused;
      } catch (const std::exception& error) {
        ADD_FAILURE() << "another exception: " << error.what();
      }
    }
  }
  EXPECT_EQ(backends::backend_for(serial()).memory().live, live);
  EXPECT_GE(refused, 150u);
}

TEST(SafetensorsRefusals, WhatIsNoRegularFile) {  // S24
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& path, std::string_view word) {
    expect_error<IoError>(C::io_open, {path, word, "(user.cpp:7)"},
                          [&] { (void)load_safetensors(path, serial(), here); });
  };
  refused(folder / "missing", "No such file");
  refused(folder / "", "folder");
  const std::string fifo = folder / "fifo", loop = folder / "loop", link = folder / "link";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  refused(fifo, "FIFO");
  ASSERT_EQ(symlink(loop.c_str(), loop.c_str()), 0);
  refused(loop, "symbolic links");
  ASSERT_EQ(symlink(fifo.c_str(), link.c_str()), 0);
  refused(link, "FIFO");
  refused("/dev/null", "not a regular file");
}

TEST(SafetensorsRefusals, EveryTruncationIsSeen) {  // S23
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  save_safetensors(path, {{"a", ones({3}, serial())}, {"b", ones({1, 2}, {serial(), DType::uint8})}}, {{"k", "v"}});
  const std::string whole = read_bytes(path);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::string cut = folder.write("cut", whole.substr(0, n));
    EXPECT_THROW((void)load_safetensors(cut, serial()), IoError) << n << " of " << whole.size() << " bytes";
  }
}

// Every single bit: an error or a file that still keeps the rules; in the data always the checksum's error.
TEST(SafetensorsRefusals, NoFlippedBitDoesHarm) {
  const TemporaryFolder folder;
  const std::string path = folder / "x";
  save_safetensors(path, {{"a", ones({3}, serial())}, {"b", ones({1, 2}, {serial(), DType::uint8})}}, {{"k", "v"}});
  const std::string whole = read_bytes(path);
  const std::size_t data = whole.size() - 14;
  int refused = 0, accepted = 0;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    const std::string bad = folder.write("bad", bytes);
    try {
      const Safetensors file = load_safetensors(bad, serial());
      ++accepted;
      EXPECT_LT(bit / 8, data) << "a flipped bit in the data was accepted";
      EXPECT_EQ(file.tensors.size(), 2u);
    } catch (const IoError& error) {
      ++refused;
      EXPECT_TRUE(bit / 8 < data || error.code() == C::io_checksum) << error.what();
    }
  }
  EXPECT_GT(refused, 4 * accepted / 5);
}

TEST(SafetensorsRefusals, WhatCannotBeSaved) {  // S21
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  save_safetensors(path, {{"old", ones({1}, serial())}});
  const std::string before = read_bytes(path);
  const Tensor x = ones({1}, serial());
  const auto refused = [&](ErrorCode code, std::initializer_list<std::string_view> words,
                           std::initializer_list<NamedTensor> tensors, const SafetensorsMetadata& metadata = {}) {
    const std::vector<NamedTensor> list = tensors;
    const auto save = [&] { save_safetensors(path, list, metadata, here); };
    if (code == C::tensor_undefined) {
      expect_error<StateError>(code, words, save);
    } else {
      expect_error<ValueError>(code, words, save);
    }
    EXPECT_EQ(read_bytes(path), before) << "the old file was touched";
  };
  refused(C::value_invalid, {"[save_safetensors]", "__metadata__", "(user.cpp:7)"}, {{"__metadata__", x}});
  refused(C::value_invalid, {"empty"}, {{"", x}});
  refused(C::value_invalid, {"NUL"}, {{std::string("a\0b", 3), x}});
  refused(C::value_invalid, {"UTF-8"}, {{"\xFF", x}});
  refused(C::value_invalid, {"UTF-8"}, {{"\xED\xA0\x80", x}});  // a surrogate
  refused(C::value_invalid, {"\"a\"", "twice"}, {{"a", x}, {"b", x}, {"a", x}});
  refused(C::tensor_undefined, {"a "}, {{"a", Tensor{}}});
  refused(C::value_invalid, {"weft.crc32c.a", "reserved"}, {{"a", x}}, {{"weft.crc32c.a", "0"}});
  refused(C::value_invalid, {"\"k\"", "twice"}, {{"a", x}}, {{"k", "1"}, {"k", "2"}});
  refused(C::value_invalid, {"\"k\"", "UTF-8"}, {{"a", x}}, {{"k", "\xFF"}});
  expect_error<IoError>(C::io_open, {"no/such/folder", "(user.cpp:7)"}, [&] {
    save_safetensors(folder / "no/such/folder/x", {{"a", x}}, {}, here);
  });
}

}  // namespace
}  // namespace weft
