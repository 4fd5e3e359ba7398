#pragma once
// The inputs weft must refuse, as one table. A row says what is done and how it must fail; refusals_test.cpp runs every
// row and checks that it throws a weft::Error with that code, that the message names what it should, and that the
// tensors involved are unchanged. Identifiers are stable: letters name the subject (T tensors, O operations, A
// autograd, N modules and optimisers, D devices, I IDX files, S safetensors, Y npy and npz, L loading and training, C
// CSV tables), numbers the case.

#include <functional>
#include <string>
#include <vector>

#include <weft/core/error.h>
#include <weft/tensor/tensor.h>

namespace weft::test {

/// What a row works on. Tensors it keeps must have the same bytes, shape and strides after the refusal as before.
class Bench {
 public:
  /// Remembers the tensor as it is now.
  Tensor keep(const Tensor& tensor);
  void expect_unchanged() const;
  /// A file in a folder of the row's own, with these bytes.
  std::string file(const std::string& name, const std::string& bytes);
  /// The row's own folder.
  const std::string& folder();

  ~Bench();

 private:
  struct Kept {
    Tensor tensor;
    Shape shape;
    Strides strides;
    std::vector<double> values;
  };
  std::vector<Kept> kept_;
  std::string folder_;
};

struct Refusal {
  const char* id;
  const char* what;
  std::function<void(Bench&)> act;
  ErrorCode code;
  std::vector<std::string> words;  ///< all of them are in the message
};

std::vector<Refusal> tensor_refusals();
std::vector<Refusal> operation_refusals();
std::vector<Refusal> norm_refusals();
std::vector<Refusal> indexing_refusals();
std::vector<Refusal> function_refusals();
std::vector<Refusal> window_refusals();  ///< convolution and pooling
std::vector<Refusal> autograd_refusals();
std::vector<Refusal> module_refusals();
std::vector<Refusal> device_refusals();
std::vector<Refusal> idx_refusals();
std::vector<Refusal> safetensors_refusals();
std::vector<Refusal> npy_refusals();
std::vector<Refusal> loader_refusals();
std::vector<Refusal> data_set_refusals();

/// A case that is known and has nothing to refuse it yet: printed, so that it is not forgotten.
struct NotDue {
  const char* ids;
  const char* why;
};
std::vector<NotDue> not_due();

}  // namespace weft::test
