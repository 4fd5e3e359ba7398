#include "model.h"

namespace nn = weft::nn;

Block::Block(std::int64_t width, std::int64_t heads, double dropout)
    : norm1_(register_module("norm1", nn::LayerNorm({width}))),
      norm2_(register_module("norm2", nn::LayerNorm({width}))),
      attention_(register_module("attention", nn::MultiheadAttention(width, heads, dropout, true, true))),
      expand_(register_module("expand", nn::Linear(width, 4 * width))),
      contract_(register_module("contract", nn::Linear(4 * width, width))),
      dropout_(register_module("dropout", nn::Dropout(dropout))) {}

weft::Tensor Block::forward(const weft::Tensor& x) {
  nn::AttentionMasks masks;
  masks.is_causal = true;
  const weft::Tensor n = norm1_(x);
  const weft::Tensor h = x + dropout_(attention_->forward(n, n, n, masks));
  return h + dropout_(contract_(weft::gelu(expand_(norm2_(h)))));
}

Transformer::Transformer(std::int64_t vocabulary, std::int64_t context, std::int64_t width, std::int64_t layers,
                         std::int64_t heads, double dropout)
    : token_(register_module("token", nn::Embedding(vocabulary, width))),
      position_(register_module("position", nn::Embedding(context, width))),
      blocks_(register_module("blocks", nn::Sequential())),
      norm_(register_module("norm", nn::LayerNorm({width}))),
      head_(register_module("head", nn::Linear(width, vocabulary))) {
  for (std::int64_t i = 0; i < layers; ++i) blocks_->push_back(Block(width, heads, dropout));
  // Small weights, so that at first every character is about as likely as any other.
  for (const auto& [name, parameter] : named_parameters()) {
    if (parameter.rank() == 2) nn::init::normal_(parameter, 0, 0.02);
    if (name.size() > 4 && name.substr(name.size() - 4) == "bias") nn::init::constant_(parameter, 0);
  }
}

weft::Tensor Transformer::forward(const weft::Tensor& tokens) {
  const weft::Tensor places = position_->weight.narrow(0, 0, tokens.size(1));
  return head_(norm_(blocks_(token_(tokens) + places)));
}
