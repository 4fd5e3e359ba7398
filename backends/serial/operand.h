#pragma once
// An Argument as something that can be walked: a number becomes one element with stride 0 everywhere.

#include <weft/backends/op_args.h>

namespace weft::backends::serial {

template <class T>
struct OperandOf {
  explicit OperandOf(const Argument& argument)
      : number(argument.number.to<T>()),
        data(argument.is_number ? &number : argument.view.as<const T>()),
        strides(argument.is_number ? Strides::filled(max_rank, 0) : argument.view.strides) {}
  OperandOf(const OperandOf&) = delete;  // data may point into this object

  T number;
  const T* data;
  Strides strides;
};

}  // namespace weft::backends::serial
