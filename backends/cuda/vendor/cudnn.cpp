#include <weft/backends/cuda/vendor/cudnn.h>

#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/vendor/open.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::cuda {
namespace {

Cudnn filled() {
  Cudnn t{};
  constexpr Library from = Library::cudnn;
  fill_entry(from, "cudnnCreate", t.create);
  fill_entry(from, "cudnnSetStream", t.set_stream);
  fill_entry(from, "cudnnGetVersion", t.version);
  fill_entry(from, "cudnnGetErrorString", t.error_text);
  fill_entry(from, "cudnnCreateTensorDescriptor", t.tensor_create);
  fill_entry(from, "cudnnDestroyTensorDescriptor", t.tensor_destroy);
  fill_entry(from, "cudnnSetTensorNdDescriptor", t.tensor_set);
  fill_entry(from, "cudnnCreateFilterDescriptor", t.filter_create);
  fill_entry(from, "cudnnDestroyFilterDescriptor", t.filter_destroy);
  fill_entry(from, "cudnnSetFilterNdDescriptor", t.filter_set);
  fill_entry(from, "cudnnCreateConvolutionDescriptor", t.convolution_create);
  fill_entry(from, "cudnnDestroyConvolutionDescriptor", t.convolution_destroy);
  fill_entry(from, "cudnnSetConvolutionNdDescriptor", t.convolution_set);
  fill_entry(from, "cudnnSetConvolutionGroupCount", t.convolution_groups);
  fill_entry(from, "cudnnSetConvolutionMathType", t.convolution_math);
  fill_entry(from, "cudnnGetConvolutionForwardAlgorithm_v7", t.forward_algorithms);
  fill_entry(from, "cudnnGetConvolutionBackwardDataAlgorithm_v7", t.data_algorithms);
  fill_entry(from, "cudnnGetConvolutionBackwardFilterAlgorithm_v7", t.filter_algorithms);
  fill_entry(from, "cudnnGetConvolutionForwardWorkspaceSize", t.forward_workspace);
  fill_entry(from, "cudnnGetConvolutionBackwardDataWorkspaceSize", t.data_workspace);
  fill_entry(from, "cudnnGetConvolutionBackwardFilterWorkspaceSize", t.filter_workspace);
  fill_entry(from, "cudnnConvolutionForward", t.forward);
  fill_entry(from, "cudnnConvolutionBackwardData", t.backward_data);
  fill_entry(from, "cudnnConvolutionBackwardFilter", t.backward_filter);
  return t;
}

}  // namespace

const Cudnn& cudnn() {
  static const Cudnn table = filled();  // a throw leaves it unmade: the next convolution tries again
  return table;
}

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw DeviceError(ErrorCode::device_failure, call_name("conv"), message(call, " says ", cudnn().error_text(status)),
                    call_site());
}

}  // namespace weft::backends::cuda
