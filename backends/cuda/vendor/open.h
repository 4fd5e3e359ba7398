#pragma once
// Private: NVIDIA's libraries, opened when they are first needed and never closed. None is linked: a program that asks
// for no convolution needs no cuDNN. The CUDA-on-CPU harness links another definition of these two functions.

#include <string>

namespace weft::backends::cuda {

enum class Library { cublaslt, cudnn, nvml, cupti };

/// The function of that name, or null: then vendor_missing() says why.
void* vendor_symbol(Library library, const char* name) noexcept;

/// Empty while the library is there, otherwise a sentence: which file was looked for, where, and what dlopen said.
std::string vendor_missing(Library library);

/// Fills one entry of a function table; throws DeviceError where `vendor_symbol` has none, naming the public call.
[[noreturn]] void refuse_without(Library library, const char* name);
template <class F>
void fill_entry(Library library, const char* name, F*& entry) {
  void* symbol = vendor_symbol(library, name);
  if (symbol == nullptr) refuse_without(library, name);
  entry = reinterpret_cast<F*>(symbol);
}

}  // namespace weft::backends::cuda
