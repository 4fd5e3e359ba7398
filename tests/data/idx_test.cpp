// IDX files: what is read, and everything that is refused.

#include <weft/data/idx.h>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <weft/core/error.h>
#include <weft/core/host_memory.h>
#include <weft/core/message.h>
#include <weft/data/mnist.h>

#include "data/temporary_folder.h"

namespace weft::test {
namespace {

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

std::string header(int code, const std::vector<std::uint32_t>& extents) {
  std::string bytes = {0, 0, static_cast<char>(code), static_cast<char>(extents.size())};
  for (const std::uint32_t extent : extents) bytes += big_endian(extent);
  return bytes;
}

/// 0, 1, 2, ... of an IDX file of bytes.
std::string idx(const std::vector<std::uint32_t>& extents, int modulus = 251) {
  std::string bytes = header(0x08, extents);
  std::size_t count = 1;
  for (const std::uint32_t extent : extents) count *= extent;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i % static_cast<std::size_t>(modulus));
  return bytes;
}

std::string gzip(const std::string& bytes, int level = 6) {
  z_stream z{};
  if (deflateInit2(&z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  std::string out(deflateBound(&z, bytes.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string flipped(std::string bytes, std::size_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  return bytes;
}

TEST(Idx, ReadsBytesPlainAndPackedAlike) {
  const TemporaryFolder folder;
  const std::string bytes = idx({7, 5, 3});
  const Tensor plain = read_idx(folder.write("a-idx3-ubyte", bytes));
  // the name says nothing: the packed one has none of .gz
  const Tensor packed = read_idx(folder.write("b-idx3-ubyte", gzip(bytes)));
  EXPECT_EQ(plain.shape(), (Shape{7, 5, 3}));
  EXPECT_EQ(plain.dtype(), DType::uint8);
  EXPECT_EQ(plain.to_vector<std::uint8_t>()[104], 104);
  EXPECT_EQ(packed.shape(), plain.shape());
  EXPECT_EQ(packed.to_vector<std::uint8_t>(), plain.to_vector<std::uint8_t>());
}

TEST(Idx, ReadsEveryElementTypeBigEndian) {
  const TemporaryFolder folder;
  const auto read = [&](int code, const std::string& elements, std::uint32_t count) {
    const std::string bytes = header(code, {count}) + elements;
    const Tensor plain = read_idx(folder.write("plain", bytes));
    const Tensor packed = read_idx(folder.write("packed", gzip(bytes)));
    EXPECT_EQ(plain.dtype(), packed.dtype());
    return plain;
  };
  using namespace std::string_literals;
  EXPECT_EQ(read(0x09, "\x01\xFF\x80"s, 3).to_vector<std::int32_t>(), (std::vector<std::int32_t>{1, -1, -128}));
  EXPECT_EQ(read(0x0B, "\x01\x02\xFF\xFE"s, 2).to_vector<std::int32_t>(), (std::vector<std::int32_t>{258, -2}));
  EXPECT_EQ(read(0x0C, "\x00\x01\x02\x03\x80\x00\x00\x00"s, 2).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{66051, -2147483647 - 1}));
  EXPECT_EQ(read(0x0D, "\x3F\xC0\x00\x00"s, 1).to_vector<float>(), (std::vector<float>{1.5f}));
  EXPECT_EQ(read(0x0E, "\xC0\x04\x00\x00\x00\x00\x00\x00"s, 1).to_vector<double>(), (std::vector<double>{-2.5}));
  // longer than one chunk of the reader
  std::string many;
  for (std::uint32_t i = 0; i < 20000; ++i) many += big_endian(i);
  const auto values = read(0x0C, many, 20000).to_vector<std::int32_t>();
  for (std::int32_t i = 0; i < 20000; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], i);
}

struct Row {
  const char* id;
  std::function<std::string(const TemporaryFolder&)> make;  ///< returns the path
  ErrorCode code;
  std::vector<std::string> words;
};

std::function<std::string(const TemporaryFolder&)> contents(std::string bytes) {
  return [bytes = std::move(bytes)](const TemporaryFolder& folder) { return folder.write("file", bytes); };
}

std::vector<Row> rows() {
  using namespace std::string_literals;
  const std::string good = idx({2, 3, 4});
  const std::string packed = gzip(good);
  const auto truncated = ErrorCode::io_truncated;
  const auto format = ErrorCode::io_format;
  const auto checksum = ErrorCode::io_checksum;
  const auto open = ErrorCode::io_open;
  std::string lying_bomb = gzip(header(0x08, {60000, 28, 28}) + std::string(60000 * 784, '\0'), 9);
  return {
      {"I1 empty", contents(""), truncated, {"ends at byte 0", "magic"}},
      {"I1 packed", contents(gzip("")), truncated, {"ends at byte 0"}},
      {"I2", contents("\0\0\x08"s), truncated, {"ends at byte 3"}},
      {"I3", contents("\x01\0\x08\x01"s + big_endian(1) + "x"), format, {"byte 0", "0x01000801", "two zero bytes"}},
      {"I3 second", contents("\0\x01\x08\x01"s + big_endian(1) + "x"), format, {"byte 0"}},
      {"I3 PNG", contents("\x89PNG\r\n\x1a\n____"s), format, {"no IDX file", "0x89504e47"}},
      {"I4", contents(header(0x07, {1}) + "x"), format, {"type code 0x07", "byte 2"}},
      {"I4 0x0A", contents(header(0x0A, {1}) + "x"), format, {"type code 0x0a", "byte 2"}},
      {"I5 none", contents(header(0x08, {})), format, {"rank 0", "byte 3", "1 to 8"}},
      {"I5 nine", contents(idx({1, 1, 1, 1, 1, 1, 1, 1, 1})), format, {"rank 9", "byte 3"}},
      {"I6", contents(good.substr(0, 15)), truncated, {"ends at byte 15", "extents", "byte 4"}},
      {"I7",
       contents(good.substr(0, good.size() - 1)),
       truncated,
       {"(2, 3, 4)", "24 bytes from byte 16", "byte 39", "1 too early"}},
      {"I7 packed", contents(gzip(good.substr(0, good.size() - 1))), truncated, {"unpacked byte 39", "(2, 3, 4)"}},
      {"I8", contents(good + "x"), format, {"longer", "ends at byte 40", "at byte 41"}},
      {"I8 packed", contents(gzip(good + "x")), format, {"longer", "unpacked byte 40"}},
      {"I9",
       contents(header(0x08, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF})),
       format,
       {"byte 4", "0xffffffffffffffff", "max_bytes"}},
      {"I9 wraps to 4",
       contents(header(0x08, {4194305, 4194305, 1073741824, 196608})),
       format,
       {"byte 4", "max_bytes"}},
      {"I9 bytes", contents(header(0x0E, {0x80000000, 0x40000000})), format, {"byte 4", "max_bytes"}},
      {"I9 too many", contents(header(0x08, {0x80000000, 3})), format, {"byte 4", "max_bytes", "4294967296"}},
      {"I10", contents(header(0x08, {0, 28, 28})), format, {"extent 0 of axis 0", "byte 4"}},
      {"I10 last", contents(header(0x08, {5, 28, 0})), format, {"extent 0 of axis 2", "byte 12"}},
      {"I14 CRC",
       contents(flipped(packed, packed.size() - 8)),
       checksum,
       {"CRC-32", message("byte ", packed.size() - 4)}},
      {"I14 length", contents(flipped(packed, packed.size() - 2)), format, {"broken gzip", "length"}},
      {"I14 data", contents(packed.substr(0, 10) + "\xFF" + packed.substr(11)), format, {"broken gzip", "block type"}},
      {"I14 truncated",
       contents(packed.substr(0, packed.size() - 9)),
       truncated,
       {"cut off", message("byte ", packed.size() - 9)}},
      {"I14 truncated CRC", contents(packed.substr(0, packed.size() - 1)), truncated, {"cut off"}},
      {"I14 truncated header", contents(packed.substr(0, 5)), truncated, {"cut off"}},
      {"I14 trailing member",
       contents(packed + packed),
       format,
       {"follow the gzip stream", message("byte ", packed.size()), "single member"}},
      {"I14 trailing bytes", contents(packed + "\0\0\0"s), format, {"3 bytes follow"}},
      {"I14 method", contents(flipped(packed, 2)), format, {"broken gzip"}},
      {"I14 bomb", contents(lying_bomb), format, {"47040000 bytes unpacked", "256 to one", "bomb"}},
      {"I14 bomb behind",
       contents(gzip(good + std::string(50000000, '\0'), 9)),
       format,
       {"longer", "unpacked byte 40"}},
      {"I15", contents("\x03\x08\0\0"s + "\x02\0\0\0"s), format, {"little-endian"}},
      {"I16 short", contents(header(0x0D, {3}) + std::string(11, 'x')), truncated, {"12 bytes", "1 too early"}},
      {"I17 folder", [](const TemporaryFolder& folder) { return folder.path(); }, open, {"directory"}},
      {"I17 missing", [](const TemporaryFolder& folder) { return folder.file("none"); }, open, {"No such file"}},
      {"I17 pipe",
       [](const TemporaryFolder& folder) {
         EXPECT_EQ(mkfifo(folder.file("pipe").c_str(), 0600), 0);
         return folder.file("pipe");
       },
       open,
       {"no regular file"}},
      {"I17 device", [](const TemporaryFolder&) { return std::string("/dev/zero"); }, open, {"no regular file"}},
      {"I17 dangling link",
       [](const TemporaryFolder& folder) {
         EXPECT_EQ(symlink("nowhere", folder.file("link").c_str()), 0);
         return folder.file("link");
       },
       open,
       {"No such file"}},
  };
}

TEST(Idx, RefusalsNameFileAndByteBeforeTheyAllocate) {
  std::size_t count = 0;
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.id);
    const TemporaryFolder folder;
    const std::string path = row.make(folder);
    host_reset_peak();
    const std::size_t before = host_memory_counts().live;
    try {
      read_idx(path);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const IoError& error) {
      EXPECT_EQ(to_string(error.code()), std::string(to_string(row.code))) << error.what();
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
      for (const std::string& word : row.words) {
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << word << " in: " << error.what();
      }
    }
    EXPECT_LT(host_memory_counts().peak, before + 4096) << "memory for elements the file does not have";
    ++count;
  }
  EXPECT_EQ(count, 39u);
}

TEST(Idx, AnUnreadableFileIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.write("file", idx({2}));
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  const bool root = geteuid() == 0;  // who may read everything, so somebody else tries
  if (root && seteuid(65534) != 0) GTEST_SKIP() << "root reads everything, and may not become somebody else here";
  try {
    read_idx(path);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const IoError& error) {
    EXPECT_EQ(error.code(), ErrorCode::io_open);
    EXPECT_NE(std::string(error.what()).find("Permission denied"), std::string::npos) << error.what();
  }
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
}

TEST(Idx, EveryTruncationOfAPackedFileIsRefused) {
  const TemporaryFolder folder;
  const std::string packed = gzip(idx({5, 4, 3}));
  for (std::size_t size = 0; size < packed.size(); ++size) {
    EXPECT_THROW(read_idx(folder.write("file", packed.substr(0, size))), IoError) << size;
  }
}

TEST(Idx, EveryFlippedBitOfAPackedFileIsRefusedOrHarmless) {
  const TemporaryFolder folder;
  const std::string bytes = idx({4, 3, 2});
  const std::string packed = gzip(bytes);
  const std::string path = folder.write("good", packed);
  const auto good = read_idx(path).to_vector<std::uint8_t>();
  int accepted = 0;
  for (std::size_t bit = 0; bit < packed.size() * 8; ++bit) {
    std::string broken = packed;
    broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << bit % 8));
    try {
      const Tensor values = read_idx(folder.write("file", broken));
      // the header's free fields (time, system, flags) and the bits behind the last block
      EXPECT_EQ(values.to_vector<std::uint8_t>(), good);
      ++accepted;
    } catch (const IoError&) {
    }
  }
  EXPECT_GT(accepted, 30);
  EXPECT_LE(accepted, 80 + 7);
}

