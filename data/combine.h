#pragma once
// Data sets made of data sets.
//
//     auto parts = weft::random_split(weft::load_mnist(folder, weft::Split::train), {0.9, 0.1}, 1);
//     weft::DataLoader train(parts[0], {.batch_size = 128, .shuffle = true});
//     weft::DataLoader validation(parts[1], {.batch_size = 1000});
//     weft::ConcatDataset both({first, second});

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/data/dataset.h>

namespace weft {

/// A data set of any type, owned: converts from a data set (copied or moved in) and from a shared pointer to one.
class AnyDataset {
 public:
  template <class D>
  requires std::derived_from<D, Dataset> AnyDataset(D dataset)  // NOLINT(google-explicit-constructor)
      : dataset_(std::make_shared<const D>(std::move(dataset))) {}
  template <class D>
  requires std::derived_from<D, Dataset> AnyDataset(std::shared_ptr<D> dataset)
  noexcept  // NOLINT(google-explicit-constructor)
      : dataset_(std::move(dataset)) {}

  const std::shared_ptr<const Dataset>& get() const noexcept { return dataset_; }  ///< null for a null pointer

 private:
  std::shared_ptr<const Dataset> dataset_;
};

/// The examples of several data sets of one layout, one after the other.
class WEFT_API ConcatDataset : public Dataset {
 public:
  /// Throws ValueError (none, or a null pointer), ShapeError and DTypeError (another layout than the first: says
  /// which).
  explicit ConcatDataset(std::vector<AnyDataset> parts, CallSite at = CallSite::here());

  std::int64_t size() const override { return ends_.back(); }
  ExampleLayout layout() const override { return parts_.front()->layout(); }
  void get(std::int64_t index, const ExampleSlot& slot) const override;
  std::string name() const override;

 private:
  std::vector<std::shared_ptr<const Dataset>> parts_;
  std::vector<std::int64_t> ends_;
};

/// Parts of these lengths, which add up to the size of the data set, of a permutation that follows from (size, seed)
/// alone. Throws ValueError: a null pointer, no length, a negative one, another sum.
WEFT_API std::vector<Subset> random_split(const AnyDataset& dataset, const std::vector<std::int64_t>& lengths,
                                          std::uint64_t seed = 0, CallSite at = CallSite::here());

/// Parts in these proportions, from 0 to 1, which add up to 1 (within 1e-6). A part gets floor(fraction * size)
/// examples; those left over go one each to the parts with the largest remainder of fraction * size, the earlier part
/// first where remainders are equal. Throws ValueError: a null pointer, no fraction, one outside 0 to 1, another sum.
WEFT_API std::vector<Subset> random_split(const AnyDataset& dataset, const std::vector<double>& fractions,
                                          std::uint64_t seed = 0, CallSite at = CallSite::here());

/// Either, for a list written in place: whole numbers are lengths, others fractions.
template <class Number>
requires std::is_arithmetic_v<Number> std::vector<Subset> random_split(const AnyDataset& dataset,
                                                                       std::initializer_list<Number> parts,
                                                                       std::uint64_t seed = 0,
                                                                       CallSite at = CallSite::here()) {
  using Value = std::conditional_t<std::is_integral_v<Number>, std::int64_t, double>;
  return random_split(dataset, std::vector<Value>(parts.begin(), parts.end()), seed, at);
}

}  // namespace weft
