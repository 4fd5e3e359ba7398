#include <weft/data/dataset.h>

#include <utility>

#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft {

Dataset::~Dataset() = default;

std::string Dataset::name() const { return "data set"; }

std::optional<WholeDataset> Dataset::whole() const { return std::nullopt; }

void ExampleSlot::refuse(const char* what, DType asked, DType is, CallSite at) {
  throw DTypeError(ErrorCode::dtype_mismatch, "ExampleSlot",
                   message("the ", what, " of an example is ", is, ", ", asked, " was asked for"), at);
}

Subset::Subset(std::shared_ptr<const Dataset> dataset, std::vector<std::int64_t> indices, CallSite at)
    : dataset_(std::move(dataset)), indices_(std::move(indices)) {
  if (dataset_ == nullptr) throw ValueError(ErrorCode::value_invalid, "Subset", "the data set is a null pointer", at);
  const std::int64_t size = dataset_->size();
  for (std::size_t i = 0; i < indices_.size(); ++i) {
    if (indices_[i] >= 0 && indices_[i] < size) continue;
    throw IndexError(ErrorCode::index_out_of_range, "Subset",
                     message("indices[", i, "] is ", indices_[i], ", ", dataset_->name(), " has ", size, " examples"),
                     at);
  }
}

void Subset::get(std::int64_t index, const ExampleSlot& slot) const {
  dataset_->get(indices_[static_cast<std::size_t>(index)], slot);
}

std::string Subset::name() const { return message(size(), " examples of ", dataset_->name()); }

}  // namespace weft