TEST(Idx, TheLimitsAreTheCallers) {
  const TemporaryFolder folder;
  const std::string blank = gzip(header(0x08, {3000, 28, 28}) + std::string(3000 * 784, '\0'), 9);
  const std::string path = folder.write("blank", blank);
  EXPECT_THROW(read_idx(path), IoError);
  EXPECT_EQ(read_idx(path, {.max_ratio = 1032}).numel(), 3000 * 784);
  EXPECT_THROW(read_idx(path, {.max_bytes = 3000 * 784 - 1, .max_ratio = 1032}), IoError);
}

struct Folder : TemporaryFolder {
  explicit Folder(std::uint32_t images = 20, std::uint32_t labels = 20, int classes = 10) {
    write("train-images-idx3-ubyte", idx({images, 4, 4}));
    write("train-labels-idx1-ubyte", idx({labels}, classes));
    write("t10k-images-idx3-ubyte.gz", gzip(idx({6, 4, 4})));
    write("t10k-labels-idx1-ubyte.gz", gzip(idx({6})));
  }
};

TEST(Mnist, ReadsPlainAndPackedFilesFromOneFolder) {
  const Folder folder;
  EXPECT_TRUE(has_mnist(folder.path()));
  const ImageDataset train = load_mnist(folder.path(), Split::train);
  const ImageDataset test = load_mnist(folder.path() + "/", Split::test);
  EXPECT_EQ(train.size(), 20);
  EXPECT_EQ(test.size(), 6);
  EXPECT_EQ(train.num_classes(), 10);
  EXPECT_EQ(train.name(), "IDX images");
  EXPECT_EQ(train.source(), folder.path());
  EXPECT_EQ(train.images().shape(), (Shape{20, 1, 4, 4}));
  EXPECT_EQ(train.labels().to_vector<std::int64_t>()[13], 3);
  unlink(folder.file("t10k-labels-idx1-ubyte.gz").c_str());
  EXPECT_FALSE(has_mnist(folder.path()));
}

