#pragma once
// LibTorch's side of the op-case table: what a row is called there. torch.h is a gigabyte to compile, so it is included
// in as few files as possible.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <torch/torch.h>

namespace weft::test {

using TorchCall = std::function<torch::Tensor(const std::vector<torch::Tensor>&)>;

/// By row name. A row that is not here has no counterpart in LibTorch, or is listed in without_counterpart().
const std::map<std::string, TorchCall>& torch_functions();

// One function per family, in a file of its own.
void add_norm_functions(std::map<std::string, TorchCall>& table);
void add_index_functions(std::map<std::string, TorchCall>& table);
void add_torch_elementwise(std::map<std::string, TorchCall>& table);
void add_torch_reduce(std::map<std::string, TorchCall>& table);
void add_torch_losses(std::map<std::string, TorchCall>& table);
void add_window_functions(std::map<std::string, TorchCall>& table);  // convolution and pooling
void add_attention_functions(std::map<std::string, TorchCall>& table);

/// Rows LibTorch does not have, or computes by another rule, with the reason.
const std::map<std::string, std::string>& without_counterpart();

}  // namespace weft::test
