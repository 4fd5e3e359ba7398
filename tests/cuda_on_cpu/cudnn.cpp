#include <cudnn.h>

#include <cstring>
#include <string>

#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"
#include "cuda_on_cpu/vendor.h"
#include "cuda_on_cpu/watch.h"

// cuDNN's convolution calls as its documentation describes them. The first algorithm proposed is a tempting one that is
// not exact, or not deterministic, and shows it.

namespace weft_harness {
namespace {

struct Tensor {
  cudnnDataType_t type{};
  int rank = 0;
  int extents[8] = {};
  int strides[8] = {};
};
struct Filter {
  cudnnDataType_t type{};
  int rank = 0;
  int extents[8] = {};
};
struct Convolution {
  int spatial = 0;
  int padding[3] = {}, stride[3] = {}, dilation[3] = {};
  cudnnDataType_t compute{};
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
  int groups = 1;
};
struct Handle {
  cudaStream_t stream = nullptr;
};

template <class T, class P>
T& as(P p) {
  return *reinterpret_cast<T*>(const_cast<void*>(static_cast<const void*>(p)));
}

bool say(const std::string& text) {
  report("cuDNN: " + text);
  return false;
}

cudaDataType_t plain(cudnnDataType_t type) {
  switch (type) {
    case CUDNN_DATA_DOUBLE:
      return CUDA_R_64F;
    case CUDNN_DATA_HALF:
      return CUDA_R_16F;
    case CUDNN_DATA_BFLOAT16:
      return CUDA_R_16BF;
    default:
      return CUDA_R_32F;
  }
}

/// Axes N, C and three spatial ones, those that are not there with extent 1.
void spread(int rank, const int* from, int (&to)[5]) {
  for (int& e : to) e = 1;
  to[0] = from[0];
  to[1] = from[1];
  for (int i = 2; i < rank; ++i) to[5 - rank + i] = from[i];
}

bool is_packed(const Tensor& t) {
  int step = 1;
  for (int i = t.rank - 1; i >= 0; --i) {
    if (t.strides[i] != step) return false;
    step *= t.extents[i];
  }
  return true;
}

/// Holds what the documentation says of the descriptions together; false after a report.
bool shape_of(const Tensor& x, const Filter& w, const Convolution& c, const Tensor& y, ConvolutionShape& s) {
  if (x.rank != w.rank || x.rank != y.rank || x.rank != c.spatial + 2) return say("the ranks of a convolution differ");
  if (x.type != w.type || x.type != y.type) return say("the data types of a convolution differ");
  const bool wide = x.type == CUDNN_DATA_DOUBLE;
  if (wide ? c.compute != CUDNN_DATA_DOUBLE : c.compute != CUDNN_DATA_FLOAT) {
    return say("a convolution of this data type computes in " + std::string(wide ? "double" : "float"));
  }
  if (!is_packed(x) || !is_packed(y)) return say("the stand-in knows packed tensors only");
  if (x.extents[1] != w.extents[1] * c.groups || w.extents[0] % c.groups != 0)
    return say("channels and groups do not agree");
  if (y.extents[0] != x.extents[0] || y.extents[1] != w.extents[0]) return say("y has another batch or other channels");
  for (int i = 0; i < c.spatial; ++i) {
    const int reach = (w.extents[2 + i] - 1) * c.dilation[i] + 1;
    const int expected = 1 + (x.extents[2 + i] + 2 * c.padding[i] - reach) / c.stride[i];
    if (y.extents[2 + i] != expected) {
      return say("y has " + std::to_string(y.extents[2 + i]) + " positions along an axis where the convolution has " +
                 std::to_string(expected));
    }
  }
  s.spatial = c.spatial;
  spread(x.rank, x.extents, s.x);
  spread(w.rank, w.extents, s.w);
  spread(y.rank, y.extents, s.y);
  for (int i = 0; i < c.spatial; ++i) {
    s.padding[3 - c.spatial + i] = c.padding[i];
    s.stride[3 - c.spatial + i] = c.stride[i];
    s.dilation[3 - c.spatial + i] = c.dilation[i];
  }
  s.groups = c.groups;
  s.type = plain(x.type);
  return true;
}

std::size_t bytes(const int (&e)[5], cudaDataType_t type) {
  std::size_t n = bytes_of(type);
  for (const int extent : e) n *= static_cast<std::size_t>(extent);
  return n;
}

/// What an algorithm needs, and by how much it is off.
struct Choice {
  int algorithm;
  std::size_t workspace;
  bool deterministic;
  double error;
};
constexpr Choice forward_choices[] = {{CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, 8192, true, 1e-3},
                                      {CUDNN_CONVOLUTION_FWD_ALGO_FFT, 8192, true, 1e-3},
                                      {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, 2048, true, 0},
                                      {CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM, 0, true, 0}};
constexpr Choice data_choices[] = {{CUDNN_CONVOLUTION_BWD_DATA_ALGO_WINOGRAD, 8192, true, 1e-3},
                                   {CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, 0, false, 1e-3},
                                   {CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, 4096, true, 0}};
constexpr Choice filter_choices[] = {{CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, 0, false, 1e-3},
                                     {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3, 1024, false, 1e-3},
                                     {CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1, 4096, true, 0}};

template <std::size_t N, class Result>
void propose(const Choice (&choices)[N], const Convolution& c, int wanted, int* found, Result* results) {
  *found = 0;
  for (const Choice& choice : choices) {
    if (*found == wanted) return;
    Result& r = results[(*found)++];
    r = {};
    r.algo = static_cast<decltype(r.algo)>(choice.algorithm);
    r.status = CUDNN_STATUS_SUCCESS;
    r.time = -1;
    r.memory = choice.workspace;
    r.determinism = choice.deterministic ? CUDNN_DETERMINISTIC : CUDNN_NON_DETERMINISTIC;
    r.mathType = c.math;
  }
}

template <std::size_t N>
const Choice* find(const Choice (&choices)[N], int algorithm) {
  for (const Choice& choice : choices) {
    if (choice.algorithm == algorithm) return &choice;
  }
  say("algorithm " + std::to_string(algorithm) + " was never proposed");
  return nullptr;
}

cudnnStatus_t queue(Handle& handle, const char* name, const ConvolutionShape& s, ConvolutionPass pass,
                    const Choice* choice, void* x, void* w, void* y, void* workspace, std::size_t workspace_bytes,
                    double alpha, double beta) {
  if (choice == nullptr) return CUDNN_STATUS_NOT_SUPPORTED;
  if (planted(Bug::workspace_none)) workspace = nullptr, workspace_bytes = 0;
  if (workspace_bytes < choice->workspace || (workspace == nullptr && choice->workspace > 0)) {
    say(std::string(name) + " needs a workspace of " + std::to_string(choice->workspace) + " bytes and was given " +
        std::to_string(workspace == nullptr ? 0 : workspace_bytes));
    return CUDNN_STATUS_BAD_PARAM;
  }
  const std::string label = name;
  const auto here = [&](const char* what, const void* p, std::size_t n) {
    return in_device_memory((label + ": " + what).c_str(), p, n);
  };
  if (!here("x", x, bytes(s.x, s.type)) || !here("w", w, bytes(s.w, s.type)) || !here("y", y, bytes(s.y, s.type)) ||
      (choice->workspace > 0 && !here("workspace", workspace, choice->workspace))) {
    return CUDNN_STATUS_BAD_PARAM;
  }
  for (const void* p : {static_cast<const void*>(x), static_cast<const void*>(w), static_cast<const void*>(y)}) {
    if (reinterpret_cast<std::uintptr_t>(p) % bytes_of(s.type) != 0) {
      say(label + ": a tensor is misaligned");
      return CUDNN_STATUS_BAD_PARAM;
    }
  }
  const std::size_t used = choice->workspace;
  const double error = choice->error;
  const auto run = [=] {
    void* out = pass == ConvolutionPass::forward ? y : pass == ConvolutionPass::data ? x : w;
    const std::size_t out_bytes = pass == ConvolutionPass::forward ? bytes(s.y, s.type)
                                  : pass == ConvolutionPass::data  ? bytes(s.x, s.type)
                                                                   : bytes(s.w, s.type);
    if (out != x && !readable((label + ": x").c_str(), x, bytes(s.x, s.type))) return;
    if (out != w && !readable((label + ": w").c_str(), w, bytes(s.w, s.type))) return;
    if (out != y && !readable((label + ": y").c_str(), y, bytes(s.y, s.type))) return;
    if (!writable((label + ": result").c_str(), out, out_bytes)) return;
    if (beta != 0 && !readable((label + ": result").c_str(), out, out_bytes)) return;
    if (used > 0) {
      if (!writable((label + ": workspace").c_str(), workspace, used)) return;
      std::memset(workspace, 0xAB, used);
      watch_written(workspace, used);
    }
    convolve(s, pass, x, w, y, alpha, beta, error);
    watch_written(out, out_bytes);
  };
  return put_vendor_call(name, handle.stream, run) ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

double scalar(cudnnDataType_t type, const void* p) {
  return load(type == CUDNN_DATA_DOUBLE ? CUDA_R_64F : CUDA_R_32F, p, 0);
}

// ---- the functions

cudnnStatus_t create(cudnnHandle_t* handle) {
  const std::lock_guard lock(device_lock());
  if (refuse_in_capture("cudnnCreate", nullptr) != cudaSuccess) return CUDNN_STATUS_NOT_INITIALIZED;
  *handle = reinterpret_cast<cudnnHandle_t>(new Handle);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t set_stream(cudnnHandle_t handle, cudaStream_t stream) {
  as<Handle>(handle).stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
std::size_t version() { return CUDNN_VERSION; }
const char* error_text(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUCCESS            ? "CUDNN_STATUS_SUCCESS"
         : status == CUDNN_STATUS_BAD_PARAM        ? "CUDNN_STATUS_BAD_PARAM"
         : status == CUDNN_STATUS_NOT_SUPPORTED    ? "CUDNN_STATUS_NOT_SUPPORTED"
         : status == CUDNN_STATUS_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED"
                                                   : "another cuDNN status";
}

cudnnStatus_t tensor_create(cudnnTensorDescriptor_t* t) {
  *t = reinterpret_cast<cudnnTensorDescriptor_t>(new Tensor);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t tensor_destroy(cudnnTensorDescriptor_t t) {
  delete &as<Tensor>(t);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t tensor_set(cudnnTensorDescriptor_t p, cudnnDataType_t type, int rank, const int extents[],
                         const int strides[]) {
  if (rank < 4 || rank > 5) {
    say("a tensor of " + std::to_string(rank) + " axes: convolutions take 4 or 5");
    return CUDNN_STATUS_BAD_PARAM;
  }
  Tensor& t = as<Tensor>(p);
  t.type = type;
  t.rank = rank;
  for (int i = 0; i < rank; ++i) {
    if (extents[i] <= 0 || strides[i] <= 0) {
      say("a tensor with an extent or stride below 1");
      return CUDNN_STATUS_BAD_PARAM;
    }
    t.extents[i] = extents[i];
    t.strides[i] = strides[i];
  }
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t filter_create(cudnnFilterDescriptor_t* f) {
  *f = reinterpret_cast<cudnnFilterDescriptor_t>(new Filter);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t filter_destroy(cudnnFilterDescriptor_t f) {
  delete &as<Filter>(f);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t filter_set(cudnnFilterDescriptor_t p, cudnnDataType_t type, cudnnTensorFormat_t format, int rank,
                         const int extents[]) {
  if (rank < 4 || rank > 5 || format != CUDNN_TENSOR_NCHW) {
    say("a filter that is not 4 or 5 axes in NCHW");
    return CUDNN_STATUS_BAD_PARAM;
  }
  Filter& f = as<Filter>(p);
  f.type = type;
  f.rank = rank;
  for (int i = 0; i < rank; ++i) f.extents[i] = extents[i];
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t convolution_create(cudnnConvolutionDescriptor_t* c) {
  *c = reinterpret_cast<cudnnConvolutionDescriptor_t>(new Convolution);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t convolution_destroy(cudnnConvolutionDescriptor_t c) {
  delete &as<Convolution>(c);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t convolution_set(cudnnConvolutionDescriptor_t p, int spatial, const int padding[], const int stride[],
                              const int dilation[], cudnnConvolutionMode_t mode, cudnnDataType_t compute) {
  Convolution& c = as<Convolution>(p);
  if (spatial < 2 || spatial > 3) {
    say("a convolution over " + std::to_string(spatial) + " axes: there are 2 or 3");
    return CUDNN_STATUS_BAD_PARAM;
  }
  if (mode != CUDNN_CROSS_CORRELATION) {
    say("CUDNN_CONVOLUTION turns the kernel round; weft correlates");
    return CUDNN_STATUS_BAD_PARAM;
  }
  c.spatial = spatial;
  c.compute = compute;
  for (int i = 0; i < spatial; ++i) {
    if (padding[i] < 0 || stride[i] < 1 || dilation[i] < 1) {
      say("a convolution with a negative padding, or a stride or dilation below 1");
      return CUDNN_STATUS_BAD_PARAM;
    }
    c.padding[i] = padding[i];
    c.stride[i] = stride[i];
    c.dilation[i] = dilation[i];
  }
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t convolution_groups(cudnnConvolutionDescriptor_t c, int groups) {
  as<Convolution>(c).groups = groups;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t convolution_math(cudnnConvolutionDescriptor_t c, cudnnMathType_t math) {
  as<Convolution>(c).math = math;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t forward_algorithms(cudnnHandle_t, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
                                 cudnnConvolutionDescriptor_t c, cudnnTensorDescriptor_t y, int wanted, int* found,
                                 cudnnConvolutionFwdAlgoPerf_t* results) {
  ConvolutionShape s;
  if (!shape_of(as<Tensor>(x), as<Filter>(w), as<Convolution>(c), as<Tensor>(y), s)) return CUDNN_STATUS_BAD_PARAM;
  propose(forward_choices, as<Convolution>(c), wanted, found, results);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t data_algorithms(cudnnHandle_t, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t y,
                              cudnnConvolutionDescriptor_t c, cudnnTensorDescriptor_t x, int wanted, int* found,
                              cudnnConvolutionBwdDataAlgoPerf_t* results) {
  ConvolutionShape s;
  if (!shape_of(as<Tensor>(x), as<Filter>(w), as<Convolution>(c), as<Tensor>(y), s)) return CUDNN_STATUS_BAD_PARAM;
  propose(data_choices, as<Convolution>(c), wanted, found, results);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t filter_algorithms(cudnnHandle_t, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t y,
                                cudnnConvolutionDescriptor_t c, cudnnFilterDescriptor_t w, int wanted, int* found,
                                cudnnConvolutionBwdFilterAlgoPerf_t* results) {
  ConvolutionShape s;
  if (!shape_of(as<Tensor>(x), as<Filter>(w), as<Convolution>(c), as<Tensor>(y), s)) return CUDNN_STATUS_BAD_PARAM;
  propose(filter_choices, as<Convolution>(c), wanted, found, results);
  return CUDNN_STATUS_SUCCESS;
}

template <std::size_t N>
cudnnStatus_t workspace_of(const Choice (&choices)[N], int algorithm, std::size_t* bytes) {
  const Choice* choice = find(choices, algorithm);
  if (choice == nullptr) return CUDNN_STATUS_NOT_SUPPORTED;
  *bytes = choice->workspace;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t forward_workspace(cudnnHandle_t, cudnnTensorDescriptor_t, cudnnFilterDescriptor_t,
                                cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t,
                                cudnnConvolutionFwdAlgo_t algorithm, std::size_t* bytes) {
  return workspace_of(forward_choices, algorithm, bytes);
}
cudnnStatus_t data_workspace(cudnnHandle_t, cudnnFilterDescriptor_t, cudnnTensorDescriptor_t,
                             cudnnConvolutionDescriptor_t, cudnnTensorDescriptor_t,
                             cudnnConvolutionBwdDataAlgo_t algorithm, std::size_t* bytes) {
  return workspace_of(data_choices, algorithm, bytes);
}
cudnnStatus_t filter_workspace(cudnnHandle_t, cudnnTensorDescriptor_t, cudnnTensorDescriptor_t,
                               cudnnConvolutionDescriptor_t, cudnnFilterDescriptor_t,
                               cudnnConvolutionBwdFilterAlgo_t algorithm, std::size_t* bytes) {
  return workspace_of(filter_choices, algorithm, bytes);
}

cudnnStatus_t forward(cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x, const void* px,
                      cudnnFilterDescriptor_t w, const void* pw, cudnnConvolutionDescriptor_t c,
                      cudnnConvolutionFwdAlgo_t algorithm, void* workspace, std::size_t bytes, const void* beta,
                      cudnnTensorDescriptor_t y, void* py) {
  ConvolutionShape s;
  if (!shape_of(as<Tensor>(x), as<Filter>(w), as<Convolution>(c), as<Tensor>(y), s)) return CUDNN_STATUS_BAD_PARAM;
  return queue(as<Handle>(handle), "cudnnConvolutionForward", s, ConvolutionPass::forward,
               find(forward_choices, algorithm), const_cast<void*>(px), const_cast<void*>(pw), py, workspace, bytes,
               scalar(as<Tensor>(x).type, alpha), scalar(as<Tensor>(x).type, beta));
}
cudnnStatus_t backward_data(cudnnHandle_t handle, const void* alpha, cudnnFilterDescriptor_t w, const void* pw,
                            cudnnTensorDescriptor_t y, const void* py, cudnnConvolutionDescriptor_t c,
                            cudnnConvolutionBwdDataAlgo_t algorithm, void* workspace, std::size_t bytes,
                            const void* beta, cudnnTensorDescriptor_t x, void* px) {
  ConvolutionShape s;
  if (!shape_of(as<Tensor>(x), as<Filter>(w), as<Convolution>(c), as<Tensor>(y), s)) return CUDNN_STATUS_BAD_PARAM;
  return queue(as<Handle>(handle), "cudnnConvolutionBackwardData", s, ConvolutionPass::data,
               find(data_choices, algorithm), px, const_cast<void*>(pw), const_cast<void*>(py), workspace, bytes,
               scalar(as<Tensor>(x).type, alpha), scalar(as<Tensor>(x).type, beta));
}
cudnnStatus_t backward_filter(cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x, const void* px,
                              cudnnTensorDescriptor_t y, const void* py, cudnnConvolutionDescriptor_t c,
                              cudnnConvolutionBwdFilterAlgo_t algorithm, void* workspace, std::size_t bytes,
                              const void* beta, cudnnFilterDescriptor_t w, void* pw) {
  ConvolutionShape s;
  if (!shape_of(as<Tensor>(x), as<Filter>(w), as<Convolution>(c), as<Tensor>(y), s)) return CUDNN_STATUS_BAD_PARAM;
  return queue(as<Handle>(handle), "cudnnConvolutionBackwardFilter", s, ConvolutionPass::filter,
               find(filter_choices, algorithm), const_cast<void*>(px), pw, const_cast<void*>(py), workspace, bytes,
               scalar(as<Tensor>(x).type, alpha), scalar(as<Tensor>(x).type, beta));
}

}  // namespace

#define WEFT_HARNESS_ENTRY(function, mine)     \
  if (std::strcmp(name, #function) == 0) {     \
    const decltype(&::function) typed = &mine; \
    return reinterpret_cast<void*>(typed);     \
  }

void* cudnn_function(const char* name) {
  WEFT_HARNESS_ENTRY(cudnnCreate, create)
  WEFT_HARNESS_ENTRY(cudnnSetStream, set_stream)
  WEFT_HARNESS_ENTRY(cudnnGetVersion, version)
  WEFT_HARNESS_ENTRY(cudnnGetErrorString, error_text)
  WEFT_HARNESS_ENTRY(cudnnCreateTensorDescriptor, tensor_create)
  WEFT_HARNESS_ENTRY(cudnnDestroyTensorDescriptor, tensor_destroy)
  WEFT_HARNESS_ENTRY(cudnnSetTensorNdDescriptor, tensor_set)
  WEFT_HARNESS_ENTRY(cudnnCreateFilterDescriptor, filter_create)
  WEFT_HARNESS_ENTRY(cudnnDestroyFilterDescriptor, filter_destroy)
  WEFT_HARNESS_ENTRY(cudnnSetFilterNdDescriptor, filter_set)
  WEFT_HARNESS_ENTRY(cudnnCreateConvolutionDescriptor, convolution_create)
  WEFT_HARNESS_ENTRY(cudnnDestroyConvolutionDescriptor, convolution_destroy)
  WEFT_HARNESS_ENTRY(cudnnSetConvolutionNdDescriptor, convolution_set)
  WEFT_HARNESS_ENTRY(cudnnSetConvolutionGroupCount, convolution_groups)
  WEFT_HARNESS_ENTRY(cudnnSetConvolutionMathType, convolution_math)
  WEFT_HARNESS_ENTRY(cudnnGetConvolutionForwardAlgorithm_v7, forward_algorithms)
  WEFT_HARNESS_ENTRY(cudnnGetConvolutionBackwardDataAlgorithm_v7, data_algorithms)
  WEFT_HARNESS_ENTRY(cudnnGetConvolutionBackwardFilterAlgorithm_v7, filter_algorithms)
  WEFT_HARNESS_ENTRY(cudnnGetConvolutionForwardWorkspaceSize, forward_workspace)
  WEFT_HARNESS_ENTRY(cudnnGetConvolutionBackwardDataWorkspaceSize, data_workspace)
  WEFT_HARNESS_ENTRY(cudnnGetConvolutionBackwardFilterWorkspaceSize, filter_workspace)
  WEFT_HARNESS_ENTRY(cudnnConvolutionForward, forward)
  WEFT_HARNESS_ENTRY(cudnnConvolutionBackwardData, backward_data)
  WEFT_HARNESS_ENTRY(cudnnConvolutionBackwardFilter, backward_filter)
  return nullptr;
}

}  // namespace weft_harness
