#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <weft/backends/common/conv_geometry.h>
#include <weft/backends/composed/scratch.h>
#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/conv_direct.h>
#include <weft/backends/cuda/cuda_backend.h>
#include <weft/backends/cuda/state.h>
#include <weft/backends/cuda/vendor/cudnn.h>
#include <weft/core/dtype_support.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

// cuDNN's algorithm is the first it proposes that is deterministic and computes what the formula says: no Winograd and
// no FFT, whose results are not exact on small integers. Proposals are a function of shapes, dtype, device and library
// version; the choice is kept per shape. What cuDNN does not take (fewer positions of y than fit, extents over 31 bits,
// a dtype it has no algorithm for) is computed by conv_direct.

namespace weft::backends::cuda {
namespace {

using composed::Input;
using composed::Output;
using composed::Scratch;

constexpr int axes = 5;                                         // batch, channels and three spatial ones
constexpr std::size_t most_workspace = std::size_t{512} << 20;  // for one convolution
constexpr std::size_t most_plans = 4096;

/// Everything a plan depends on. Plain numbers without padding: compared byte by byte.
struct Key {
  std::int32_t pass, dtype, tf32, spatial, groups;
  std::int32_t x[axes], w[axes], y[axes];
  std::int32_t padding[3], stride[3], dilation[3];
  bool operator==(const Key& other) const noexcept { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(std::has_unique_object_representations_v<Key>);

struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept {  // FNV-1a
    const auto* bytes = reinterpret_cast<const unsigned char*>(&key);
    std::uint64_t h = 14695981039346656037ull;
    for (std::size_t i = 0; i < sizeof key; ++i) h = (h ^ bytes[i]) * 1099511628211ull;
    return static_cast<std::size_t>(h);
  }
};

struct Plan {
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t convolution = nullptr;
  int algorithm = 0;
  std::size_t workspace = 0;
  bool possible = false;

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    const Cudnn& dnn = cudnn();
    if (x != nullptr) dnn.tensor_destroy(x);
    if (y != nullptr) dnn.tensor_destroy(y);
    if (w != nullptr) dnn.filter_destroy(w);
    if (convolution != nullptr) dnn.convolution_destroy(convolution);
  }
};

struct Library {
  std::mutex lock;  // the handle has one stream at a time
  cudnnHandle_t handle = nullptr;
  std::unordered_map<Key, std::shared_ptr<Plan>, KeyHash> plans;
};

Library& library() {
  static Library& one = *new Library;
  return one;
}

cudnnDataType_t type_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::float64:
      return CUDNN_DATA_DOUBLE;
    case DType::float16:
      return CUDNN_DATA_HALF;
    case DType::bfloat16:
      return CUDNN_DATA_BFLOAT16;
    default:
      return CUDNN_DATA_FLOAT;
  }
}

bool is_half(DType dtype) { return dtype == DType::float16 || dtype == DType::bfloat16; }

/// cuDNN wants at least two spatial axes: a missing one goes in front, with extent 1.
int spatial_of(const ConvGeometry& g) { return g.spatial < 2 ? 2 : g.spatial; }

/// False where a number does not fit.
bool narrow(std::int64_t value, std::int32_t& to) {
  to = static_cast<std::int32_t>(value);
  return value <= std::numeric_limits<std::int32_t>::max();
}

bool narrow(const Shape& shape, int spatial, std::int32_t (&to)[axes]) {
  if (shape.numel() > std::numeric_limits<std::int32_t>::max()) return false;
  bool fits = narrow(shape[0], to[0]) && narrow(shape[1], to[1]);
  const int given = shape.rank() - 2;
  for (int i = 0; i < spatial; ++i) {
    const int from = i - (spatial - given);
    fits = fits && narrow(from < 0 ? 1 : shape[2 + from], to[2 + i]);
  }
  return fits;
}

