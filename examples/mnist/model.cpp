#include "model.h"

namespace nn = weft::nn;

std::shared_ptr<nn::Sequential> make_mlp(std::int64_t inputs, const std::vector<std::int64_t>& hidden,
                                         std::int64_t classes, double dropout) {
  auto model = std::make_shared<nn::Sequential>();
  model->push_back(nn::Flatten());
  std::int64_t width = inputs;
  for (const std::int64_t next : hidden) {
    if (dropout > 0) model->push_back(nn::Dropout(dropout));
    model->push_back(nn::Linear(width, next)).push_back(nn::ReLU());
    width = next;
  }
  if (dropout > 0) model->push_back(nn::Dropout(dropout));
  model->push_back(nn::Linear(width, classes));
  return model;
}

std::shared_ptr<nn::Sequential> make_lenet5(const weft::Shape& image, std::int64_t classes, double dropout) {
  if (image.rank() != 3 || image[1] != 28 || image[2] != 28) {
    throw weft::ShapeError(weft::ErrorCode::shape_mismatch, "train_mnist",
                           "the cnn takes images (channels, 28, 28), these are " + weft::to_string(image));
  }
  auto model = std::make_shared<nn::Sequential>();
  model->push_back(nn::Conv2d(image[0], 6, 5, {.padding = 2})).push_back(nn::ReLU()).push_back(nn::MaxPool2d(2));
  model->push_back(nn::Conv2d(6, 16, 5)).push_back(nn::ReLU()).push_back(nn::MaxPool2d(2));
  model->push_back(nn::Flatten());  // 16 planes of 5 x 5
  const auto fully_connected = [&](std::int64_t in, std::int64_t out) {
    if (dropout > 0) model->push_back(nn::Dropout(dropout));
    model->push_back(nn::Linear(in, out));
  };
  fully_connected(400, 120);
  model->push_back(nn::ReLU());
  fully_connected(120, 84);
  model->push_back(nn::ReLU());
  fully_connected(84, classes);
  return model;
}

std::shared_ptr<nn::Sequential> make_model(const Options& options, const weft::Shape& image, std::int64_t classes) {
  if (options.model == "cnn") return make_lenet5(image, classes, options.dropout);
  return make_mlp(image.numel(), options.hidden, classes, options.dropout);
}
