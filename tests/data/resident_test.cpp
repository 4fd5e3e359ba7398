// A data set that lies on the loader's device: the batches of the host, bit for bit.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include <weft/backends/registry.h>
#include <weft/core/error.h>
#include <weft/data/dataset.h>
#include <weft/data/loader.h>
#include <weft/data/tensor_dataset.h>
#include <weft/tensor/creation.h>

namespace weft::test {
namespace {

/// serial, cpu, and cuda where there is one (or its stand-in).
std::vector<Device> devices() {
  std::vector<Device> found = {serial(), cpu()};
  if (is_available(cuda())) found.push_back(cuda());
  return found;
}

ImageDataset images(std::int64_t n = 57) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(n) * 30);
  std::vector<std::int64_t> labels;
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 31 + i / 256 * 7);
  for (std::int64_t i = 0; i < n; ++i) labels.push_back(i * i % 10);
  return {from_vector(pixels, {n, 5, 6}), from_vector(labels, {n}), 10};
}

TensorDataset measurements(std::int64_t n = 23) {
  std::vector<float> x, y;
  for (std::int64_t i = 0; i < n * 4; ++i) x.push_back(std::sin(static_cast<float>(i)));
  for (std::int64_t i = 0; i < n * 2; ++i) y.push_back(std::cos(static_cast<float>(i)));
  return {from_vector(x, {n, 4}), from_vector(y, {n, 2})};
}

std::string bytes(const Tensor& on_any_device) {
  const Tensor x = on_any_device.to(cpu());
  std::string text(static_cast<std::size_t>(x.numel()) * item_size(x.dtype()), '\0');
  switch (x.dtype()) {
    case DType::float32:
      std::memcpy(text.data(), x.data<float>(), text.size());
      break;
    case DType::float64:
      std::memcpy(text.data(), x.data<double>(), text.size());
      break;
    case DType::uint8:
      std::memcpy(text.data(), x.data<std::uint8_t>(), text.size());
      break;
    default:
      std::memcpy(text.data(), x.data<std::int64_t>(), text.size());
  }
  return text;
}

void expect_same(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.indices, b.indices);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.number, b.number);
  EXPECT_EQ(a.inputs.shape(), b.inputs.shape());
  EXPECT_EQ(a.inputs.dtype(), b.inputs.dtype());
  EXPECT_EQ(a.targets.shape(), b.targets.shape());
  EXPECT_EQ(a.targets.dtype(), b.targets.dtype());
  EXPECT_TRUE(bytes(a.inputs) == bytes(b.inputs)) << "epoch " << a.epoch << " batch " << a.number;
  EXPECT_TRUE(bytes(a.targets) == bytes(b.targets));
}

template <class D>
void same_batches(const D& dataset, LoaderOptions options) {
  options.residence = Residence::host;
  DataLoader host(dataset, options);
  options.residence = Residence::device;
  DataLoader there(dataset, options);
  EXPECT_FALSE(host.is_resident());
  EXPECT_TRUE(there.is_resident());
  EXPECT_EQ(host.batches_per_epoch(), there.batches_per_epoch());
  for (int i = 0; i < 2 * host.batches_per_epoch() + 2; ++i) {
    const std::optional<Batch> a = host.next(), b = there.next();
    ASSERT_EQ(a.has_value(), b.has_value());
    if (!a.has_value()) continue;
    EXPECT_EQ(b->inputs.device(), options.device);
    EXPECT_EQ(b->targets.device(), options.device);
    expect_same(*a, *b);
  }
  // resumed in the middle of an epoch by the other kind
  host.next();
  there.load_state(host.state());
  expect_same(*host.next(), *there.next());
}

TEST(ResidentDataset, GivesTheBatchesOfTheHost) {
  for (const Device device : devices()) {
    for (const bool shuffle : {false, true}) {
      LoaderOptions options;
      options.batch_size = 8;
      options.shuffle = shuffle;
      options.drop_last = shuffle;
      options.seed = 3;
      options.device = device;
      same_batches(images(), options);
      options.scale = 1 / 0.3081 / 255;
      options.shift = -0.1307 / 0.3081;
      same_batches(images(), options);
      options.dtype = DType::float64;
      same_batches(images(), options);
      options.dtype = DType::uint8;
      same_batches(images(), options);
      same_batches(measurements(), options);
    }
  }
}