/// False where cuDNN does not take it.
bool key_of(const State& state, Pass pass, const ConvGeometry& g, const Shape& x, const Shape& w, const Shape& y,
            DType dtype, Key& key) {
  std::memset(&key, 0, sizeof key);
  key.pass = static_cast<std::int32_t>(pass);
  key.dtype = static_cast<std::int32_t>(dtype);
  key.tf32 = dtype == DType::float32 && state.tf32.load(std::memory_order_relaxed) ? 1 : 0;
  key.spatial = spatial_of(g);
  bool fits = narrow(g.groups, key.groups) && narrow(x, key.spatial, key.x) && narrow(w, key.spatial, key.w) &&
              narrow(y, key.spatial, key.y);
  for (int i = 0; i < key.spatial; ++i) {
    const int from = i - (key.spatial - g.spatial);
    const bool there = from >= 0;
    fits = fits && narrow(there ? g.padding[from] : 0, key.padding[i]) &&
           narrow(there ? g.stride[from] : 1, key.stride[i]) && narrow(there ? g.dilation[from] : 1, key.dilation[i]);
    if (!there) continue;
    const auto count = window_count(x[2 + from], g.kernel[from], g.stride[from], g.padding[from], g.dilation[from]);
    fits = fits && count && *count == y[2 + from];
  }
  return fits;
}

void describe(cudnnTensorDescriptor_t tensor, cudnnDataType_t type, int rank, const std::int32_t* extents) {
  int strides[axes];
  int step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    strides[i] = step;
    step *= extents[i];
  }
  check(cudnn().tensor_set(tensor, type, rank, extents, strides), "cudnnSetTensorNdDescriptor");
}

bool computes_the_formula(Pass pass, int algorithm) {
  switch (pass) {
    case Pass::forward:
      return algorithm == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM ||
             algorithm == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM ||
             algorithm == CUDNN_CONVOLUTION_FWD_ALGO_GEMM || algorithm == CUDNN_CONVOLUTION_FWD_ALGO_DIRECT;
    case Pass::grad_input:
      return algorithm == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
    case Pass::grad_weight:
      return algorithm == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
  }
  return false;
}

/// TF32 only where it was asked for; tensor cores for the 16-bit types.
bool takes(cudnnMathType_t math, const Key& key) {
  if (is_half(static_cast<DType>(key.dtype))) return true;
  if (key.tf32 != 0) return math != CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;
  return math == CUDNN_FMA_MATH || static_cast<DType>(key.dtype) == DType::float64;
}

template <class Result>
void keep_first(Plan& plan, const Key& key, cudnnStatus_t status, const Result* results, int found, const char* call) {
  if (status == CUDNN_STATUS_NOT_SUPPORTED || status == CUDNN_STATUS_BAD_PARAM) return;
  check(status, call);
  for (int i = 0; i < found; ++i) {
    const Result& r = results[i];
    if (r.status != CUDNN_STATUS_SUCCESS || r.determinism != CUDNN_DETERMINISTIC || r.memory > most_workspace ||
        !computes_the_formula(static_cast<Pass>(key.pass), static_cast<int>(r.algo)) || !takes(r.mathType, key)) {
      continue;
    }
    check(cudnn().convolution_math(plan.convolution, r.mathType), "cudnnSetConvolutionMathType");
    plan.algorithm = static_cast<int>(r.algo);
    plan.workspace = r.memory;
    plan.possible = true;
    return;
  }
}

constexpr int most_results = 10;

void choose(Library& lib, Plan& plan, const Key& key) {
  const Cudnn& dnn = cudnn();
  int found = 0;
  switch (static_cast<Pass>(key.pass)) {
    case Pass::forward: {
      cudnnConvolutionFwdAlgoPerf_t results[most_results];
      const auto status =
          dnn.forward_algorithms(lib.handle, plan.x, plan.w, plan.convolution, plan.y, most_results, &found, results);
      return keep_first(plan, key, status, results, found, "cudnnGetConvolutionForwardAlgorithm_v7");
    }
    case Pass::grad_input: {
      cudnnConvolutionBwdDataAlgoPerf_t results[most_results];
      const auto status =
          dnn.data_algorithms(lib.handle, plan.w, plan.y, plan.convolution, plan.x, most_results, &found, results);
      return keep_first(plan, key, status, results, found, "cudnnGetConvolutionBackwardDataAlgorithm_v7");
    }
    case Pass::grad_weight: {
      cudnnConvolutionBwdFilterAlgoPerf_t results[most_results];
      const auto status =
          dnn.filter_algorithms(lib.handle, plan.x, plan.y, plan.convolution, plan.w, most_results, &found, results);
      return keep_first(plan, key, status, results, found, "cudnnGetConvolutionBackwardFilterAlgorithm_v7");
    }
  }
}

