#pragma once
// Private: operands as contiguous arrays of the dtype a kernel computes in, copied only where they are not that
// already.

#include <weft/backends/backend.h>
#include <weft/backends/cpu/scratch.h>

namespace weft::backends::cpu {

/// An input of any strides and dtype as an array of `dtype`. A null view stays null.
class DenseInput {
 public:
  DenseInput(Backend& backend, const TensorView& view, DType dtype) : data_(view.data) {
    if (view.data == nullptr || (view.dtype == dtype && view.is_contiguous())) return;
    data_ = copied_.get(view.numel() * static_cast<std::int64_t>(item_size(dtype)));
    backend.copy(view, contiguous_view(copied_.data(), dtype, view.shape));
  }
  const void* data() const noexcept { return data_; }
  template <class T>
  const T* as() const noexcept {
    return static_cast<const T*>(data_);
  }

 private:
  const void* data_;
  Scratch<char> copied_;
};

/// Where results go: out itself if it is contiguous and of the right dtype, else a temporary that finish() copies to
/// it. A null view stays null.
class DenseOutput {
 public:
  DenseOutput(Backend& backend, const TensorView& out, DType dtype)
      : backend_(backend), out_(out), dtype_(dtype), data_(out.data) {
    if (out.data == nullptr || (out.dtype == dtype && out.is_contiguous())) return;
    data_ = temporary_.get(out.numel() * static_cast<std::int64_t>(item_size(dtype)));
  }
  void finish() {
    if (temporary_.data() != nullptr) backend_.copy(contiguous_view(data_, dtype_, out_.shape), out_);
  }
  void* data() const noexcept { return data_; }
  template <class T>
  T* as() const noexcept {
    return static_cast<T*>(data_);
  }

 private:
  Backend& backend_;
  TensorView out_;
  DType dtype_;
  void* data_;
  Scratch<char> temporary_;
};

}  // namespace weft::backends::cpu
