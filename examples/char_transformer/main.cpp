// char_transformer: a small causal transformer learns to continue text, character by character.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <weft/weft.h>

#include "model.h"
#include "options.h"
#include "report.h"
#include "text.h"

namespace {

using Clock = std::chrono::steady_clock;
using weft::DType;
using weft::Tensor;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Tensor as_tensor(const std::vector<std::int64_t>& tokens, weft::Device device) {
  return weft::from_vector<std::int64_t>(tokens, {static_cast<std::int64_t>(tokens.size())}, device);
}

/// Stretches of a text on the device: context characters each, with those that follow them.
class Stretches {
 public:
  Stretches(const Tensor& tokens, std::int64_t context)
      : tokens_(tokens),
        context_(context),
        offsets_(weft::arange(0, static_cast<double>(context), 1, {tokens.device(), DType::int64})) {}

  std::int64_t starts() const { return tokens_.numel() - context_; }  ///< a stretch may begin at 0 .. starts() - 1

  /// starts (N) -> characters and the ones to be guessed, (N, context) each.
  std::pair<Tensor, Tensor> at(const Tensor& starts) const {
    const Tensor places = (starts.unsqueeze(1) + offsets_).flatten();
    const weft::Shape shape = {starts.numel(), context_};
    return {tokens_.index_select(0, places).reshape(shape), tokens_.index_select(0, places + 1).reshape(shape)};
  }