std::shared_ptr<Plan> make_plan(Library& lib, const Key& key) {
  const Cudnn& dnn = cudnn();
  const auto dtype = static_cast<DType>(key.dtype);
  const cudnnDataType_t type = type_of(dtype);
  const int rank = 2 + key.spatial;
  auto plan = std::make_shared<Plan>();
  check(dnn.tensor_create(&plan->x), "cudnnCreateTensorDescriptor");
  check(dnn.tensor_create(&plan->y), "cudnnCreateTensorDescriptor");
  check(dnn.filter_create(&plan->w), "cudnnCreateFilterDescriptor");
  check(dnn.convolution_create(&plan->convolution), "cudnnCreateConvolutionDescriptor");
  describe(plan->x, type, rank, key.x);
  describe(plan->y, type, rank, key.y);
  check(dnn.filter_set(plan->w, type, CUDNN_TENSOR_NCHW, rank, key.w), "cudnnSetFilterNdDescriptor");
  check(dnn.convolution_set(plan->convolution, key.spatial, key.padding, key.stride, key.dilation,
                            CUDNN_CROSS_CORRELATION, dtype == DType::float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT),
        "cudnnSetConvolutionNdDescriptor");
  check(dnn.convolution_groups(plan->convolution, key.groups), "cudnnSetConvolutionGroupCount");
  const cudnnMathType_t math = is_half(dtype)  ? CUDNN_TENSOR_OP_MATH
                               : key.tf32 != 0 ? CUDNN_DEFAULT_MATH
                                               : CUDNN_FMA_MATH;
  check(dnn.convolution_math(plan->convolution, math), "cudnnSetConvolutionMathType");
  choose(lib, *plan, key);
  return plan;
}

std::shared_ptr<Plan> plan_for(const Key& key) {
  Library& lib = library();
  const std::lock_guard lock(lib.lock);
  if (lib.handle == nullptr) check(cudnn().create(&lib.handle), "cudnnCreate");
  std::shared_ptr<Plan>& plan = lib.plans[key];
  if (plan == nullptr) {
    if (lib.plans.size() > most_plans) {
      lib.plans.clear();
      return lib.plans[key] = make_plan(lib, key);
    }
    plan = make_plan(lib, key);
  }
  return plan;
}

/// A contiguous copy where the view is not contiguous.
class Packed {
 public:
  Packed(CudaBackend& backend, const TensorView& view, bool written) : backend_(backend), view_(view), target_(view) {
    if (view.is_contiguous()) return;
    bytes_ = static_cast<std::size_t>(view.numel()) * item_size(view.dtype);
    copy_ = backend.allocate(bytes_);
    view_ = contiguous_view(copy_, view.dtype, view.shape);
    if (written) return;
    try {
      backend.copy(view, view_);
    } catch (...) {
      backend.free(copy_, bytes_);
      throw;
    }
  }
  ~Packed() { backend_.free(copy_, bytes_); }
  Packed(const Packed&) = delete;
  Packed& operator=(const Packed&) = delete;
  void* data() const noexcept { return view_.data; }
  void finish() {
    if (copy_ != nullptr) backend_.copy(view_, target_);
  }

 private:
  CudaBackend& backend_;
  TensorView view_, target_;
  void* copy_ = nullptr;
  std::size_t bytes_ = 0;
};

