#pragma once
// The networks of train_mnist.

#include <memory>
#include <vector>

#include <weft/weft.h>

#include "options.h"

/// inputs -> hidden... -> classes with ReLU between, dropout before every layer where p > 0. PyTorch's initialisation.
std::shared_ptr<weft::nn::Sequential> make_mlp(std::int64_t inputs, const std::vector<std::int64_t>& hidden,
                                               std::int64_t classes, double dropout);

/// LeNet-5 as it is taught today, after LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
/// recognition" (1998): 5x5 convolutions to 6 and 16 channels, each halved by pooling, then 120, 84 and `classes`
/// units. Of the paper's network it keeps the extents (28x28 digits padded to 32x32 are padding 2 in the first
/// convolution); ReLU, max pooling, full connections between the convolutions and a softmax take the place of its
/// scaled tanh, trainable averages, hand-picked connections and radial basis functions. Dropout, where p > 0, comes
/// before each fully connected layer. Images are (channels, 28, 28); other extents are refused.
std::shared_ptr<weft::nn::Sequential> make_lenet5(const weft::Shape& image, std::int64_t classes, double dropout);

/// What --model asks for.
std::shared_ptr<weft::nn::Sequential> make_model(const Options& options, const weft::Shape& image,
                                                 std::int64_t classes);
