// Fine-tuning: a network that knows the ten digits learns, from a few hundred examples, to tell even from odd.
//
//     finetune [cpu|serial|cuda] [pretrained.safetensors]
//
// The file may come from PyTorch:  safetensors.torch.save_file(model.state_dict(), "pretrained.safetensors")  where
//     model.features = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
//     model.classifier = nn.Linear(64, 10)
// Without one the program makes its own first, under the same names.

#include <cstdio>
#include <filesystem>
#include <string>

#include <weft/weft.h>

namespace nn = weft::nn;

struct Net : nn::Module {
  explicit Net(std::int64_t classes) : head(register_module("head", nn::Linear(64, classes))) {}
  weft::Tensor forward(const weft::Tensor& x) override { return head(body(x)); }

  nn::Ptr<nn::Sequential> body =
      register_module("body", nn::Sequential{nn::Linear(784, 128), nn::ReLU(), nn::Linear(128, 64), nn::ReLU()});
  nn::Ptr<nn::Linear> head;
};

struct Data {
  weft::Tensor x, labels;  // (n, 784) in 0 .. 1, (n) int64
};

Data digits(weft::Split split, std::int64_t n, std::uint64_t seed, weft::Device device) {
  const weft::ImageDataset set = weft::synthetic_digits(split, n, seed);
  return {set.images().to(device).to(weft::DType::float32).reshape({n, 784}) / 255, set.labels().to(device)};
}

/// 0 for an even digit, 1 for an odd one: the digit's row of a table.
Data odd_or_even(const Data& digits) {
  const weft::Tensor table = weft::tensor({0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, weft::DType::int64).to(digits.x.device());
  return {digits.x, weft::index_select(table, 0, digits.labels)};
}

void train(Net& net, const Data& data, nn::Optimizer& optimizer, int epochs) {
  const std::int64_t n = data.x.size(0), batch = 50;
  nn::OneCycleLR schedule(optimizer, {.max_lr = optimizer.lr(), .total_steps = epochs * n / batch});
  net.train();
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const weft::Tensor order = weft::randperm(n, data.x.device());
    for (std::int64_t start = 0; start < n; start += batch) {
      const weft::Tensor rows = order.narrow(0, start, batch);
      optimizer.zero_grad();
      const weft::Tensor logits = net(weft::index_select(data.x, 0, rows));
      weft::cross_entropy(logits, weft::index_select(data.labels, 0, rows)).backward();
      nn::clip_grad_norm_(net.parameters(), 1.0);
      optimizer.step();
      schedule.step();
    }
  }
}

double accuracy(Net& net, const Data& data) {
  const weft::NoGrad off;
  net.eval();
  return nn::accuracy(net(data.x), data.labels).item();
}

/// What PyTorch would have written: the same values under its names.
void write_pretrained(const std::string& path, weft::Device device) {
  Net net(10);
  net.to(device);
  nn::AdamW optimizer(net.parameters(), {.lr = 2e-3});
  train(net, digits(weft::Split::train, 4000, 1, device), optimizer, 4);
  nn::StateDict state;
  for (const auto& [name, tensor] : net.state_dict()) {
    state.push_back({(name[0] == 'b' ? "features" : "classifier") + name.substr(4), tensor});
  }
  weft::save_safetensors(path, state);
}

int main(int argc, char** argv) try {
  const weft::Device device = weft::parse_device(argc > 1 ? argv[1] : "cpu");
  weft::manual_seed(1);
  std::string path = argc > 2 ? argv[2] : "";
  if (path.empty()) {
    path = (std::filesystem::temp_directory_path() / "weft_pretrained.safetensors").string();
    write_pretrained(path, device);
  }
  const Data few = odd_or_even(digits(weft::Split::train, 300, 2, device));
  const Data test = odd_or_even(digits(weft::Split::test, 3000, 1, device));

  Net net(10);
  net.to(device);
  net.load_state_dict(weft::load_safetensors(path).tensors, true, {{"features.", "body."}, {"classifier.", "head."}});
  net.head = net.replace_module("head", nn::Linear(64, 2, true, device));  // two classes instead of ten
  std::printf("%s", nn::summary(net, weft::Shape{1, 784}).c_str());

  net.body->requires_grad_(false);  // frozen: without gradients the optimiser leaves it alone
  nn::AdamW head_only(net.head->parameters(), {.lr = 1e-2});
  train(net, few, head_only, 10);
  std::printf("new head on the frozen body:  %.1f %%\n", 100 * accuracy(net, test));

  net.body->requires_grad_(true);  // and now all of it, what is already good more slowly
  nn::AdamW both({{net.head->parameters(), {.lr = 2e-3}}, {net.body->parameters(), {.lr = 5e-4}}});
  train(net, few, both, 10);
  std::printf("after fine-tuning everything: %.1f %%\n", 100 * accuracy(net, test));
} catch (const weft::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