void run_plan(const Plan& plan, Pass pass, DType dtype, void* x, void* w, void* y, void* scratch, cudaStream_t stream) {
  const Cudnn& dnn = cudnn();
  Library& lib = library();
  const double one = 1, zero = 0;
  const float one_float = 1, zero_float = 0;
  const bool wide = dtype == DType::float64;
  const void* alpha = wide ? static_cast<const void*>(&one) : &one_float;
  const void* beta = wide ? static_cast<const void*>(&zero) : &zero_float;
  const std::lock_guard lock(lib.lock);
  check(dnn.set_stream(lib.handle, stream), "cudnnSetStream");
  switch (pass) {
    case Pass::forward:
      return check(
          dnn.forward(lib.handle, alpha, plan.x, x, plan.w, w, plan.convolution,
                      static_cast<cudnnConvolutionFwdAlgo_t>(plan.algorithm), scratch, plan.workspace, beta, plan.y, y),
          "cudnnConvolutionForward");
    case Pass::grad_input:
      return check(dnn.backward_data(lib.handle, alpha, plan.w, w, plan.y, y, plan.convolution,
                                     static_cast<cudnnConvolutionBwdDataAlgo_t>(plan.algorithm), scratch,
                                     plan.workspace, beta, plan.x, x),
                   "cudnnConvolutionBackwardData");
    case Pass::grad_weight:
      return check(dnn.backward_filter(lib.handle, alpha, plan.x, x, plan.y, y, plan.convolution,
                                       static_cast<cudnnConvolutionBwdFilterAlgo_t>(plan.algorithm), scratch,
                                       plan.workspace, beta, plan.w, w),
                   "cudnnConvolutionBackwardFilter");
  }
}

}  // namespace

void CudaBackend::conv(Pass pass, const ConvGeometry& g, const TensorView& x, const TensorView& w,
                       const TensorView& y) {
  const DType dtype = x.dtype;
  if (!supports_conv(dtype)) {
    throw DTypeError(ErrorCode::dtype_unsupported, call_name("conv"), message("conv does not take ", dtype),
                     call_site());
  }
  Key key;
  if (state_.direct_conv.load(std::memory_order_relaxed) ||
      !key_of(state_, pass, g, x.shape, w.shape, y.shape, dtype, key)) {
    return conv_direct(*this, pass, g, x, w, y);
  }
  const std::shared_ptr<Plan> plan = plan_for(key);
  if (!plan->possible) {
    if (!is_half(dtype)) return conv_direct(*this, pass, g, x, w, y);
    // 16-bit shapes without an algorithm of their own: in float32, rounded once.
    const auto converted = [&](const TensorView& in_a, const TensorView& in_b, const TensorView& out, auto run) {
      const Input a(*this, in_a, DType::float32), b(*this, in_b, DType::float32);
      Output result(*this, out, DType::float32);
      run(a.view(), b.view(), result.view());
      result.finish();
    };
    switch (pass) {
      case Pass::forward:
        return converted(x, w, y, [&](auto& a, auto& b, auto& out) { conv(pass, g, a, b, out); });
      case Pass::grad_input:
        return converted(w, y, x, [&](auto& a, auto& b, auto& out) { conv(pass, g, out, a, b); });
      case Pass::grad_weight:
        return converted(x, y, w, [&](auto& a, auto& b, auto& out) { conv(pass, g, a, out, b); });
    }
  }
  Packed px(*this, x, pass == Pass::grad_input), pw(*this, w, pass == Pass::grad_weight),
      py(*this, y, pass == Pass::forward);
  if (plan->workspace <= workspace_bytes) {
    run_plan(*plan, pass, dtype, px.data(), pw.data(), py.data(), workspace(state_), stream());
  } else {
    const Scratch more(*this, DType::uint8, {static_cast<std::int64_t>(plan->workspace)});
    run_plan(*plan, pass, dtype, px.data(), pw.data(), py.data(), more.view().data, stream());
  }
  Packed& written = pass == Pass::forward ? py : pass == Pass::grad_input ? px : pw;
  written.finish();
}

}  // namespace weft::backends::cuda
