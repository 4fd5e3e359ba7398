#pragma once
// Private: an Argument as something that can be walked: a number becomes one element with stride 0 everywhere.

#include <weft/backends/cpu/dispatch.h>
#include <weft/backends/op_args.h>

namespace weft::backends::cpu {

class NumberOr {
 public:
  NumberOr(const Argument& argument, DType dtype) {
    if (argument.is_number) {
      dispatch(dtype, [&](auto type) {
        using T = typename decltype(type)::type;
        const T value = argument.number.to<T>();
        static_assert(sizeof value <= sizeof number_);
        __builtin_memcpy(number_, &value, sizeof value);
      });
      data_ = number_;
      strides_ = Strides::filled(max_rank, 0);
    } else {
      data_ = argument.view.data;
      strides_ = argument.view.strides;
    }
  }
  NumberOr(const NumberOr&) = delete;  // data_ may point into this object
  NumberOr& operator=(const NumberOr&) = delete;

  const void* data() const noexcept { return data_; }
  const Strides* strides() const noexcept { return &strides_; }

 private:
  alignas(8) char number_[8];
  const void* data_;
  Strides strides_;
};

}  // namespace weft::backends::cpu
