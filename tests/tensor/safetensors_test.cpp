#include <weft/tensor/safetensors.h>

#include <sys/stat.h>

#include <limits>

#include "tensor/safetensors_file.h"
#include "tensor/tensor_test.h"

namespace weft {
namespace {

using namespace weft::testing;

class SafetensorsFiles : public OnEveryBackend {
 protected:
  TemporaryFolder folder_;
};
WEFT_ON_EVERY_BACKEND(SafetensorsFiles);

TEST_P(SafetensorsFiles, EveryDTypeComesBackBitForBit) {
  const std::vector<double> numbers = {0, 1, 2, 3, 4, 5};
  std::vector<NamedTensor> saved;
  for (const DType dtype : {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int64, DType::int32,
                            DType::uint8, DType::boolean}) {
    saved.push_back({name(dtype), counted({2, 3}, dtype)});
  }
  saved.push_back({"scalar", scalar(2.5, on())});
  saved.push_back({"empty", zeros({0, 3}, on())});
  saved.push_back({"odd", counted({3}, DType::uint8)});
  const std::string path = folder_ / "all.safetensors";
  save_safetensors(path, saved, {{"epoch", "3"}, {"note", "\"quotes\", \\ and \n\u00e9"}});
  const Safetensors loaded = load_safetensors(path, device());
  ASSERT_EQ(loaded.tensors.size(), saved.size());
  for (const NamedTensor& named : saved) {
    const Tensor got = loaded.at(named.name);
    EXPECT_EQ(got.dtype(), named.tensor.dtype());
    EXPECT_EQ(got.shape(), named.tensor.shape());
    EXPECT_EQ(got.device(), device());
    const auto wide = [](const Tensor& x) { return ops::cast(x, DType::float64, "cast", here).to_vector<double>(); };
    EXPECT_EQ(wide(got), wide(named.tensor)) << named.name;
  }
  EXPECT_EQ(loaded.metadata, (SafetensorsMetadata{{"epoch", "3"}, {"note", "\"quotes\", \\ and \n\u00e9"}}));
}

TEST_P(SafetensorsFiles, NanPayloadsAndSubnormalsSurvive) {
  const std::vector<std::uint32_t> bits = {0x7FC12345u, 0xFF800000u, 0x80000000u, 0x00000001u, 0x7F7FFFFFu};
  std::vector<float> data(bits.size());
  std::memcpy(data.data(), bits.data(), bits.size() * 4);
  const std::string path = folder_ / "bits.safetensors";
  save_safetensors(path, {{"x", from_vector(data, {5}, device())}});
  const auto back = load_safetensors(path, device()).at("x").to_vector<float>();
  EXPECT_EQ(std::memcmp(back.data(), bits.data(), bits.size() * 4), 0);
}

TEST_P(SafetensorsFiles, ViewsAreStoredRowMajor) {
  const Tensor x = ops::transpose(counted({2, 3}), 0, 1, "t", here);
  const Tensor spread = ops::expand(scalar(7, on()), {2, 2}, "expand", here);
  const std::string path = folder_ / "views.safetensors";
  save_safetensors(path, {{"turned", x}, {"spread", spread}});
  const Safetensors loaded = load_safetensors(path, device());
  EXPECT_EQ(values(loaded.at("turned")), (Floats{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values(loaded.at("spread")), Floats(4, 7.0f));
}

TEST_P(SafetensorsFiles, LargerThanOnePiece) {
  const Tensor x = arange(0, 3 * (1 << 20), 1, on(DType::int32));  // 12 MiB
  const std::string path = folder_ / "large.safetensors";
  save_safetensors(path, {{"x", x}});
  EXPECT_EQ(load_safetensors(path, device()).at("x").to_vector<std::int32_t>(), x.to_vector<std::int32_t>());
}

TEST(SafetensorsFormat, TheBytesAreTheFormats) {
  const TemporaryFolder folder;
  const std::string path = folder / "exact.safetensors";
  save_safetensors(path, {{"a", from_vector(std::vector<std::uint8_t>{1, 2, 3}, {3}, serial())},
                          {"b", from_vector(Floats{1.0f}, {1, 1}, serial())}});
  const std::string bytes = read_bytes(path);
  std::string header =
      R"({"__metadata__":{"weft.crc32c.b":"dd54c4ab","weft.crc32c.a":"f130f21e"},)"
      R"("b":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}})";
  header.append((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(bytes.substr(0, 8), length_of(header.size()));
  EXPECT_EQ(bytes.substr(8, header.size()), header);
  EXPECT_EQ(bytes.substr(8 + header.size()), std::string("\x00\x00\x80\x3F\x01\x02\x03", 7));
}

TEST(SafetensorsFormat, EmptyFilesAndEmptyMetadata) {
  const TemporaryFolder folder;
  const std::string path = folder / "none.safetensors";
  save_safetensors(path, std::span<const NamedTensor>());
  EXPECT_EQ(read_bytes(path), safetensors("{}      "));
  EXPECT_TRUE(load_safetensors(path, serial()).tensors.empty());
  EXPECT_TRUE(load_safetensors(folder.write("m", safetensors(R"({"__metadata__":{}})")), serial()).metadata.empty());
}

// What other writers do and the format allows.
TEST(SafetensorsFormat, ReadsWhatOthersWrite) {
  const TemporaryFolder folder;
  const auto load = [&](const std::string& header, std::string_view data) {
    return load_safetensors(folder.write("x.safetensors", safetensors(header, data)), serial());
  };
  const std::string data("\x00\x00\x80\x3F\x05\x01", 6);
  // spaces before and after, any order of names, fields and data, escapes, misaligned data (S20)
  const Safetensors file = load(
      " \n{ \"b\" : {\"shape\":[1], \"data_offsets\":[1,5], \"dtype\":\"F32\"} ,"
      "\"\\u0061\\\"\" : "
      "{\"data_offsets\":[0,1],\"dtype\":\"U8\",\"shape\":[]},\"c\":{\"dtype\":\"BOOL\",\"shape\":[1,1],"
      "\"data_offsets\":[5,6]}}  ",
      std::string("\x09\x00\x00\x80\x3F\x07", 6));
  EXPECT_EQ(file.tensors[0].name, "b");
  EXPECT_EQ(file.at("b").item<float>(), 1.0f);
  EXPECT_EQ(file.at("a\"").item<std::uint8_t>(), 9);
  EXPECT_TRUE(file.at("c").item<bool>());                                            // any byte but 0
  EXPECT_EQ(*reinterpret_cast<const unsigned char*>(file.at("c").data<bool>()), 1);  // and stored as 1
  // zero-size tensors may share an offset
  const Safetensors empty = load("{" + entry("e", "F32", "[0,4]", 0, 0) + "," + entry("x", "F32", "[1]", 0, 4) + "," +
                                     entry("f", "I64", "[0]", 4, 4) + "}",
                                 data.substr(0, 4));
  EXPECT_EQ(empty.at("e").shape(), (Shape{0, 4}));
  EXPECT_EQ(empty.at("f").dtype(), DType::int64);
}

TEST(SafetensorsFormat, ListingReadsTheHeaderAlone) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  save_safetensors(path, {{"w", zeros({4, 2}, serial())}, {"n", zeros({3}, {serial(), DType::int64})}},
                   {{"step", "7"}});
  const std::size_t before = backends::backend_for(serial()).memory().live;
  const SafetensorsListing listing = list_safetensors(path);
  EXPECT_EQ(backends::backend_for(serial()).memory().live, before);
  ASSERT_EQ(listing.entries.size(), 2u);
  EXPECT_EQ(listing.entries[0].name, "n");  // the wider dtype first
  EXPECT_EQ(listing.entries[0].dtype, DType::int64);
  EXPECT_EQ(listing.entries[1].shape, (Shape{4, 2}));
  EXPECT_EQ(listing.entries[1].bytes, 32);
  EXPECT_EQ(listing.entries[1].offset, listing.entries[0].offset + 24);
  EXPECT_EQ(static_cast<std::size_t>(listing.entries[1].offset) + 32, read_bytes(path).size());
  EXPECT_EQ(listing.metadata.size(), 3u);
}

TEST(SafetensorsFormat, ALinkToAFileIsFollowed) {  // caches of downloaded models are made of links
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors", link = folder / "link.safetensors";
  save_safetensors(path, {{"x", ones({1}, serial())}});
  ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
  EXPECT_EQ(load_safetensors(link, serial()).at("x").item<float>(), 1.0f);
}

TEST(SafetensorsFormat, SavingOverAFileReplacesItWhole) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  save_safetensors(path, {{"x", ones({1000}, serial())}});
  const Tensor old = load_safetensors(path, serial()).at("x");
  save_safetensors(path, {{"x", zeros({1}, serial())}});
  EXPECT_EQ(load_safetensors(path, serial()).at("x").shape(), (Shape{1}));
  EXPECT_EQ(values(old), Floats(1000, 1.0f));
  for (const auto& there : std::filesystem::directory_iterator(folder / "")) {
    EXPECT_EQ(there.path().filename(), "x.safetensors") << "left behind";
  }
}

TEST(SafetensorsFormat, AtNamesTheClosest) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.safetensors";
  save_safetensors(path, {{"fc1.weight", ones({1}, serial())}, {"fc1.bias", ones({1}, serial())}});
  const Safetensors file = load_safetensors(path, serial());
  expect_error<ValueError>(ErrorCode::value_invalid, {"\"fc1.weigth\"", "did you mean \"fc1.weight\"?", "user.cpp:7"},
                           [&] { (void)file.at("fc1.weigth", here); });
  EXPECT_EQ(file.find("fc1"), nullptr);
}

}  // namespace
}  // namespace weft
