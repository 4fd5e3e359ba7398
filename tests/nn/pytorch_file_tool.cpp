// The network of pytorch_file_test.py, with the layers and names PyTorch gives them: loads its file, computes its
// input.
//
//     pytorch_file_tool FILE [serial|cpu]     prints the largest differences from what PyTorch computed, relative to
//                                             the norm of it: "output 1.2e-07", "attention 8e-08", ...

#include <cstdio>
#include <exception>

#include <weft/weft.h>

namespace nn = weft::nn;
using weft::Tensor;

namespace {

struct Net : nn::Module {
  nn::Ptr<nn::Conv2d> stem = register_module("stem", nn::Conv2d(3, 8, 3, {.stride = 2, .padding = 1}));
  nn::Ptr<nn::BatchNorm2d> bn = register_module("bn", nn::BatchNorm2d(8));
  nn::Ptr<nn::Conv2d> depthwise =
      register_module("depthwise", nn::Conv2d(8, 16, 3, {.padding = 1, .groups = 8}, false));
  nn::Ptr<nn::GroupNorm> gn = register_module("gn", nn::GroupNorm(4, 16));
  nn::Ptr<nn::ConvTranspose2d> up = register_module("up", nn::ConvTranspose2d(16, 8, 2, {.stride = 2}));
  nn::Ptr<nn::Conv1d> line = register_module("line", nn::Conv1d(8, 12, 5, {.padding = 4, .dilation = 2}));
  nn::Ptr<nn::LayerNorm> ln = register_module("ln", nn::LayerNorm({12}));
  nn::Ptr<nn::Embedding> words = register_module("words", nn::Embedding(20, 12));
  nn::Ptr<nn::MultiheadAttention> attention =
      register_module("attention", nn::MultiheadAttention(12, 3, 0.0, true, true));
  nn::Ptr<nn::Linear> head = register_module("head", nn::Linear(12, 5));

  Tensor windows(const Tensor& image) {
    return up(weft::relu(gn(depthwise(weft::relu(bn(stem(image)))))));  // (N, 8, 8, 8)
  }
  Tensor attend(const Tensor& image, const Tensor& tokens) {
    const Tensor memory = ln(line(windows(image).flatten(2)).transpose(1, 2));  // (N, 64, 12)
    return attention->forward(words(tokens), memory, memory);
  }
};

double distance(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(weft::DType::float64), y = b.to(weft::DType::float64);
  return weft::norm(x - y).item() / weft::norm(y).item();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const weft::Device device = weft::parse_device(argc > 2 ? argv[2] : "cpu");
    const weft::Safetensors file = weft::load_safetensors(argv[1]);
    const auto given = [&](const char* name) {
      for (const weft::NamedTensor& entry : file.tensors) {
        if (entry.name == name) return entry.tensor.to(device);
      }
      throw weft::ValueError(weft::ErrorCode::value_invalid, "pytorch_file_tool", std::string("no tensor ") + name);
    };
    Net net;
    net.to(device);
    // What belongs to the model is under "model."; the rest are inputs and results.
    net.load_state_dict(file.tensors, true, nn::KeyMap([](const std::string& name) {
                          return name.substr(0, 6) == "model." ? name.substr(6) : std::string();
                        }));
    net.eval();
    const weft::NoGrad off;
    const Tensor image = given("image"), tokens = given("tokens");
    std::printf("windows %g\n", distance(net.windows(image), given("windows")));
    const Tensor attended = net.attend(image, tokens);
    std::printf("attention %g\n", distance(attended, given("attended")));
    std::printf("output %g\n", distance(net.head(attended), given("output")));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pytorch_file_tool: %s\n", error.what());
    return 1;
  }
}