TEST(Mnist, Refusals) {
  const auto refused = [](const std::string& path, Split split, ErrorCode code, const std::vector<std::string>& words,
                          const MnistOptions& options = {}) {
    try {
      load_mnist(path, split, options);
      ADD_FAILURE() << "nothing was thrown; " << words.front();
    } catch (const IoError& error) {
      EXPECT_EQ(to_string(error.code()), std::string(to_string(code))) << error.what();
      for (const std::string& word : words) {
        EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << word << " in: " << error.what();
      }
    }
  };
  const TemporaryFolder empty;
  refused(empty.path(), Split::train, ErrorCode::io_open, {empty.file("train-images-idx3-ubyte"), ".gz"});
  refused("/no/such/folder", Split::test, ErrorCode::io_open, {"/no/such/folder/t10k-images-idx3-ubyte"});
  const Folder fewer(20, 19);  // I11
  refused(fewer.path(), Split::train, ErrorCode::io_format,
          {fewer.file("train-labels-idx1-ubyte"), "19 labels at byte 4", fewer.file("train-images-idx3-ubyte"), "20"});
  const Folder swapped;  // I12
  swapped.write("train-images-idx3-ubyte", idx({20}));
  refused(swapped.path(), Split::train, ErrorCode::io_format, {"byte 0", "(20,)", "rank 3 (images)"});
  swapped.write("train-images-idx3-ubyte", idx({20, 4, 4}));
  swapped.write("train-labels-idx1-ubyte", idx({20, 4, 4}));
  refused(swapped.path(), Split::train, ErrorCode::io_format, {"(20, 4, 4)", "rank 1 (labels)"});
  swapped.write("train-labels-idx1-ubyte", header(0x0C, {20}) + std::string(80, '\0'));
  refused(swapped.path(), Split::train, ErrorCode::io_format, {"int32", "uint8"});
  const Folder eleven(20, 20, 11);  // I13
  refused(eleven.path(), Split::train, ErrorCode::io_format,
          {eleven.file("train-labels-idx1-ubyte"), "label 10", "example 10", "byte 18", "0 to 9"});
  const Folder other;
  refused(other.path(), Split::train, ErrorCode::io_checksum, {"neither MNIST's nor Fashion-MNIST's"},
          {.verify = true});
}