TEST(ResidentDataset, IsWhatADeviceWithMemoryOfItsOwnGetsByItself) {
  EXPECT_FALSE(DataLoader(images(), {}).is_resident());
  if (!is_available(cuda())) return;
  LoaderOptions options;
  options.device = cuda();
  EXPECT_TRUE(DataLoader(images(), options).is_resident());
  options.residence = Residence::host;
  EXPECT_FALSE(DataLoader(images(), options).is_resident());
  options.residence = Residence::automatic;
  options.collate = [](Batch batch, RandomStream) { return batch; };
  EXPECT_FALSE(DataLoader(images(), options).is_resident());
}

TEST(Upload, WorkersPutTheBatchesOnTheDevice) {
  if (!is_available(cuda())) GTEST_SKIP() << "no device with queues of its own here";
  for (const int workers : {0, 1, 3}) {
    LoaderOptions options;
    options.batch_size = 8;
    options.shuffle = true;
    options.workers = workers;
    options.residence = Residence::host;
    DataLoader host(images(), options);
    options.device = cuda();
    options.collate = [](Batch batch, RandomStream) {
      batch.extras = {batch.inputs * 2, zeros({0, 3})};
      return batch;
    };
    DataLoader there(images(), options);
    for (int epoch = 0; epoch < 2; ++epoch) {
      for (const Batch& batch : there.epoch(epoch)) {
        EXPECT_EQ(batch.inputs.device(), cuda());
        EXPECT_EQ(batch.extras[1].device(), cuda());
        const std::optional<Batch> expected = host.next();
        expect_same(*expected, batch);
        EXPECT_TRUE(bytes(batch.extras[0]) == bytes(expected->inputs * 2));
      }
      EXPECT_FALSE(host.next().has_value());
    }
    for (const Batch& batch : there.epoch(2)) {  // left in the middle, with batches on their way
      if (batch.number == 1) break;
    }
  }
}

TEST(Upload, KeepsWhatTheDataSetThrows) {
  if (!is_available(cuda())) GTEST_SKIP() << "no device with queues of its own here";
  struct Fails : ImageDataset {
    Fails() : ImageDataset(test::images()) {}
    void get(std::int64_t index, const ExampleSlot& slot) const override {
      if (index == 20) throw IndexError(ErrorCode::index_out_of_range, "Fails", "example 20 is broken");
      ImageDataset::get(index, slot);
    }
  };
  LoaderOptions options;
  options.batch_size = 8;
  options.workers = 2;
  options.device = cuda();
  DataLoader loader(Fails(), options);
  EXPECT_FALSE(loader.is_resident());
  EXPECT_TRUE(loader.next().has_value());
  EXPECT_TRUE(loader.next().has_value());
  EXPECT_THROW(loader.next(), IndexError);
}

TEST(ResidentDataset, SeesWhatIsWrittenBetweenEpochs) {
  for (const Device device : devices()) {
    Tensor x = zeros({4, 2}), y = zeros({4}, DType::int64);
    LoaderOptions options;
    options.batch_size = 4;
    options.device = device;
    options.residence = Residence::device;
    DataLoader loader(TensorDataset(x, y), options);
    EXPECT_EQ(loader.next()->inputs.sum().item(), 0);
    EXPECT_FALSE(loader.next().has_value());
    x.fill_(2);
    EXPECT_EQ(loader.next()->inputs.sum().item(), 16);
  }
}

struct Brighter : ImageDataset {
  explicit Brighter(const ImageDataset& of) : ImageDataset(of) {}
  void get(std::int64_t index, const ExampleSlot& slot) const override {
    ImageDataset::get(index, slot);
    slot.input<std::uint8_t>()[0] = 255;
  }
};

TEST(ResidentDataset, IsRefusedWhereItWouldSkipWork) {
  LoaderOptions options;
  options.residence = Residence::device;
  const auto refused = [&](const char* word, auto&& dataset) {
    try {
      DataLoader loader(dataset, options);
      ADD_FAILURE() << "accepted: " << word;
    } catch (const ValueError& error) {
      EXPECT_EQ(error.code(), ErrorCode::value_invalid);
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  EXPECT_FALSE(Brighter(images()).whole().has_value());
  refused("whole()", Brighter(images()));
  options.collate = [](Batch batch, RandomStream) { return batch; };
  refused("collate", images());
}

TEST(ResidentDataset, LeavesAnIterationAtAnyMoment) {
  LoaderOptions options;
  options.residence = Residence::device;
  options.batch_size = 10;
  DataLoader loader(images(), options);
  for (const Batch& batch : loader.epoch(0)) {
    if (batch.number == 2) break;
  }
  EXPECT_EQ(loader.state().batch, 3);
  EXPECT_EQ((*loader.rest_of_epoch().begin()).number, 3);
  EXPECT_EQ(loader.stats().waits, 0);
}

}  // namespace
}  // namespace weft::test
