#pragma once
// Carrying tensors and parameters over to LibTorch, and how far apart two results are.

#include <gtest/gtest.h>

#include <torch/torch.h>

#include <weft/weft.h>

namespace weft::test {

/// A copy on the host; T is the tensor's own type.
template <class T>
torch::Tensor to_torch(const Tensor& tensor) {
  const Tensor host = tensor.detach().to(serial()).contiguous();
  const std::vector<std::int64_t> extents(host.shape().begin(), host.shape().end());
  return torch::from_blob(const_cast<T*>(host.data<T>()), extents, torch::CppTypeToScalarType<T>::value).clone();
}

/// ||a - b|| / ||b||, b being LibTorch's
template <class T>
double distance(const Tensor& ours, const torch::Tensor& theirs) {
  const torch::Tensor a = to_torch<T>(ours).to(torch::kFloat64), b = theirs.detach().to(torch::kFloat64);
  return ((a - b).norm() / b.norm()).item<double>();
}

/// The parameters of `ours` under the same names, in `theirs`, which becomes a module of T.
template <class T>
void copy_by_name(const nn::Module& ours, torch::nn::Module& theirs) {
  theirs.to(torch::CppTypeToScalarType<T>::value);
  const torch::NoGradGuard off;
  auto named = theirs.named_parameters();
  ASSERT_EQ(named.size(), ours.named_parameters().size());
  for (const auto& [name, tensor] : ours.named_parameters()) {
    torch::Tensor* target = named.find(name);
    ASSERT_NE(target, nullptr) << name;
    target->copy_(to_torch<T>(tensor));
  }
}

}  // namespace weft::test
