#pragma once
// A table of vectors looked up by index.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/module.h>
#include <weft/tensor/creation.h>

namespace weft::nn {

/// indices (..) int64 or int32 in 0 .. num_embeddings - 1 -> (.., embedding_dim); else IndexError.
///
/// Initialised as in PyTorch: normal with mean 0 and variance 1, one draw of the generator; the row padding_idx, which
/// may be negative and then counts from the end, is zeros and gets no gradient. Throws ValueError (value_out_of_range)
/// for extents below 1, IndexError for a padding_idx outside the table, DTypeError for a dtype that is not floating.
class WEFT_API Embedding : public Module {
 public:
  Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, std::optional<std::int64_t> padding_idx = {},
            TensorOptions options = {}, Generator& generator = default_generator(), CallSite at = CallSite::here());

  Tensor forward(const Tensor& indices) override;
  std::string describe() const override;
  std::int64_t num_embeddings() const noexcept { return count_; }
  std::int64_t embedding_dim() const noexcept { return width_; }

  Tensor weight;  ///< (num_embeddings, embedding_dim)

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  std::int64_t count_, width_;
  std::optional<std::int64_t> padding_;
};

}  // namespace weft::nn
