// Images changed on their way into a batch.

#include <weft/data/transforms.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include <weft/core/error.h>
#include <weft/data/loader.h>
#include <weft/data/tensor_dataset.h>
#include <weft/tensor/creation.h>

#include "data/loader_fixtures.h"

namespace weft::test {
namespace {

using namespace weft::transforms;

/// channels x rows x columns with the pixels 0, 1, 2, ..
Image counted(std::int64_t channels, std::int64_t rows, std::int64_t columns) {
  Image image{channels, rows, columns, std::vector<float>(static_cast<std::size_t>(channels * rows * columns))};
  std::iota(image.pixels.begin(), image.pixels.end(), 0.0F);
  return image;
}

Image applied(const Transform& transform, Image image, std::uint64_t key = 1) {
  RandomStream random(key);
  transform.apply(image, random);
  return image;
}

using Pixels = std::vector<float>;

// ---- random streams

TEST(RandomStream, IsAFunctionOfItsKeyAndPlace) {
  RandomStream a(1), b(1);
  std::vector<std::uint64_t> first;
  for (int i = 0; i < 5; ++i) first.push_back(a.bits());
  for (const std::uint64_t x : first) EXPECT_EQ(b.bits(), x);
  EXPECT_EQ(a.child(3).bits(), RandomStream(1).child(3).bits());  // whatever was drawn from a
  EXPECT_NE(a.child(3).bits(), a.child(4).bits());
  EXPECT_NE(a.child(3).child(4).bits(), a.child(4).child(3).bits());
  EXPECT_NE(RandomStream(2).bits(), first[0]);
  // Written down once: augmentations of a checkpointed run stay what they were.
  EXPECT_EQ(RandomStream(1).bits(), 16504019988892878448u);
  EXPECT_EQ(RandomStream(1).child(2).bits(), 10597193008377602055u);
}

TEST(RandomStream, NumbersAreUniform) {
  RandomStream random(9);
  double sum = 0;
  std::vector<int> count(7, 0);
  for (int i = 0; i < 70000; ++i) {
    const double u = random.uniform();
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u;
    ++count[static_cast<std::size_t>(random.below(7))];
  }
  EXPECT_NEAR(sum / 70000, 0.5, 0.005);
  for (const int c : count) EXPECT_NEAR(c, 10000, 500);
  for (int i = 0; i < 100; ++i) {
    const double x = random.uniform(-3, 2);
    ASSERT_TRUE(x >= -3 && x < 2);
    ASSERT_EQ(random.below(1), 0);
    ASSERT_TRUE(random.happens(1));
    ASSERT_FALSE(random.happens(0));
  }
}

// ---- each transform

TEST(Normalize, PerChannelOrForAll) {
  const Image image = counted(2, 1, 2);
  EXPECT_EQ(applied(Normalize({1, 2}, {2, 4}), image).pixels, (Pixels{-0.5, 0, 0, 0.25}));
  EXPECT_EQ(applied(Normalize({1}, {2}), image).pixels, (Pixels{-0.5, 0, 0.5, 1}));
  EXPECT_THROW(Normalize({1, 2}, {1, 2}).output_shape({3, 4, 4}, {}), ShapeError);
  EXPECT_THROW(Normalize({}, {}), ValueError);
  EXPECT_THROW(Normalize({1, 2}, {1}), ValueError);
  EXPECT_THROW(Normalize({1}, {0}), ValueError);
  EXPECT_THROW(Normalize({1}, {1e-60}), ValueError);  // 0 as a float32
  EXPECT_THROW(Normalize({HUGE_VAL}, {1}), ValueError);
}

TEST(RandomCrop, IsAPartOfThePaddedImage) {
  const RandomCrop crop(2, 3, {.padding = 1, .fill = -1});
  EXPECT_EQ(crop.output_shape({2, 3, 3}, {}), (Shape{2, 2, 3}));
  const Image image = counted(2, 3, 3);
  const auto padded = [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    const bool inside = y >= 1 && y <= 3 && x >= 1 && x <= 3;
    return inside ? image.row(c, y - 1)[x - 1] : -1.0F;
  };
  std::map<std::pair<std::int64_t, std::int64_t>, int> places;
  for (std::uint64_t key = 0; key < 1200; ++key) {
    const Image part = applied(crop, image, key);
    ASSERT_EQ(part.pixels.size(), 12u);
    int found = 0;
    for (std::int64_t top = 0; top <= 3; ++top) {
      for (std::int64_t left = 0; left <= 2; ++left) {
        bool same = true;
        for (std::int64_t i = 0; i < 12; ++i) {
          same &= part.pixels[static_cast<std::size_t>(i)] == padded(i / 6, top + i / 3 % 2, left + i % 3);
        }
        if (!same) continue;
        ++found;
        ++places[{top, left}];
      }
    }
    ASSERT_EQ(found, 1) << "key " << key;
  }
  EXPECT_EQ(places.size(), 12u);  // every place
  for (const auto& place : places) EXPECT_NEAR(place.second, 100, 60);
}

TEST(RandomCrop, FarOutsideIsAllFill) {
  // A padding wider than the part: some parts miss the image.
  const RandomCrop crop(1, 1, {.padding = 5, .fill = 7});
  int misses = 0;
  for (std::uint64_t key = 0; key < 200; ++key) misses += applied(crop, counted(1, 1, 1), key).pixels[0] == 7 ? 1 : 0;
  EXPECT_NEAR(misses, 200 * 120 / 121, 10);
  EXPECT_EQ(applied(RandomCrop(3, 3), counted(1, 3, 3)).pixels, counted(1, 3, 3).pixels);
}

TEST(RandomCrop, Refusals) {
  EXPECT_THROW(RandomCrop(0, 1), ValueError);
  EXPECT_THROW(RandomCrop(1, -1), ValueError);
  EXPECT_THROW(RandomCrop(1, 1, {.padding = -1}), ValueError);
  EXPECT_THROW(RandomCrop(1, 1, {.padding = std::int64_t{1} << 62}), ValueError);
  EXPECT_THROW(RandomCrop(5, 5, {.padding = 1}).output_shape({1, 2, 5}, {}), ShapeError);
  EXPECT_THROW(RandomCrop(5, 5).output_shape({1, 5, 4}, {}), ShapeError);
}

TEST(RandomHorizontalFlip, HalfOfThem) {
  const Pixels plain = counted(1, 2, 3).pixels, flipped = {2, 1, 0, 5, 4, 3};
  int flips = 0;
  for (std::uint64_t key = 0; key < 1000; ++key) {
    const Pixels got = applied(RandomHorizontalFlip(), counted(1, 2, 3), key).pixels;
    ASSERT_TRUE(got == plain || got == flipped);
    flips += got == flipped ? 1 : 0;
  }
  EXPECT_NEAR(flips, 500, 80);
  EXPECT_EQ(applied(RandomHorizontalFlip(1), counted(1, 2, 3)).pixels, flipped);
  EXPECT_EQ(applied(RandomHorizontalFlip(0), counted(1, 2, 3)).pixels, plain);
  EXPECT_THROW(RandomHorizontalFlip(1.5), ValueError);
  EXPECT_THROW(RandomHorizontalFlip(std::nan("")), ValueError);
}

TEST(RandomAffine, NothingIsTheIdentity) {
  const Image image = counted(2, 5, 4);
  EXPECT_EQ(applied(RandomAffine(AffineOptions{}), image).pixels, image.pixels);
}

TEST(RandomAffine, Turns) {
  // A dot right of the centre of a 21 x 21 image; turned by a and measured by its centre of mass.
  const auto dot_at = [](double degrees, std::uint64_t key) {
    Image image{1, 21, 21, std::vector<float>(441, 0.0F)};
    image.row(0, 10)[17] = 1;
    const Image turned = applied(RandomAffine({.degrees = degrees}), image, key);
    double mass = 0, x = 0, y = 0;
    for (std::int64_t r = 0; r < 21; ++r) {
      for (std::int64_t c = 0; c < 21; ++c) {
        mass += turned.row(0, r)[c];
        x += turned.row(0, r)[c] * static_cast<double>(c - 10);
        y += turned.row(0, r)[c] * static_cast<double>(10 - r);  // upwards, as one sees it
      }
    }
    return std::pair(std::hypot(x / mass, y / mass), std::atan2(y, x) * 180 / M_PI);
  };
  for (std::uint64_t key = 0; key < 50; ++key) {
    RandomStream random(key);
    const double degrees = random.uniform(-60, 60);  // what the transform draws first
    const auto [distance, angle] = dot_at(60, key);
    EXPECT_NEAR(distance, 7, 0.3);
    EXPECT_NEAR(angle, degrees, 2);
  }
}

TEST(RandomAffine, MovesAndEnlarges) {
  Image image{1, 9, 9, std::vector<float>(81, 0.0F)};
  for (std::int64_t y = 3; y <= 5; ++y) std::fill_n(image.row(0, y) + 3, 3, 1.0F);
  const Image large = applied(RandomAffine({.min_scale = 3, .max_scale = 3}), image);
  EXPECT_NEAR(large.row(0, 4)[0], 2.0 / 3, 1e-6);  // 3 x 3 became 9 x 9, blurred at its edge
  EXPECT_EQ(large.row(0, 1)[7], 1);
  EXPECT_GT(large.row(0, 0)[0], 0);
  const Image small = applied(RandomAffine({.min_scale = 0.4, .max_scale = 0.4}), image);
  EXPECT_EQ(small.row(0, 4)[4], 1);
  EXPECT_EQ(small.row(0, 3)[6], 0);
  double total = 0;
  for (std::uint64_t key = 0; key < 100; ++key) {
    const Image moved = applied(RandomAffine({.translate_rows = 0.2, .fill = 0}), image, key);
    double mass = 0, y = 0;
    for (std::int64_t r = 0; r < 9; ++r) {
      for (std::int64_t c = 0; c < 9; ++c) {
        mass += moved.row(0, r)[c];
        y += moved.row(0, r)[c] * static_cast<double>(r - 4);
      }
    }
    EXPECT_NEAR(mass, 9, 1e-4);
    EXPECT_LE(std::abs(y / mass), 1.8 + 1e-6);
    total += std::abs(y / mass);
  }
  EXPECT_NEAR(total / 100, 0.9, 0.2);
}

TEST(RandomAffine, IsTheSameOnEveryMachine) {
  const AffineOptions options = {
      .degrees = 30, .translate_rows = 0.1, .translate_columns = 0.1, .min_scale = 0.9, .max_scale = 1.1, .fill = -1};
  const Image image = applied(RandomAffine(options), counted(1, 3, 3), 5);
  EXPECT_EQ(image.pixels, (Pixels{-0.137874886F, 0.0484543107F, -0.52475208F, 3.40055585F, 2.96074533F, 2.32559657F,
                                  5.98967934F, 6.35515547F, 2.10407996F}));
}

TEST(RandomAffine, Refusals) {
  for (const AffineOptions& bad :
       {AffineOptions{.degrees = -1}, AffineOptions{.degrees = 361}, AffineOptions{.translate_rows = 1.5},
        AffineOptions{.translate_columns = -0.1}, AffineOptions{.min_scale = 0}, AffineOptions{.min_scale = 2},
        AffineOptions{.max_scale = std::nan("")}}) {
    EXPECT_THROW(RandomAffine{bad}, ValueError);
  }
}

TEST(Compose, AppliesInOrderWithNumbersOfTheirOwn) {
  std::vector<std::uint64_t> drawn;
  const auto draws = [&drawn](int count) {
    return Lambda([&drawn, count](Image&, RandomStream& random) {
      for (int i = 0; i < count; ++i) drawn.push_back(random.bits());
    });
  };
  applied(Compose{draws(1), draws(2), draws(1)}, counted(1, 1, 1), 8);
  EXPECT_EQ(drawn[0], RandomStream(8).child(0).bits());
  EXPECT_EQ(drawn[1], RandomStream(8).child(1).bits());
  EXPECT_EQ(drawn[3], RandomStream(8).child(2).bits());
  // How much a predecessor draws changes nothing; nesting is another place.
  drawn.clear();
  applied(Compose{draws(5), draws(1), Compose{draws(1)}}, counted(1, 1, 1), 8);
  EXPECT_EQ(drawn[5], RandomStream(8).child(1).bits());
  EXPECT_EQ(drawn[6], RandomStream(8).child(2).child(0).bits());

  const Lambda add([](Image& image, RandomStream&) { image.pixels[0] += 1; });
  const Lambda twice([](Image& image, RandomStream&) { image.pixels[0] *= 2; });
  EXPECT_EQ(applied(Compose{add, twice}, counted(1, 1, 1)).pixels, Pixels{2});
  EXPECT_EQ(applied(Compose{twice, add}, counted(1, 1, 1)).pixels, Pixels{1});
  EXPECT_EQ(Compose({RandomCrop(4, 4), RandomCrop(2, 3)}).output_shape({1, 5, 5}, {}), (Shape{1, 2, 3}));
  EXPECT_THROW(Compose({RandomCrop(2, 2), RandomCrop(3, 3)}).output_shape({1, 5, 5}, {}), ShapeError);
  EXPECT_THROW(Compose(std::vector<AnyTransform>{std::shared_ptr<Lambda>()}), ValueError);
  EXPECT_THROW(Lambda({}), ValueError);
}

// ---- as a data set

ImageDataset pictures(std::int64_t count) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count * 25));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37);
  return {from_vector(pixels, {count, 5, 5}), zeros({count}, DType::int64), 1};
}

