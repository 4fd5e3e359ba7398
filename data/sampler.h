#pragma once
// Which examples an epoch visits, and in which order.
//
//     auto sampler = std::make_shared<weft::WeightedSampler>(weights, 60000);
//     weft::DataLoader loader(dataset, {.batch_size = 128, .seed = 1, .sampler = sampler});
//
// A sampler is a pure function of (seed, epoch): that is what makes the batches the same for any number of workers, and
// a loader that was resumed go on with exactly the rest (LoaderState names the sampler by its identity()).

#include <cstdint>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

class WEFT_API Sampler {
 public:
  virtual ~Sampler();
  /// How many examples an epoch has; the same for every epoch.
  virtual std::int64_t size() const = 0;
  /// size() indices into the data set, for the loader's seed. Called on the thread that iterates, once per epoch or
  /// resumption. The loader refuses an index outside the data set (IndexError) and another count (ValueError).
  virtual std::vector<std::int64_t> indices(std::uint64_t seed, std::int64_t epoch) const = 0;
  /// Which sequence this is: samplers that draw differently have different identities. Part of LoaderState, so 1 to 100
  /// visible ASCII characters without a blank.
  virtual std::string identity() const = 0;

 protected:
  Sampler() = default;
  Sampler(const Sampler&) = default;
  Sampler& operator=(const Sampler&) = default;
};

/// Draws `count` examples per epoch, example i with a probability proportional to weights[i]: each draw from all of
/// them (replacement), or each from those not yet drawn. Weight 0 is never drawn. Philox, keyed by (seed, epoch); the
/// same on every machine.
///
/// Without replacement: example i waits for an exponentially distributed time -ln(u_i) / weights[i], and the first
/// `count` are taken in that order (P. Efraimidis and P. Spirakis, "Weighted random sampling with a reservoir",
/// Information Processing Letters 97, 2006).
class WEFT_API WeightedSampler : public Sampler {
 public:
  /// Throws ValueError: a weight that is negative or not finite, all of them 0 (or their sum not finite), count < 1,
  /// without replacement fewer weights above 0 than count.
  WeightedSampler(std::vector<double> weights, std::int64_t count, bool replacement = true,
                  CallSite at = CallSite::here());

  std::int64_t size() const override { return count_; }
  std::vector<std::int64_t> indices(std::uint64_t seed, std::int64_t epoch) const override;
  std::string identity() const override { return identity_; }

 private:
  std::vector<double> weights_;
  std::vector<double> up_to_;  // sums of weights, with replacement
  std::int64_t count_;
  bool replacement_;
  std::string identity_;
};

/// Weights for WeightedSampler that make every class equally likely: 1 / (how often labels[i] occurs).
WEFT_API std::vector<double> balancing_weights(const std::vector<std::int64_t>& labels);

}  // namespace weft
