#include <weft/data/combine.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/epoch_order.h>

namespace weft {
namespace {

void check_same_layout(const Dataset& first, const Dataset& part, std::size_t number, CallSite at) {
  constexpr const char* op = "ConcatDataset";
  const ExampleLayout a = first.layout(), b = part.layout();
  const auto which = [&](const char* what) {
    return message("the ", what, " of data set ", number, " (", part.name(), ") is ");
  };
  const auto check_shape = [&](const char* what, const Shape& x, const Shape& y) {
    if (x == y) return;
    throw ShapeError(ErrorCode::shape_mismatch, op, message(which(what), y, ", that of the first ", x), at);
  };
  const auto check_dtype = [&](const char* what, DType x, DType y) {
    if (x == y) return;
    throw DTypeError(ErrorCode::dtype_mismatch, op, message(which(what), y, ", that of the first ", x), at);
  };
  check_shape("input", a.input, b.input);
  check_shape("target", a.target, b.target);
  check_dtype("input", a.input_dtype, b.input_dtype);
  check_dtype("target", a.target_dtype, b.target_dtype);
}

void refuse_split(const std::string& text, CallSite at) {
  throw ValueError(ErrorCode::value_out_of_range, "random_split", text, at);
}

std::int64_t checked_size(const AnyDataset& dataset, std::size_t parts, CallSite at) {
  if (dataset.get() == nullptr) {
    throw ValueError(ErrorCode::value_invalid, "random_split", "the data set is a null pointer", at);
  }
  if (parts == 0) throw ValueError(ErrorCode::value_invalid, "random_split", "there are no parts", at);
  return dataset.get()->size();
}

std::vector<Subset> split(const AnyDataset& dataset, const std::vector<std::int64_t>& lengths, std::uint64_t seed,
                          CallSite at) {
  constexpr std::uint64_t split_stream = 0x73706C6974303031;  // "split001": not the order of an epoch
  const std::vector<std::int64_t> order = epoch_order(dataset.get()->size(), seed ^ split_stream, 0);
  std::vector<Subset> parts;
  parts.reserve(lengths.size());
  auto begin = order.begin();
  for (const std::int64_t length : lengths) {
    parts.emplace_back(dataset.get(), std::vector<std::int64_t>(begin, begin + length), at);
    begin += length;
  }
  return parts;
}

}  // namespace

ConcatDataset::ConcatDataset(std::vector<AnyDataset> parts, CallSite at) {
  if (parts.empty()) throw ValueError(ErrorCode::value_invalid, "ConcatDataset", "there is no data set", at);
  std::int64_t end = 0;
  for (const AnyDataset& part : parts) {
    if (part.get() == nullptr) {
      throw ValueError(ErrorCode::value_invalid, "ConcatDataset",
                       message("data set ", parts_.size(), " is a null pointer"), at);
    }
    parts_.push_back(part.get());
    check_same_layout(*parts_.front(), *part.get(), parts_.size() - 1, at);
    end += part.get()->size();
    ends_.push_back(end);
  }
}

void ConcatDataset::get(std::int64_t index, const ExampleSlot& slot) const {
  const auto part = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), index) - ends_.begin());
  parts_[part]->get(index - (part == 0 ? 0 : ends_[part - 1]), slot);
}

std::string ConcatDataset::name() const {
  std::string text;
  for (const auto& part : parts_) text += (text.empty() ? "" : " + ") + part->name();
  return text;
}

std::vector<Subset> random_split(const AnyDataset& dataset, const std::vector<std::int64_t>& lengths,
                                 std::uint64_t seed, CallSite at) {
  const std::int64_t size = checked_size(dataset, lengths.size(), at);
  std::int64_t left = size;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 0) refuse_split(message("length ", i, " is ", lengths[i], ", expected 0 or more"), at);
    if (lengths[i] > left) {
      refuse_split(message("the lengths add up to more than ", size, ", the size of ", dataset.get()->name()), at);
    }
    left -= lengths[i];
  }
  if (left != 0) {
    refuse_split(
        message("the lengths add up to ", size - left, ", expected ", size, ", the size of ", dataset.get()->name()),
        at);
  }
  return split(dataset, lengths, seed, at);
}

std::vector<Subset> random_split(const AnyDataset& dataset, const std::vector<double>& fractions, std::uint64_t seed,
                                 CallSite at) {
  const std::int64_t size = checked_size(dataset, fractions.size(), at);
  double sum = 0;
  for (std::size_t i = 0; i < fractions.size(); ++i) {
    if (!(fractions[i] >= 0 && fractions[i] <= 1)) {
      refuse_split(message("fraction ", i, " is ", fractions[i], ", expected 0 to 1"), at);
    }
    sum += fractions[i];
  }
  if (std::abs(sum - 1) > 1e-6) refuse_split(message("the fractions add up to ", sum, ", expected 1"), at);
  std::vector<std::int64_t> lengths;
  std::vector<double> remainders;
  std::int64_t left = size;
  for (const double fraction : fractions) {
    const double exact = fraction * static_cast<double>(size);
    lengths.push_back(std::min(static_cast<std::int64_t>(exact), left));
    remainders.push_back(exact - static_cast<double>(lengths.back()));
    left -= lengths.back();
  }
  std::vector<std::size_t> by_remainder(fractions.size());
  std::iota(by_remainder.begin(), by_remainder.end(), std::size_t{0});
  std::stable_sort(by_remainder.begin(), by_remainder.end(),
                   [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  for (std::size_t i = 0; left > 0; --left, i = (i + 1) % by_remainder.size()) ++lengths[by_remainder[i]];
  return split(dataset, lengths, seed, at);
}

}  // namespace weft