TEST(TransformedDataset, BytesBecomeFloats) {
  const TransformedDataset data(pictures(2), Lambda([](Image&, RandomStream&) {}));
  EXPECT_EQ(data.layout().input_dtype, DType::float32);
  EXPECT_EQ(data.layout().input, (Shape{1, 5, 5}));
  DataLoader loader(data, {.batch_size = 2});
  const auto values = loader.next()->inputs.to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], static_cast<float>(static_cast<std::uint8_t>(i * 37)) / 255.0F);
  }
  const TransformedDataset floats(TensorDataset(full({1, 1, 2, 2}, 3.5), zeros({1})), Normalize({0.5}, {2}));
  DataLoader other(floats, {.batch_size = 1});
  EXPECT_EQ(other.next()->inputs.to_vector<float>(), (Pixels{1.5, 1.5, 1.5, 1.5}));
}

TEST(TransformedDataset, IsTheSameForAnyNumberOfWorkersAndAfterAResume) {
  const TransformedDataset data(
      pictures(23), Compose{RandomAffine({.degrees = 15}), RandomCrop(4, 4, {.padding = 1}), RandomHorizontalFlip()});
  const auto watch = [](DataLoader& loader, std::int64_t epoch) {
    std::vector<Pixels> all;
    for (const Batch& batch : loader.epoch(epoch)) all.push_back(batch.inputs.to_vector<float>());
    return all;
  };
  std::vector<Pixels> expected;
  for (const int workers : {0, 1, 2, 4}) {
    DataLoader loader(data, {.batch_size = 5, .shuffle = true, .workers = workers, .seed = 3});
    const auto seen = watch(loader, 1);
    if (expected.empty()) expected = seen;
    ASSERT_EQ(seen, expected) << workers << " workers";
    LoaderState middle = loader.state();
    middle.epoch = 1;
    middle.batch = 3;
    loader.load_state(middle);
    EXPECT_EQ(loader.next()->inputs.to_vector<float>(), expected[3]);
    EXPECT_NE(watch(loader, 2), expected);
  }
  DataLoader other(data, {.batch_size = 5, .shuffle = true, .workers = 2, .seed = 4});
  EXPECT_NE(watch(other, 1), expected);
}

