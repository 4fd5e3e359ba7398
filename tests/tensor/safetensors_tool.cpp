// The weft side of safetensors_python_test.py: writes a file of known tensors, or compares a file with them.
//
//   safetensors_tool write PATH
//   safetensors_tool check PATH

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <weft/tensor/creation.h>
#include <weft/tensor/safetensors.h>

namespace {

template <class T>
weft::NamedTensor named(const char* name, const weft::Shape& shape, const std::vector<T>& values) {
  return {name, weft::from_vector(values, shape, weft::serial())};
}

std::vector<weft::NamedTensor> known() {
  using weft::bfloat16, weft::float16;
  return {
      named<float>("layer.weight", {2, 3}, {0, 1.5f, -2, 3e38f, 1e-40f, 0.1f}),
      named<double>("double", {2}, {0.1, -1e300}),
      named<float16>("half", {3}, {float16(1.0f), float16(-0.5f), float16(65504.0f)}),
      named<bfloat16>("bfloat", {2}, {bfloat16(1.0f), bfloat16(-3.0f)}),
      named<std::int64_t>("long", {1, 2}, {-1, std::int64_t{1} << 62}),
      named<std::int32_t>("int", {3}, {1, -2, 3}),
      named<std::uint8_t>("bytes", {5}, {0, 1, 2, 254, 255}),
      named<bool>("flags", {3}, {true, false, true}),
      named<float>("scalar", {}, {2.5f}),
      named<float>("empty", {0, 4}, {}),
      named<float>("\xC3\xA9 \"quoted\" \\ name", {1}, {7}),
  };
}

bool same(const weft::Tensor& a, const weft::Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && weft::to_string(a) == weft::to_string(b);
}

int check(const std::string& path) {
  const weft::Safetensors file = weft::load_safetensors(path, weft::serial());
  int wrong = 0;
  for (const weft::NamedTensor& expected : known()) {
    const weft::Tensor* got = file.find(expected.name);
    if (got == nullptr || !same(*got, expected.tensor)) {
      std::printf("%s: %s instead of %s\n", expected.name.c_str(),
                  got == nullptr ? "missing" : weft::to_string(*got).c_str(), weft::to_string(expected.tensor).c_str());
      ++wrong;
    }
  }
  if (file.tensors.size() != known().size() || file.metadata != weft::SafetensorsMetadata{{"note", "caf\xC3\xA9"}}) {
    std::printf("%zu tensors and %zu metadata keys were read\n", file.tensors.size(), file.metadata.size());
    ++wrong;
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 3 && std::strcmp(argv[1], "write") == 0) {
    weft::save_safetensors(argv[2], known(), {{"note", "caf\xC3\xA9"}});
    return 0;
  }
  if (argc == 3 && std::strcmp(argv[1], "check") == 0) return check(argv[2]);
  std::puts("usage: safetensors_tool write|check PATH");
  return 2;
} catch (const std::exception& error) {
  std::puts(error.what());
  return 1;
}
