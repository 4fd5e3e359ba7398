#include <weft/data/combine.h>
#include <weft/data/csv.h>
#include <weft/data/loader.h>
#include <weft/data/sampler.h>
#include <weft/data/tensor_dataset.h>
#include <weft/data/transforms.h>
#include <weft/tensor/creation.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

ImageDataset images() { return {zeros({5, 4, 4}, DType::uint8), zeros({5}, DType::int64), 10, "a few images"}; }

class Given : public Sampler {
 public:
  explicit Given(std::vector<std::int64_t> indices) : indices_(std::move(indices)) {}
  std::int64_t size() const override { return 2; }
  std::vector<std::int64_t> indices(std::uint64_t, std::int64_t) const override { return indices_; }
  std::string identity() const override { return "given"; }

 private:
  std::vector<std::int64_t> indices_;
};

Refusal sampled(const char* what, std::vector<std::int64_t> indices, ErrorCode code, std::vector<std::string> words) {
  return {
      "L4", what,
      [indices](Bench&) { DataLoader(images(), {.workers = 1, .sampler = std::make_shared<Given>(indices)}).next(); },
      code, std::move(words)};
}

Refusal csv(const char* id, const char* what, std::string text, ErrorCode code, std::vector<std::string> words,
            CsvOptions options = {}) {
  return {id, what, [text, options](Bench& b) { CsvDataset(b.file("t.csv", text), options); }, code, std::move(words)};
}

}  // namespace

std::vector<Refusal> data_set_refusals() {
  using E = ErrorCode;
  return {
      sampled("a sampler with an index outside", {1, 5}, E::index_out_of_range, {"given", "5", "a few images"}),
      sampled("a sampler with a negative index", {-1, 1}, E::index_out_of_range, {"-1"}),
      sampled("a sampler with another number of indices", {1, 2, 3}, E::value_invalid, {"3", "2"}),
      {"L4",
       "weights below 0",
       [](Bench&) {
         WeightedSampler({1, -2}, 1);
       },
       E::value_out_of_range,
       {"weights[1]", "-2"}},
      {"L4",
       "more without replacement than there are",
       [](Bench&) {
         WeightedSampler({1, 0, 2}, 3, false);
       },
       E::value_out_of_range,
       {"count", "3", "2"}},
      {"L7",
       "a loader state of another sampler",
       [](Bench&) {
         DataLoader a(images(), {.sampler = std::make_shared<Given>(std::vector<std::int64_t>{1, 2})});
         DataLoader(images(), {}).load_state(a.state());
       },
       E::state_mismatch,
       {"sampler given", "none"}},
      {"L17",
       "parts that are not the whole",
       [](Bench&) {
         random_split(images(), {2, 2});
       },
       E::value_out_of_range,
       {"[random_split]", "4", "5"}},
      {"L17",
       "fractions that are not the whole",
       [](Bench&) {
         random_split(images(), {0.5, 0.4});
       },
       E::value_out_of_range,
       {"[random_split]", "0.9"}},
      {"L17",
       "data sets of different layouts joined",
       [](Bench&) {
         ConcatDataset({images(), TensorDataset(zeros({2, 3}), zeros({2}, DType::int64), "rows")});
       },
       E::shape_mismatch,
       {"[ConcatDataset]", "rows", "(3,)", "(1, 4, 4)"}},
      {"L17",
       "as many targets as inputs",
       [](Bench& b) {
         TensorDataset(b.keep(zeros({3, 2})), b.keep(zeros({4})));
       },
       E::shape_mismatch,
       {"[TensorDataset]", "(3, 2)", "(4,)"}},
      {"L18",
       "a part larger than the images",
       [](Bench&) { TransformedDataset(images(), transforms::RandomCrop(5, 4)); },
       E::shape_mismatch,
       {"[RandomCrop]", "5 x 4", "(1, 4, 4)"}},
      {"L18",
       "a standard deviation of 0",
       [](Bench&) { transforms::Normalize({0.5}, {0}); },
       E::value_out_of_range,
       {"[Normalize]", "std[0]", "0"}},
      csv("C1", "an empty file", "", E::io_format, {"[CsvDataset]", "t.csv", "empty"}),
      csv("C1", "a header alone", "a,b\n", E::io_format, {"no row"}),
      csv("C2", "a record too short", "a,b\n1,2\n3\n", E::io_format, {"line 3", "1 fields", "2"}),
      csv("C2", "an empty line", "a,b\n\n1,2\n", E::io_format, {"line 2", "empty line"}),
      csv("C3", "a word for a number", "a,b\n1,2\nx,3\n", E::io_format, {"line 3, column 1 (byte 8)", "\"x\""}),
      csv("C3", "a number out of range", "a,b\n1e99,2\n", E::io_format, {"line 2", "float32"}),
      csv("C3", "a decimal comma", "a;b\n1,5;2\n", E::io_format, {"\"1,5\""}, {.delimiter = ';'}),
      csv("C4", "a quote never closed", "a,b\n\"1,2\n3,4\n", E::io_truncated, {"line 2, column 1", "never closed"}),
      csv("C4", "text behind a closing quote", "a,b\n\"1\"0,2\n", E::io_format, {"closing quote"}),
      csv("C5", "carriage returns alone", "a,b\r1,2\r", E::io_format, {"carriage return", "byte 3"}),
      csv("C5", "UTF-16",
          "\xFF\xFE"
          "a",
          E::io_format, {"UTF-16"}),
      csv("C6", "a column twice", "a,a\n1,2\n", E::io_format, {"\"a\" twice"}),
      csv("C6", "a column that is not there", "a,b\n1,2\n", E::value_invalid, {"\"c\"", "\"a\", \"b\""},
          {.targets = {"c"}}),
      csv("C7", "more bytes than allowed", "a,b\n1,2\n3,4\n", E::io_format, {"max_bytes"}, {.max_bytes = 10}),
      csv("C8", "a class nobody named", "a,b\n1,cow\n", E::io_format, {"\"cow\""}, {.classes = {"cat", "dog"}}),
  };
}

}  // namespace weft::test
