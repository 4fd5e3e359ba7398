// Runs the table of refusals.h.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "backend/op_case_inputs.h"
#include "refusals/refusals.h"

namespace weft::test {

Tensor Bench::keep(const Tensor& tensor) {
  kept_.push_back({tensor, tensor.shape(), tensor.strides(), to_doubles(tensor)});
  return tensor;
}

void Bench::expect_unchanged() const {
  for (const Kept& k : kept_) {
    EXPECT_EQ(k.tensor.shape(), k.shape);
    EXPECT_EQ(k.tensor.strides(), k.strides);
    const std::vector<double> now = to_doubles(k.tensor);  // by their bits: a NaN is unchanged too
    EXPECT_TRUE(now.size() == k.values.size() &&
                (now.empty() || std::memcmp(now.data(), k.values.data(), now.size() * sizeof(double)) == 0));
  }
}

const std::string& Bench::folder() {
  if (folder_.empty()) {
    std::string pattern = (std::filesystem::temp_directory_path() / "weft-refusal-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
  }
  return folder_;
}

std::string Bench::file(const std::string& name, const std::string& bytes) {
  const std::string path = folder() + "/" + name;
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

Bench::~Bench() {
  if (folder_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

namespace {

const std::vector<Refusal>& rows() {
  static const auto& all = *[] {
    auto* made = new std::vector<Refusal>;
    for (auto family : {tensor_refusals, operation_refusals, function_refusals, norm_refusals, autograd_refusals,
                        module_refusals, device_refusals, idx_refusals, safetensors_refusals, loader_refusals,
                        indexing_refusals, npy_refusals, data_set_refusals, window_refusals}) {
      for (Refusal& row : family()) made->push_back(std::move(row));
    }
    return made;
  }();
  return all;
}

class Refusals : public testing::TestWithParam<std::size_t> {};

TEST_P(Refusals, Refused) {
  const Refusal& row = rows()[GetParam()];
  SCOPED_TRACE(std::string(row.id) + ": " + row.what);
  Bench bench;
  const auto begin = std::chrono::steady_clock::now();
  try {
    row.act(bench);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(to_string(e.code()), std::string(to_string(row.code))) << e.what();
    for (const std::string& word : row.words) {
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << "'" << word << "' is not in: " << e.what();
    }
    EXPECT_EQ(std::string(e.what()).rfind('[', 0), 0u) << "no operation is named: " << e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "not a weft::Error: " << e.what();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(seconds.count(), 5) << "a refusal must be quick";  // a sanitizer build takes its time
  bench.expect_unchanged();
}

std::vector<std::size_t> every_row() {
  std::vector<std::size_t> indices(rows().size());
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = i;
  return indices;
}

std::string test_name(const testing::TestParamInfo<std::size_t>& row) {
  std::string text = std::string(rows()[row.param].id) + "_" + rows()[row.param].what;
  for (char& c : text) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return text;
}

INSTANTIATE_TEST_SUITE_P(Table, Refusals, testing::ValuesIn(every_row()), test_name);

TEST(RefusalTable, IsCompleteAndSaysWhatIsNotDue) {
  std::set<std::string> ids;
  for (const Refusal& row : rows()) ids.insert(row.id);
  std::printf("refusals: %zu rows for %zu cases\n", rows().size(), ids.size());
  for (const NotDue& later : not_due()) std::printf("refusals: not due: %s: %s\n", later.ids, later.why);
  EXPECT_GE(ids.size() + (is_available(cuda()) ? 1 : 0), 166u);  // D3 needs a machine without CUDA
  EXPECT_GE(rows().size(), 555u);
}

}  // namespace
}  // namespace weft::test
