#pragma once
// The network: a decoder of pre-norm transformer blocks (Vaswani et al., 2017; Xiong et al., 2020).

#include <cstdint>
#include <string>

#include <weft/weft.h>

/// x + attention(norm(x)), then x + MLP(norm(x)); a character looks at itself and what came before.
class Block : public weft::nn::Module {
 public:
  Block(std::int64_t width, std::int64_t heads, double dropout);
  weft::Tensor forward(const weft::Tensor& x) override;  ///< (N, L, width) -> the same
  std::string describe() const override { return "Block"; }

 private:
  weft::nn::Ptr<weft::nn::LayerNorm> norm1_, norm2_;
  weft::nn::Ptr<weft::nn::MultiheadAttention> attention_;
  weft::nn::Ptr<weft::nn::Linear> expand_, contract_;
  weft::nn::Ptr<weft::nn::Dropout> dropout_;
};

class Transformer : public weft::nn::Module {
 public:
  Transformer(std::int64_t vocabulary, std::int64_t context, std::int64_t width, std::int64_t layers,
              std::int64_t heads, double dropout);
  /// Tokens (N, L), L <= context -> for each the logits of the next one, (N, L, vocabulary).
  weft::Tensor forward(const weft::Tensor& tokens) override;
  std::string describe() const override { return "Transformer"; }

 private:
  weft::nn::Ptr<weft::nn::Embedding> token_, position_;
  weft::nn::Ptr<weft::nn::Sequential> blocks_;
  weft::nn::Ptr<weft::nn::LayerNorm> norm_;
  weft::nn::Ptr<weft::nn::Linear> head_;
};
