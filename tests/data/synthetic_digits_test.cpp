// The synthetic digits: the same everywhere, of ten classes, beyond a linear classifier.

#include <weft/data/synthetic_digits.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include <weft/core/checksum.h>
#include <weft/core/error.h>
#include <weft/core/thread_pool.h>

namespace weft::test {
namespace {

std::vector<std::uint8_t> pixels_of(const ImageDataset& digits) { return digits.images().to_vector<std::uint8_t>(); }
std::vector<std::int64_t> labels_of(const ImageDataset& digits) { return digits.labels().to_vector<std::int64_t>(); }

std::string hash_of(const ImageDataset& digits) {
  Sha256 hash;
  const auto pixels = pixels_of(digits);
  hash.update(std::as_bytes(std::span(pixels)));
  for (const std::int64_t label : labels_of(digits)) {
    const auto byte = static_cast<std::byte>(label);
    hash.update({&byte, 1});
  }
  return to_hex(hash.digest());
}

TEST(SyntheticDigits, AreTheSameBytesOnEveryMachine) {
  EXPECT_EQ(hash_of(synthetic_digits(Split::train, 1000, 0)),
            "3f78426f90b1ff79fdad6d8722e5f29becdb3720c872cfa2e24f3cefa4d7cbc2");
  EXPECT_EQ(hash_of(synthetic_digits(Split::test, 1000, 7)),
            "4c27172527ad39356229761adf749ec9332930ae19ae1fec89e1c923cf14eae2");
}

TEST(SyntheticDigits, DoNotDependOnCountOrThreads) {
  const int threads = num_threads();
  const auto all = pixels_of(synthetic_digits(Split::train, 300, 3));
  for (const int n : {1, 2, 3, 8}) {
    set_num_threads(n);
    EXPECT_EQ(pixels_of(synthetic_digits(Split::train, 300, 3)), all) << n << " threads";
  }
  set_num_threads(threads);
  const auto some = pixels_of(synthetic_digits(Split::train, 40, 3));
  EXPECT_TRUE(std::equal(some.begin(), some.end(), all.begin()));
  EXPECT_NE(pixels_of(synthetic_digits(Split::train, 40, 4)), some);
  EXPECT_NE(pixels_of(synthetic_digits(Split::test, 40, 3)), some);
}

TEST(SyntheticDigits, AreShapedLikeMnistAndSayWhatTheyAre) {
  const ImageDataset train = synthetic_digits(Split::train);
  const ImageDataset test = synthetic_digits(Split::test);
  EXPECT_EQ(train.images().shape(), (Shape{60000, 1, 28, 28}));
  EXPECT_EQ(test.images().shape(), (Shape{10000, 1, 28, 28}));
  EXPECT_EQ(train.num_classes(), 10);
  EXPECT_EQ(train.name(), "synthetic digits");
  EXPECT_NE(train.source().find("not MNIST"), std::string::npos);
  std::array<int, 10> of_class{};
  for (const std::int64_t label : labels_of(train)) ++of_class[static_cast<std::size_t>(label)];
  for (const int count : of_class) EXPECT_NEAR(count, 6000, 300);
  // MNIST's mean is 0.13; every picture has a digit on a dark ground, none of which touches much of the border
  const auto pixels = pixels_of(train);
  double sum = 0;
  std::int64_t border = 0;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    sum += pixels[i];
    const std::size_t row = i / 28 % 28, column = i % 28;
    if (pixels[i] > 128 && (row == 0 || row == 27 || column == 0 || column == 27)) ++border;
  }
  EXPECT_NEAR(sum / static_cast<double>(pixels.size()) / 255, 0.13, 0.04);
  EXPECT_LT(static_cast<double>(border) / 60000, 0.5) << "pixels of ink on the border, per picture";
}

/// Softmax regression by plain loops: what a linear classifier makes of them.
double linear_accuracy(const ImageDataset& train, const ImageDataset& test, int epochs, float lr) {
  constexpr std::size_t n = 784, classes = 10;
  std::vector<float> weight(classes * n, 0.0f);
  std::array<float, classes> bias{};
  std::array<float, classes> score{};
  const auto evaluate = [&](const std::uint8_t* x) {
    for (std::size_t c = 0; c < classes; ++c) {
      float sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += weight[c * n + i] * static_cast<float>(x[i]);
      score[c] = sum / 255 + bias[c];
    }
  };
  const auto pixels = pixels_of(train);
  const auto labels = labels_of(train);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const float rate = lr * static_cast<float>(epochs - epoch) / static_cast<float>(epochs);
    for (std::size_t k = 0; k < labels.size(); ++k) {
      const std::uint8_t* x = pixels.data() + k * n;
      evaluate(x);
      const float highest = *std::max_element(score.begin(), score.end());
      float sum = 0;
      for (float& s : score) sum += s = std::exp(s - highest);
      for (std::size_t c = 0; c < classes; ++c) {
        const float slope = rate * (score[c] / sum - (static_cast<std::int64_t>(c) == labels[k] ? 1.0f : 0.0f));
        bias[c] -= slope;
        for (std::size_t i = 0; i < n; ++i) weight[c * n + i] -= slope / 255 * static_cast<float>(x[i]);
      }
    }
  }
  const auto test_pixels = pixels_of(test);
  const auto test_labels = labels_of(test);
  int right = 0;
  for (std::size_t k = 0; k < test_labels.size(); ++k) {
    evaluate(test_pixels.data() + k * n);
    right += std::max_element(score.begin(), score.end()) - score.begin() == test_labels[k] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(test_labels.size());
}

TEST(SyntheticDigits, ALinearClassifierStaysUnder93Percent) {
  const double accuracy =
      linear_accuracy(synthetic_digits(Split::train, 20000), synthetic_digits(Split::test, 5000), 4, 0.02f);
  RecordProperty("linear_accuracy_percent", std::to_string(accuracy * 100));
  EXPECT_LT(accuracy, 0.93);
  EXPECT_GT(accuracy, 0.75) << "they can hardly be told apart";
}

TEST(SyntheticDigits, RefuseANegativeCount) {
  EXPECT_THROW(synthetic_digits(Split::train, -1), ValueError);
  EXPECT_THROW(synthetic_digits(Split::train, (std::int64_t{1} << 40) + 1), ValueError);
}

}  // namespace
}  // namespace weft::test