 private:
  Tensor tokens_;
  std::int64_t context_;
  Tensor offsets_;
};

Tensor loss_of(weft::nn::Module& model, const std::pair<Tensor, Tensor>& batch) {
  const Tensor logits = model(batch.first);
  return weft::cross_entropy(logits.flatten(0, 1), batch.second.flatten());
}

/// Mean loss over stretches side by side, at most 256 of them.
double evaluate(Transformer& model, const Stretches& text, std::int64_t context, std::int64_t batch,
                weft::Device device) {
  const weft::NoGrad off;
  model.eval();
  const std::int64_t count = std::min<std::int64_t>((text.starts() - 1) / context + 1, 256);
  double total = 0;
  for (std::int64_t first = 0; first < count; first += batch) {
    const std::int64_t size = std::min(batch, count - first);
    const Tensor starts =
        weft::arange(static_cast<double>(first), static_cast<double>(first + size), 1, {device, DType::int64}) *
        context;
    total += loss_of(model, text.at(starts)).item() * static_cast<double>(size);
  }
  model.train();
  return total / static_cast<double>(count);
}

/// Continues the prompt: each character is drawn from what the network thinks of the last `context` ones.
std::string write_sample(Transformer& model, const Vocabulary& vocabulary, const Options& options,
                         weft::Device device) {
  const weft::NoGrad off;
  model.eval();
  weft::Generator generator(options.seed + 2);
  std::vector<std::int64_t> tokens = vocabulary.encode(options.prompt);
  std::string text = options.prompt;
  for (std::int64_t i = 0; i < options.sample; ++i) {
    const auto length = std::min<std::int64_t>(static_cast<std::int64_t>(tokens.size()), options.context);
    const std::vector<std::int64_t> seen(tokens.end() - length, tokens.end());
    const Tensor logits = model(as_tensor(seen, device).unsqueeze(0)).select(0, 0).select(0, -1);
    const std::vector<float> p = weft::softmax(logits / options.temperature, 0).to_vector<float>();
    double left = weft::rand({}, DType::float64, generator).item();
    std::size_t next = 0;
    while (next + 1 < p.size() && left >= p[next]) left -= p[next++];
    tokens.push_back(static_cast<std::int64_t>(next));
    text += vocabulary.decode(tokens.back());
  }
  return text;
}

int run(const Options& options) {
  if (options.threads > 0) weft::set_num_threads(options.threads);
  const weft::DeviceChoice choice = weft::choose_device(options.backend);
  const weft::Device device = choice.device;
  if (options.backend == "auto") std::printf("backend: %s\n", choice.reason.c_str());
  const Text text = read_text(options.text);
  const Vocabulary vocabulary(text.bytes);
  const std::vector<std::int64_t> tokens = vocabulary.encode(text.bytes);
  const auto split = static_cast<std::int64_t>(tokens.size() / 10 * 9);
  if (static_cast<std::int64_t>(tokens.size()) - split <= options.context) {
    throw weft::ValueError(weft::ErrorCode::value_invalid, "text",
                           text.name + " has " + std::to_string(tokens.size()) +
                               " characters; the last tenth must be longer than --context " +
                               std::to_string(options.context));
  }
  static_cast<void>(vocabulary.encode(options.prompt));  // now, not after the training
  const Stretches train(as_tensor({tokens.begin(), tokens.begin() + split}, device), options.context);
  const Stretches validation(as_tensor({tokens.begin() + split, tokens.end()}, device), options.context);

  weft::manual_seed(options.seed);
  Transformer model(vocabulary.size(), options.context, options.width, options.layers, options.heads, options.dropout);
  model.to(device);
  weft::nn::AdamW optimizer(model.parameters(), {.lr = options.lr});
  weft::nn::WarmupCosine schedule(
      optimizer, {.base_lr = options.lr, .warmup_steps = options.steps / 10, .total_steps = options.steps});
  weft::Generator batches(options.seed + 1);

  Report report;
  report.backend = weft::to_string(device);
  report.text = text.name;
  report.characters = static_cast<std::int64_t>(tokens.size());
  report.vocabulary = vocabulary.size();
  report.parameters = model.num_parameters();
  std::printf("%s: %lld characters, %lld different ones\n", text.name.c_str(),
              static_cast<long long>(report.characters), static_cast<long long>(report.vocabulary));
  std::printf("%lld parameters on %s\n", static_cast<long long>(report.parameters), report.backend.c_str());

  const Clock::time_point start = Clock::now();
  Tensor sum = weft::zeros({}, device);  // of the losses since the last line; nothing waits for the device until then
  std::int64_t summed = 0;
  for (std::int64_t step = 1; step <= options.steps; ++step) {
    const Tensor starts = weft::randint(0, train.starts(), {options.batch}, {device, DType::int64}, batches);
    optimizer.zero_grad();
    const Tensor loss = loss_of(model, train.at(starts));
    loss.backward();
    optimizer.step();
    schedule.step();
    sum.add_(loss.detach());
    ++summed;
    if (step % options.log_every != 0 && step != options.steps) continue;
    const double mean = sum.item() / static_cast<double>(summed);
    if (!std::isfinite(mean)) {
      throw weft::StateError(weft::ErrorCode::value_invalid, "training",
                             "the loss is no longer finite at step " + std::to_string(step) + "; lower --lr");
    }
    sum.zero_();
    summed = 0;
    report.lines.push_back({step, mean});
    std::printf("step %5lld  loss %.4f  perplexity %7.2f  %6.0f characters/s\n", static_cast<long long>(step), mean,
                std::exp(mean),
                static_cast<double>(step * options.batch * options.context) / std::max(seconds_since(start), 1e-9));
    std::fflush(stdout);
  }
  report.seconds = seconds_since(start);
  report.tokens_per_second =
      static_cast<double>(options.steps * options.batch * options.context) / std::max(report.seconds, 1e-9);
  report.validation_loss = evaluate(model, validation, options.context, options.batch, device);
  std::printf("validation loss %.4f  perplexity %.2f\n", report.validation_loss, std::exp(report.validation_loss));
  if (options.sample > 0) {
    report.sample = write_sample(model, vocabulary, options, device);
    std::printf("----\n%s\n----\n", report.sample.c_str());
  }
  if (!options.json.empty()) write_json(options.json, report, options);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const int status = parse_options(argc, argv, options);
  if (status >= 0) return status;
  try {
    return run(options);
  } catch (const weft::DeviceError& e) {
    const bool missing =
        e.code() == weft::ErrorCode::device_unavailable || e.code() == weft::ErrorCode::plugin_incompatible;
    std::fprintf(stderr, "%schar_transformer: %s\n", missing ? "" : "\n", e.what());
    return missing ? 2 : 1;  // 2: what was asked for is not to be had here
  } catch (const std::exception& e) {
    std::fprintf(stderr, "\nchar_transformer: %s\n", e.what());
    return 1;
  }
}
