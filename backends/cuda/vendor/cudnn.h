#pragma once
// Private: the functions of cuDNN 9 that weft calls: the convolution calls of its "legacy" interface, which 9 still
// has. The table is filled at the first convolution. Pooling and normalisation are kernels of weft's own.

#include <cudnn.h>

namespace weft::backends::cuda {

struct Cudnn {
  decltype(&::cudnnCreate) create;
  decltype(&::cudnnSetStream) set_stream;
  decltype(&::cudnnGetVersion) version;
  decltype(&::cudnnGetErrorString) error_text;
  decltype(&::cudnnCreateTensorDescriptor) tensor_create;
  decltype(&::cudnnDestroyTensorDescriptor) tensor_destroy;
  decltype(&::cudnnSetTensorNdDescriptor) tensor_set;
  decltype(&::cudnnCreateFilterDescriptor) filter_create;
  decltype(&::cudnnDestroyFilterDescriptor) filter_destroy;
  decltype(&::cudnnSetFilterNdDescriptor) filter_set;
  decltype(&::cudnnCreateConvolutionDescriptor) convolution_create;
  decltype(&::cudnnDestroyConvolutionDescriptor) convolution_destroy;
  decltype(&::cudnnSetConvolutionNdDescriptor) convolution_set;
  decltype(&::cudnnSetConvolutionGroupCount) convolution_groups;
  decltype(&::cudnnSetConvolutionMathType) convolution_math;
  decltype(&::cudnnGetConvolutionForwardAlgorithm_v7) forward_algorithms;
  decltype(&::cudnnGetConvolutionBackwardDataAlgorithm_v7) data_algorithms;
  decltype(&::cudnnGetConvolutionBackwardFilterAlgorithm_v7) filter_algorithms;
  decltype(&::cudnnGetConvolutionForwardWorkspaceSize) forward_workspace;
  decltype(&::cudnnGetConvolutionBackwardDataWorkspaceSize) data_workspace;
  decltype(&::cudnnGetConvolutionBackwardFilterWorkspaceSize) filter_workspace;
  decltype(&::cudnnConvolutionForward) forward;
  decltype(&::cudnnConvolutionBackwardData) backward_data;
  decltype(&::cudnnConvolutionBackwardFilter) backward_filter;
};

/// Opens the library at the first call; throws DeviceError where it cannot be had. Thread-safe.
const Cudnn& cudnn();

/// Throws DeviceError with the library's own text, naming the call and the public operation.
void check(cudnnStatus_t status, const char* call);

}  // namespace weft::backends::cuda
