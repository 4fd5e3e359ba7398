#pragma once
// Data sets the loader's tests iterate, and a way to write down what came out.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include <weft/data/dataset.h>
#include <weft/data/loader.h>

namespace weft::test {

/// Example i: three numbers that follow from i, and a label. `before` runs in the decoding thread.
class Numbers : public Dataset {
 public:
  explicit Numbers(std::int64_t size, std::function<void(std::int64_t)> before = {})
      : size_(size), before_(std::move(before)) {}

  std::int64_t size() const override { return size_; }
  ExampleLayout layout() const override {
    return {.input = {3}, .input_dtype = DType::float32, .target = {}, .target_dtype = DType::int64};
  }
  void get(std::int64_t index, const ExampleSlot& slot) const override {
    if (before_) before_(index);
    const auto input = slot.input<float>();
    for (int i = 0; i < 3; ++i) input[static_cast<std::size_t>(i)] = static_cast<float>(index * 3 + i);
    slot.target<std::int64_t>()[0] = index * 7;
  }
  std::string name() const override { return "numbers"; }

 private:
  std::int64_t size_;
  std::function<void(std::int64_t)> before_;
};

/// All there is to see of a batch.
struct Seen {
  std::int64_t epoch, number;
  std::vector<std::int64_t> indices;
  std::vector<float> inputs;
  std::vector<std::int64_t> targets;
  friend bool operator==(const Seen&, const Seen&) = default;
};

inline Seen see(const Batch& batch) {
  return {batch.epoch, batch.number, batch.indices, batch.inputs.to_vector<float>(),
          batch.targets.to_vector<std::int64_t>()};
}

inline std::vector<Seen> see_epoch(DataLoader& loader, std::int64_t epoch) {
  std::vector<Seen> all;
  for (const Batch& batch : loader.epoch(epoch)) all.push_back(see(batch));
  return all;
}

inline void sleep_us(std::int64_t microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

}  // namespace weft::test
