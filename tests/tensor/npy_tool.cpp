// The weft side of npy_python_test.py: writes known arrays, or compares files with them.
//
//   npy_tool write FOLDER      NAME.npy for each, and all.npz
//   npy_tool check FOLDER      the same files, which NumPy wrote

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <weft/tensor/creation.h>
#include <weft/tensor/npy.h>

namespace {

template <class T>
weft::NamedTensor named(const char* name, const weft::Shape& shape, const std::vector<T>& values) {
  return {name, weft::from_vector(values, shape, weft::serial())};
}

std::vector<weft::NamedTensor> known() {
  using weft::float16;
  return {
      named<float>("float32", {2, 3}, {0, 1.5f, -2, 3e38f, 1e-40f, 0.1f}),
      named<double>("float64", {2}, {0.1, -1e300}),
      named<float16>("float16", {3}, {float16(1.0f), float16(-0.5f), float16(65504.0f)}),
      named<std::int64_t>("int64", {1, 2}, {-1, std::int64_t{1} << 62}),
      named<std::int32_t>("int32", {3}, {1, -2, 3}),
      named<std::uint8_t>("uint8", {5}, {0, 1, 2, 254, 255}),
      named<bool>("bool", {3}, {true, false, true}),
      named<float>("scalar", {}, {2.5f}),
      named<float>("empty", {0, 4}, {}),
      named<float>("\xC3\xA9 name", {1}, {7}),
  };
}

int compare(const std::string& what, const weft::Tensor& got, const weft::Tensor& expected) {
  if (got.dtype() == expected.dtype() && got.shape() == expected.shape() &&
      weft::to_string(got) == weft::to_string(expected)) {
    return 0;
  }
  std::printf("%s: %s instead of %s\n", what.c_str(), weft::to_string(got).c_str(), weft::to_string(expected).c_str());
  return 1;
}

int check(const std::string& folder) {
  int wrong = 0;
  const std::vector<weft::NamedTensor> expected = known();
  for (const weft::NamedTensor& array : expected) {
    for (const char* order : {"", ".fortran", ".big"}) {
      wrong += compare(array.name + order, weft::load_npy(folder + "/" + array.name + order + ".npy", weft::serial()),
                       array.tensor);
    }
  }
  const std::vector<weft::NamedTensor> all = weft::load_npz(folder + "/all.npz", weft::serial());
  if (all.size() != expected.size()) return std::printf("%zu arrays in all.npz\n", all.size()), 1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name != expected[i].name) ++wrong;
    wrong += compare("all.npz: " + all[i].name, all[i].tensor, expected[i].tensor);
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 3 && std::strcmp(argv[1], "write") == 0) {
    const std::string folder = argv[2];
    for (const weft::NamedTensor& array : known()) weft::save_npy(folder + "/" + array.name + ".npy", array.tensor);
    weft::save_npz(folder + "/all.npz", known());
    return 0;
  }
  if (argc == 3 && std::strcmp(argv[1], "check") == 0) return check(argv[2]);
  if (argc == 3 && std::strcmp(argv[1], "load") == 0) {  // one file, whatever it holds
    const std::string path = argv[2];
    if (path.ends_with(".npz")) {
      weft::load_npz(path);
    } else {
      weft::load_npy(path);
    }
    return 0;
  }
  std::puts("usage: npy_tool write|check FOLDER, npy_tool load FILE");
  return 2;
} catch (const std::exception& error) {
  std::puts(error.what());
  return 1;
}