// The real files lie in $WEFT_DATA_DIR/mnist where that is set.
TEST(Mnist, TheRealFiles) {
  const char* data = std::getenv("WEFT_DATA_DIR");
  if (data == nullptr || *data == '\0') GTEST_SKIP() << "WEFT_DATA_DIR is not set";
  const std::string folder = std::string(data) + "/mnist";
  const ImageDataset train = load_mnist(folder, Split::train, {.verify = true});
  const ImageDataset test = load_mnist(folder, Split::test, {.verify = true});
  EXPECT_EQ(train.name(), "MNIST");
  EXPECT_EQ(train.images().shape(), (Shape{60000, 1, 28, 28}));
  EXPECT_EQ(test.images().shape(), (Shape{10000, 1, 28, 28}));
  const auto labels = train.labels().to_vector<std::int64_t>();
  EXPECT_EQ(std::vector<std::int64_t>(labels.begin(), labels.begin() + 8),
            (std::vector<std::int64_t>{5, 0, 4, 1, 9, 2, 1, 3}));
  double sum = 0;
  for (const std::uint8_t pixel : train.images().to_vector<std::uint8_t>()) sum += pixel;
  EXPECT_NEAR(sum / (60000.0 * 784) / 255, 0.1307, 5e-5);  // the mean everybody normalises with
  EXPECT_EQ(test.labels().to_vector<std::int64_t>()[0], 7);
  // one byte changed is noticed by verify, and only by it
  const TemporaryFolder changed;
  for (const char* name : {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    const bool images = name[5] == 'i';
    const Tensor values =
        read_idx(folder + "/" + name + (access((folder + "/" + name).c_str(), R_OK) == 0 ? "" : ".gz"));
    auto bytes = values.to_vector<std::uint8_t>();
    if (images) bytes[123456] ^= 1;
    const std::vector<std::uint32_t> extents =
        images ? std::vector<std::uint32_t>{10000, 28, 28} : std::vector<std::uint32_t>{10000};
    changed.write(name, header(0x08, extents) + std::string(bytes.begin(), bytes.end()));
  }
  EXPECT_EQ(load_mnist(changed.path(), Split::test).name(), "MNIST");
  EXPECT_THROW(load_mnist(changed.path(), Split::test, {.verify = true}), IoError);
}

}  // namespace
}  // namespace weft::test