TEST(TransformedDataset, AnExampleIsChangedByItsOwnNumbers) {
  // Not by its place in the batch: the same example in another order, with another batch size.
  const TransformedDataset data(pictures(6), RandomCrop(5, 5, {.padding = 2}));
  DataLoader straight(data, {.batch_size = 6, .seed = 9}),
      shuffled(data, {.batch_size = 1, .shuffle = true, .seed = 9});
  const auto all = straight.next()->inputs.to_vector<float>();
  for (const Batch& batch : shuffled.epoch(0)) {
    const auto begin = all.begin() + 25 * batch.indices[0];
    EXPECT_EQ(batch.inputs.to_vector<float>(), Pixels(begin, begin + 25));
  }
}

TEST(TransformedDataset, Refusals) {
  const Lambda nothing([](Image&, RandomStream&) {});
  EXPECT_THROW(TransformedDataset(Numbers(3), nothing), ShapeError);
  EXPECT_THROW(TransformedDataset(TensorDataset(zeros({1, 1, 2, 2}, DType::float64), zeros({1})), nothing), DTypeError);
  EXPECT_THROW(TransformedDataset(pictures(1), RandomCrop(9, 9)), ShapeError);
  EXPECT_THROW(TransformedDataset(pictures(1), Normalize({1, 2}, {1, 2})), ShapeError);
  EXPECT_THROW(TransformedDataset(std::shared_ptr<ImageDataset>(), nothing), ValueError);
  EXPECT_THROW(TransformedDataset(pictures(1), std::shared_ptr<Lambda>()), ValueError);
  // A transform that does not do what it says.
  const TransformedDataset lies(pictures(1), Lambda([](Image& image, RandomStream&) { image.rows = 4; }));
  DataLoader loader(lies, {.batch_size = 1});
  EXPECT_THROW(loader.next(), ShapeError);
  const Lambda half(
      [](Image& image, RandomStream&) {
        image = Image{1, 1, 1, {0.5F}};
      },
      [](const Shape&) {
        return Shape{1, 1, 1};
      });
  DataLoader small(TransformedDataset(pictures(1), half), {.batch_size = 1});
  EXPECT_EQ(small.next()->inputs.shape(), (Shape{1, 1, 1, 1}));
}

}  // namespace
}  // namespace weft::test
