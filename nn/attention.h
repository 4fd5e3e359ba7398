#pragma once
// Multi-head attention (Vaswani et al., "Attention is all you need", 2017).

#include <cstdint>
#include <memory>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/nn/linear.h>
#include <weft/nn/module.h>
#include <weft/tensor/creation.h>

namespace weft::nn {

/// What a call leaves out. As in PyTorch's module, and unlike scaled_dot_product_attention(), true means *left out*.
struct AttentionMasks {
  Tensor key_padding_mask;  ///< bool (N, S), for one sample (S): true where a key is padding
  Tensor attn_mask;  ///< (L, S) or (N num_heads, L, S): bool, true where left out; or floating, added to the scores
  bool is_causal = false;  ///< query i looks at keys 0 .. i only
};

/// out_proj(heads of softmax(q k^T / sqrt(E / num_heads)) v), where q, k and v are the projections of query, key and
/// value by the three blocks of in_proj_weight (3 E, E). Inputs are (L, N, E), (S, N, E), (S, N, E), or with
/// batch_first (N, L, E), (N, S, E), (N, S, E); one sample without a batch is (L, E), (S, E), (S, E). The result has
/// query's shape. A query that may look at nothing gets out_proj's bias (PyTorch: NaN).
///
/// Parameters have PyTorch's names, shapes and initial values: in_proj_weight xavier_uniform, in_proj_bias 0,
/// out_proj.weight as Linear's, out_proj.bias 0. Key and value have query's width (PyTorch's kdim and vdim are not
/// there), and the attention weights are not returned. dropout drops attention weights while training, one draw of the
/// generator per call; the generator must outlive the module.
///
/// Throws ValueError (value_out_of_range) unless embed_dim and num_heads are at least 1, num_heads divides embed_dim
/// and dropout is in [0, 1]; DTypeError for a dtype that is not floating.
class WEFT_API MultiheadAttention : public Module {
 public:
  MultiheadAttention(std::int64_t embed_dim, std::int64_t num_heads, double dropout = 0, bool bias = true,
                     bool batch_first = false, TensorOptions options = {}, Generator& generator = default_generator(),
                     CallSite at = CallSite::here());

  Tensor forward(const Tensor& x) override;  ///< self-attention without masks
  Tensor forward(const Tensor& query, const Tensor& key, const Tensor& value, const AttentionMasks& masks = {},
                 CallSite at = CallSite::here());
  std::string describe() const override;
  std::int64_t embed_dim() const noexcept { return width_; }
  std::int64_t num_heads() const noexcept { return heads_; }

  Tensor in_proj_weight;  ///< (3 E, E): query, key, value
  Tensor in_proj_bias;    ///< (3 E); undefined without bias
  Ptr<Linear> out_proj;

 protected:
  std::shared_ptr<Module> fresh() const override;

 private:
  Tensor split_heads(const Tensor& x, CallSite at) const;

  std::int64_t width_, heads_;
  double dropout_;
  bool batch_first_;
  Generator* generator_;
};

}  // namespace weft::nn
