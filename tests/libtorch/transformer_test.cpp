// A pre-norm transformer block (multi-head attention, GELU) from the same weights, by name: output, the input's
// gradient and every parameter's, as ||a - b|| / ||b||: 1e-5 in float32, 1e-10 in float64. And the masks of the
// attention alone.

#include <cmath>
#include <limits>
#include <vector>

#include "compare.h"

namespace weft::test {
namespace {

constexpr std::int64_t width = 24, heads = 4, batch = 3, length = 10;

struct Block : nn::Module {
  nn::Ptr<nn::LayerNorm> norm1 = register_module("norm1", nn::LayerNorm({width}));
  nn::Ptr<nn::MultiheadAttention> attention =
      register_module("attention", nn::MultiheadAttention(width, heads, 0, true, true));
  nn::Ptr<nn::LayerNorm> norm2 = register_module("norm2", nn::LayerNorm({width}));
  nn::Ptr<nn::Linear> wide = register_module("wide", nn::Linear(width, 4 * width));
  nn::Ptr<nn::Linear> narrow = register_module("narrow", nn::Linear(4 * width, width));

  Tensor forward(const Tensor& x) override {
    nn::AttentionMasks masks;
    masks.is_causal = true;
    const Tensor n = norm1(x);
    const Tensor h = x + attention->forward(n, n, n, masks);
    return h + narrow(gelu(wide(norm2(h))));
  }
};

/// LibTorch 1.13's C++ attention adds its mask, whatever the dtype, and takes one of two axes only.
torch::Tensor forbidden(const torch::Tensor& where, const torch::Tensor& like) {
  return torch::zeros(where.sizes(), like.options().requires_grad(false))
      .masked_fill(where, -std::numeric_limits<double>::infinity());
}

struct TorchBlock : torch::nn::Module {
  torch::nn::LayerNorm norm1 = register_module("norm1", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  torch::nn::MultiheadAttention attention =
      register_module("attention", torch::nn::MultiheadAttention(torch::nn::MultiheadAttentionOptions(width, heads)));
  torch::nn::LayerNorm norm2 = register_module("norm2", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  torch::nn::Linear wide = register_module("wide", torch::nn::Linear(width, 4 * width));
  torch::nn::Linear narrow = register_module("narrow", torch::nn::Linear(4 * width, width));

  torch::Tensor forward(const torch::Tensor& x) {
    const torch::Tensor n = norm1(x).transpose(0, 1);
    const torch::Tensor later = forbidden(torch::ones({length, length}, torch::kBool).triu(1), x);
    const torch::Tensor attended = std::get<0>(attention(n, n, n, torch::Tensor(), true, later));
    const torch::Tensor h = x + attended.transpose(0, 1);
    return h + narrow(torch::gelu(wide(norm2(h))));
  }
};

template <class T>
void compare_block(Device device, double limit) {
  manual_seed(5);
  Block ours;
  for (const Tensor& p : ours.parameters()) nn::init::uniform_(p, -0.3, 0.3);  // biases and norms that matter
  ours.to(device, dtype_of<T>);
  TorchBlock theirs;
  copy_by_name<T>(ours, theirs);
  Tensor x = randn({batch, length, width}, {device, dtype_of<T>}).requires_grad_();
  const Tensor weights = randn({batch, length, width}, {device, dtype_of<T>});
  const torch::Tensor their_x = to_torch<T>(x).requires_grad_();

  const Tensor y = ours(x);
  y.backward(weights);
  const torch::Tensor expected = theirs.forward(their_x);
  expected.backward(to_torch<T>(weights));
  EXPECT_LE(distance<T>(y, expected), limit);
  EXPECT_LE(distance<T>(x.grad(), their_x.grad()), limit);
  const auto named = theirs.named_parameters();
  int compared = 0;
  for (const auto& [name, tensor] : ours.named_parameters()) {
    EXPECT_LE(distance<T>(tensor.grad(), named.find(name)->grad()), limit) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 12);
}

TEST(LibTorchTransformer, Float32BlockAgreesOnCpu) { compare_block<float>(cpu(), 1e-5); }
TEST(LibTorchTransformer, Float64BlockAgreesOnCpu) { compare_block<double>(cpu(), 1e-10); }
TEST(LibTorchTransformer, Float32BlockAgreesOnSerial) { compare_block<float>(serial(), 1e-5); }
TEST(LibTorchTransformer, Float64BlockAgreesOnSerial) { compare_block<double>(serial(), 1e-10); }

constexpr std::int64_t words = 30;

/// The powers of two from a first word on, (batch, length), modulo the number of words.
Tensor doubled(const Tensor& firsts) {
  std::vector<std::int64_t> values;
  for (std::int64_t word : firsts.to_vector<std::int64_t>()) {
    for (std::int64_t i = 0; i < length; ++i, word = word * 2 % words) values.push_back(word);
  }
  return from_vector<std::int64_t>(values, {batch, length});
}

struct Language : nn::Module {  // the network of examples/char_transformer, with one block
  nn::Ptr<nn::Embedding> token = register_module("token", nn::Embedding(words, width));
  nn::Ptr<nn::Embedding> position = register_module("position", nn::Embedding(length, width));
  nn::Ptr<Block> block = register_module("block", Block());
  nn::Ptr<nn::LayerNorm> norm = register_module("norm", nn::LayerNorm({width}));
  nn::Ptr<nn::Linear> head = register_module("head", nn::Linear(width, words));

  Tensor forward(const Tensor& tokens) override { return head(norm(block(token(tokens) + position->weight))); }
};

struct TorchLanguage : torch::nn::Module {
  torch::nn::Embedding token = register_module("token", torch::nn::Embedding(words, width));
  torch::nn::Embedding position = register_module("position", torch::nn::Embedding(length, width));
  std::shared_ptr<TorchBlock> block = register_module("block", std::make_shared<TorchBlock>());
  torch::nn::LayerNorm norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
  torch::nn::Linear head = register_module("head", torch::nn::Linear(width, words));

  torch::Tensor forward(const torch::Tensor& tokens) {
    return head(norm(block->forward(token(tokens) + position->weight)));
  }
};

/// AdamW with warm-up and cosine, as char_transformer trains: from equal weights and batches every loss is the same.
TEST(LibTorchTransformer, TrainingALanguageModelHasLibTorchsLosses) {
  constexpr std::int64_t steps = 60, warmup = 6;
  constexpr double lr = 3e-3;
  manual_seed(8);
  Language ours;
  ours.to(DType::float64);
  TorchLanguage theirs;
  copy_by_name<double>(ours, theirs);
  nn::AdamW optimizer(ours.parameters(), {.lr = lr});
  nn::WarmupCosine schedule(optimizer, {.base_lr = lr, .warmup_steps = warmup, .total_steps = steps});
  torch::optim::AdamW their_optimizer(theirs.parameters(), torch::optim::AdamWOptions(lr));
  double first = 0, last = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    // A rule to learn: the next word is twice this one.
    const Tensor firsts = randint(1, words, {batch}, DType::int64);
    const Tensor tokens = doubled(firsts), targets = doubled(doubled(firsts).select(1, 1));
    optimizer.zero_grad();
    const Tensor loss = cross_entropy(ours(tokens).flatten(0, 1), targets.flatten());
    loss.backward();
    optimizer.step();
    schedule.step();

    const double rate = step < warmup
                            ? lr * static_cast<double>(step + 1) / warmup
                            : lr * (1 + std::cos(M_PI * static_cast<double>(step - warmup) / (steps - warmup))) / 2;
    static_cast<torch::optim::AdamWOptions&>(their_optimizer.param_groups()[0].options()).lr(rate);
    their_optimizer.zero_grad();
    const torch::Tensor expected = torch::nn::functional::cross_entropy(
        theirs.forward(to_torch<std::int64_t>(tokens)).flatten(0, 1), to_torch<std::int64_t>(targets).flatten());
    expected.backward();
    their_optimizer.step();
    last = loss.item();
    if (step == 0) first = last;
    ASSERT_NEAR(last, expected.item<double>(), 1e-8 * expected.item<double>()) << "step " << step;
  }
  EXPECT_LT(last, 0.6 * first);  // it did learn
}

/// Cross-attention with padded keys and a floating or bool mask, (length, batch, width) as by default.
void compare_masks(bool floating) {
  manual_seed(6);
  nn::MultiheadAttention ours(width, heads);
  ours.to(DType::float64);
  torch::nn::MultiheadAttention theirs(torch::nn::MultiheadAttentionOptions(width, heads));
  copy_by_name<double>(ours, *theirs);
  const Tensor query = randn({7, batch, width}, DType::float64), memory = randn({5, batch, width}, DType::float64);
  nn::AttentionMasks masks;
  masks.key_padding_mask = from_vector<bool>({false, false, false, true, true,   //
                                              false, false, false, false, true,  //
                                              false, true, false, false, false},
                                             {batch, 5});
  masks.attn_mask = floating ? randn({7, 5}, DType::float64) : rand({7, 5}) > 0.8;
  if (!floating) masks.attn_mask.select(1, 0).fill_(false);  // the first key is for everybody
  const auto as_bool = [](const Tensor& x) { return to_torch<std::uint8_t>(x.to(DType::uint8)).to(torch::kBool); };
  const torch::Tensor their_mask =
      floating ? to_torch<double>(masks.attn_mask) : forbidden(as_bool(masks.attn_mask), to_torch<double>(query));
  const torch::Tensor expected =
      std::get<0>(theirs(to_torch<double>(query), to_torch<double>(memory), to_torch<double>(memory),
                         as_bool(masks.key_padding_mask), true, their_mask));
  EXPECT_LE(distance<double>(ours.forward(query, memory, memory, masks), expected), 1e-12);
}

TEST(LibTorchTransformer, CrossAttentionWithPaddingAndBoolMask) { compare_masks(false); }
TEST(LibTorchTransformer, CrossAttentionWithPaddingAndFloatMask) { compare_masks(true); }

// Three steps of training and one evaluation: outputs, running statistics and gradients.
TEST(LibTorchBatchNorm, FollowsTrainingAndEvaluation) {
  manual_seed(7);
  nn::BatchNorm2d ours(3, {}, DType::float64);
  torch::nn::BatchNorm2d theirs(torch::nn::BatchNormOptions(3));
  theirs->to(torch::kFloat64);
  for (int step = 0; step < 3; ++step) {
    Tensor x = (randn({4, 3, 5, 2}, DType::float64) * 2 + 3).detach().requires_grad_();
    const torch::Tensor their_x = to_torch<double>(x).requires_grad_();
    const Tensor y = ours(x);
    const torch::Tensor expected = theirs(their_x);
    EXPECT_LE(distance<double>(y, expected), 1e-12);
    (y * y * y).sum().backward();
    (expected * expected * expected).sum().backward();
    EXPECT_LE(distance<double>(x.grad(), their_x.grad()), 1e-10);
  }
  EXPECT_LE(distance<double>(ours.weight.grad(), theirs->weight.grad()), 1e-10);
  EXPECT_LE(distance<double>(ours.running_mean, theirs->running_mean), 1e-12);
  EXPECT_LE(distance<double>(ours.running_var, theirs->running_var), 1e-12);
  EXPECT_EQ(ours.num_batches_tracked.item<std::int64_t>(), theirs->num_batches_tracked.item<std::int64_t>());
  ours.eval();
  theirs->eval();
  const Tensor x = randn({2, 3, 4, 4}, DType::float64);
  EXPECT_LE(distance<double>(ours(x), theirs(to_torch<double>(x))), 1e-12);
}

}  // namespace
}  // namespace weft::test
