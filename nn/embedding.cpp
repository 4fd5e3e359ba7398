#include <weft/nn/embedding.h>

#include <weft/autograd/functions.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/nn/init.h>

namespace weft::nn {

Embedding::Embedding(std::int64_t num_embeddings, std::int64_t embedding_dim, std::optional<std::int64_t> padding_idx,
                     TensorOptions options, Generator& generator, CallSite at)
    : count_(num_embeddings), width_(embedding_dim), padding_(padding_idx) {
  if (count_ < 1 || width_ < 1) {
    throw ValueError(ErrorCode::value_out_of_range, "Embedding",
                     message("num_embeddings = ", count_, ", embedding_dim = ", width_, ": both are at least 1"), at);
  }
  if (padding_ && (*padding_ < -count_ || *padding_ >= count_)) {
    throw IndexError(ErrorCode::index_out_of_range, "Embedding",
                     message("padding_idx = ", *padding_, " is out of range for ", count_, " embeddings"), at);
  }
  if (!is_floating(options.dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, "Embedding",
                     message("parameters are floating, dtype ", options.dtype, " was given"), at);
  }
  if (padding_ && *padding_ < 0) padding_ = *padding_ + count_;
  weight = empty({count_, width_}, options, at);
  init::normal_(weight, 0, 1, generator, at);
  if (padding_) weight.select(0, *padding_, at).zero_(at);
  register_parameter("weight", weight, at);
}

Tensor Embedding::forward(const Tensor& indices) { return embedding(indices, weight, padding_, call_site()); }

std::shared_ptr<Module> Embedding::fresh() const { return std::make_shared<Embedding>(count_, width_, padding_); }

std::string Embedding::describe() const {
  return message("Embedding(", count_, ", ", width_, padding_ ? message(", padding_idx=", *padding_) : std::string(),
                 ")");
}

}  // namespace weft::nn
