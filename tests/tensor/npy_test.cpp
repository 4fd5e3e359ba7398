// NumPy's files: every dtype and layout there and back, what other writers write, and that no damage does more than
// throw.

#include <weft/tensor/npy.h>

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>

namespace weft {
namespace {

class Npy : public testing::Test {
 protected:
  Npy() {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-npy-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~Npy() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name = "a.npy") const { return folder_ + "/" + name; }
  std::string write(const std::string& bytes, const std::string& name = "a.npy") const {
    std::ofstream(path(name), std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path(name);
  }
  std::string read(const std::string& name = "a.npy") const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string folder_;
};

std::string header_of(const std::string& bytes) { return bytes.substr(10, bytes.find('\n') - 9); }

std::string array(const std::string& header, const std::string& data, char version = 1) {
  std::string out = std::string("\x93NUMPY") + version + '\0' + static_cast<char>(header.size() & 0xFF) +
                    static_cast<char>(header.size() >> 8);
  if (version > 1) out += std::string(2, '\0');
  return out + header + data;
}

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.dtype(), b.dtype());
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_TRUE(all(a == b).item<bool>()) << a << b;
}

TEST_F(Npy, EveryDtypeAndShapeThereAndBack) {
  for (const DType dtype :
       {DType::float32, DType::float64, DType::float16, DType::int64, DType::int32, DType::uint8, DType::boolean}) {
    for (const Shape& shape :
         {Shape{}, Shape{1}, Shape{5}, Shape{3, 4}, Shape{2, 0, 3}, Shape{1, 2, 1, 2, 1, 2, 1, 2}}) {
      for (const Device device : {cpu(), serial()}) {
        SCOPED_TRACE(std::string(name(dtype)) + " " + to_string(shape));
        const Tensor x = randint(0, 2, shape, {device, DType::int64}).to(dtype);
        save_npy(path(), x);
        const Tensor y = load_npy(path(), device);
        EXPECT_EQ(y.device(), device);
        expect_same(x, y);
        EXPECT_EQ((read().find('\n') + 1) % 64, 0u);
      }
    }
  }
}

TEST_F(Npy, IsWrittenInTheCanonicalForm) {
  save_npy(path(), arange(6).reshape({2, 3}));
  const std::string bytes = read();
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\1\0", 8));
  EXPECT_EQ(header_of(bytes).substr(0, 61), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  ");
  EXPECT_EQ(bytes.size(), 128u + 24u);
  save_npy(path(), ones({3}, DType::boolean));
  EXPECT_EQ(header_of(read()).substr(0, 57), "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }");
  save_npy(path(), scalar(1, DType::int64));
  EXPECT_EQ(header_of(read()).substr(0, 55), "{'descr': '<i8', 'fortran_order': False, 'shape': (), }");
}

TEST_F(Npy, AnyLayoutIsWrittenRowMajor) {
  const Tensor x = arange(24).reshape({4, 6});
  for (const Tensor& view : {x.transpose(0, 1), x.slice(1, {{}, {}, 2}), x.slice(0, {{}, {}, -1}),
                             x.narrow(0, 1, 1).expand({3, 6}), x.narrow(0, 2, 2)}) {
    save_npy(path(), view);
    expect_same(load_npy(path()), view);
  }
}

TEST_F(Npy, FortranOrderIsHonoured) {
  const std::string data = std::string("\1\2\3\4\5\6", 6);
  const Tensor y = load_npy(write(array("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}\n", data)));
  EXPECT_EQ(y.shape(), (Shape{2, 3}));
  EXPECT_EQ(y.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{1, 3, 5, 2, 4, 6}));
  const Tensor cube = load_npy(write(array("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2, 3)}\n", data)));
  EXPECT_EQ(cube.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(load_npy(write(array("{'descr': '|u1', 'fortran_order': True, 'shape': (6,)}\n", data)))
                .to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(Npy, BigEndianIsSwapped) {
  EXPECT_EQ(load_npy(write(array("{'descr': '>i4', 'fortran_order': False, 'shape': (2,)}\n",
                                 std::string("\0\0\1\2\xFF\xFF\xFF\xFE", 8))))
                .to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{258, -2}));
  EXPECT_EQ(load_npy(write(array("{'descr': '>f8', 'fortran_order': False, 'shape': ()}\n",
                                 std::string("\x3F\xF8\0\0\0\0\0\0", 8))))
                .item<double>(),
            1.5);
  EXPECT_EQ(load_npy(write(array("{'descr': '>f2', 'fortran_order': False, 'shape': ()}\n", std::string("\x3C\0", 2))))
                .item(),
            1.0);
}

TEST_F(Npy, OtherWritersAndVersions) {
  const std::vector<float> expected = {1, 2};
  const std::string data = std::string("\0\0\x80\x3F\0\0\0\x40", 8);
  for (const char* header : {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
                             "{\"shape\":(2,),\"descr\":\"<f4\",\"fortran_order\":False}\n",
                             "  { 'shape' : ( 2 , ) , 'fortran_order' : False , 'descr' : '<f4' , }  \n"}) {
    for (const char version : {'\1', '\2', '\3'}) {
      EXPECT_EQ(load_npy(write(array(header, data, version))).to_vector<float>(), expected) << header;
    }
  }
  EXPECT_EQ(load_npy(write(array("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}\n", data))).shape(),
            (Shape{2, 1}));
  // true is any byte but 0
  EXPECT_EQ(
      load_npy(write(array("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}\n", std::string("\0\2\xFF", 3))))
          .to_vector<bool>(),
      (std::vector<bool>{false, true, true}));
}

TEST_F(Npy, LargeArraysArePiecewise) {
  const Tensor x = rand({3, 1 << 20});  // 12 MiB: three pieces
  save_npy(path(), x);
  expect_same(load_npy(path()), x);
}

TEST_F(Npy, AFailedSaveLeavesTheOldFile) {
  save_npy(path(), ones({3}));
  EXPECT_THROW(save_npy(path(), zeros({3}, DType::bfloat16)), DTypeError);
  expect_same(load_npy(path()), ones({3}));
  save_npz(path("a.npz"), {{"x", ones({3})}});
  EXPECT_THROW(save_npz(path("a.npz"), {{"x", ones({2})}, {"x", ones({2})}}), ValueError);
  EXPECT_EQ(load_npz(path("a.npz"))[0].tensor.numel(), 3);
}

TEST_F(Npy, ArchivesThereAndBack) {
  const std::vector<NamedTensor> written = {{"weight", rand({3, 4})},
                                            {"layers/0/bias", arange(5, DType::int64)},
                                            {"caf\xC3\xA9", ones({2, 0})},
                                            {"turned", rand({3, 4}).transpose(0, 1)},
                                            {"scalar", scalar(2.5, DType::float64)}};
  save_npz(path("a.npz"), written);
  const std::vector<NamedTensor> back = load_npz(path("a.npz"), serial());
  ASSERT_EQ(back.size(), written.size());
  for (std::size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].name, written[i].name);
    EXPECT_EQ(back[i].tensor.device(), serial());
    expect_same(back[i].tensor.to(cpu()), written[i].tensor);
  }
  const std::string first = read("a.npz");
  save_npz(path("a.npz"), written);
  EXPECT_EQ(read("a.npz"), first) << "equal tensors give equal files";
  save_npz(path("none.npz"), {});
  EXPECT_TRUE(load_npz(path("none.npz")).empty());
}

// ---- damage: loads or throws weft::Error, never anything else

class Damage : public Npy {
 protected:
  template <class Load>
  void expect_refused_or_loaded(const std::string& bytes, Load load) {
    try {
      load(write(bytes, "damaged"));
      ++loaded_;
    } catch (const Error& e) {
      EXPECT_FALSE(std::string(e.what()).empty());
      ++refused_;
    }
  }
  template <class Load>
  void damage(const std::string& good, Load load) {
    for (std::size_t n = 0; n < good.size(); ++n) expect_refused_or_loaded(good.substr(0, n), load);
    EXPECT_EQ(loaded_, 0) << "a file cut short was taken for whole";
    std::uint64_t state = 1;
    const auto next = [&] {  // Knuth's MMIX generator, the upper half
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      return static_cast<std::size_t>(state >> 33);
    };
    for (int i = 0; i < 2000; ++i) {
      std::string bytes = good;
      for (std::size_t flips = 1 + next() % 3; flips > 0; --flips) {
        const std::size_t at = next() % bytes.size();
        bytes[at] = static_cast<char>(next() & 0xFF);
      }
      expect_refused_or_loaded(bytes, load);
    }
    EXPECT_GE(refused_, 1000);
    std::printf("damage: %d refused, %d loaded\n", refused_, loaded_);
  }

  int loaded_ = 0, refused_ = 0;
};

TEST_F(Damage, OfAnArray) {
  save_npy(path(), arange(3, DType::float64));
  damage(read(), [](const std::string& p) { load_npy(p); });
}

TEST_F(Damage, OfAnArchive) {
  save_npz(path("a.npz"), {{"x", arange(3)}, {"y", ones({2, 2}, DType::boolean)}});
  damage(read("a.npz"), [](const std::string& p) { load_npz(p); });
}

}  // namespace
}  // namespace weft
