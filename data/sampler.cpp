#include <weft/data/sampler.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include <weft/core/checksum.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/core/philox.h>
#include <weft/data/random_stream.h>

namespace weft {
namespace {

constexpr const char* op = "WeightedSampler";
constexpr std::uint64_t sampler_stream = 0x73616D706C657231;  // "sampler1"

std::string hexadecimal(std::uint32_t value) {
  std::string text(8, '0');
  for (std::size_t i = 8; i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

}  // namespace

Sampler::~Sampler() = default;

WeightedSampler::WeightedSampler(std::vector<double> weights, std::int64_t count, bool replacement, CallSite at)
    : weights_(std::move(weights)), count_(count), replacement_(replacement) {
  double total = 0;
  std::int64_t possible = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (!(weights_[i] >= 0) || !std::isfinite(weights_[i])) {
      throw ValueError(ErrorCode::value_out_of_range, op,
                       message("weights[", i, "] is ", weights_[i], ", expected a finite number from 0"), at);
    }
    total += weights_[i];
    if (replacement_) up_to_.push_back(total);
    if (weights_[i] > 0) ++possible;
  }
  if (possible == 0 || !std::isfinite(total)) {
    throw ValueError(
        ErrorCode::value_out_of_range, op,
        message("the sum of the ", weights_.size(), " weights is ", total, ", expected a finite number above 0"), at);
  }
  if (count_ < 1 || (!replacement_ && count_ > possible)) {
    throw ValueError(ErrorCode::value_out_of_range, op,
                     message("count is ", count_, ", expected 1 or more",
                             replacement_ ? std::string()
                                          : message(", and without replacement at most ", possible,
                                                    ", the number of weights above 0")),
                     at);
  }
  identity_ = message("weighted-", weights_.size(), "-", count_, replacement_ ? "-again-" : "-once-",
                      hexadecimal(crc32c(std::as_bytes(std::span(weights_)))));
}

std::vector<std::int64_t> WeightedSampler::indices(std::uint64_t seed, std::int64_t epoch) const {
  RandomStream random = RandomStream(seed ^ sampler_stream).child(epoch);
  std::vector<std::int64_t> drawn(static_cast<std::size_t>(count_));
  if (replacement_) {
    // The first sum above t belongs to a weight above 0; rounding may leave t at the total, whose first occurrence
    // then does.
    const auto last = std::lower_bound(up_to_.begin(), up_to_.end(), up_to_.back());
    for (std::int64_t& index : drawn) {
      const double t = random.uniform() * up_to_.back();
      index = std::min(std::upper_bound(up_to_.begin(), up_to_.end(), t), last) - up_to_.begin();
    }
    return drawn;
  }
  std::vector<std::pair<double, std::int64_t>> times;
  times.reserve(weights_.size());
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const double u = static_cast<double>((random.bits() >> 11) + 1) * 0x1p-53;  // in (0, 1]; drawn also for weight 0
    if (weights_[i] > 0) times.emplace_back(-philox_log(u) / weights_[i], static_cast<std::int64_t>(i));
  }
  const auto end = times.begin() + count_;
  std::partial_sort(times.begin(), end, times.end());
  std::transform(times.begin(), end, drawn.begin(), [](const auto& t) { return t.second; });
  return drawn;
}

std::vector<double> balancing_weights(const std::vector<std::int64_t>& labels) {
  std::map<std::int64_t, std::int64_t> occurs;
  for (const std::int64_t label : labels) ++occurs[label];
  std::vector<double> weights;
  weights.reserve(labels.size());
  for (const std::int64_t label : labels) weights.push_back(1.0 / static_cast<double>(occurs[label]));
  return weights;
}

}  // namespace weft
