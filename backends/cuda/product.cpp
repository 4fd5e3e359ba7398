#include <weft/backends/cuda/product.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <weft/backends/cuda/runtime.h>
#include <weft/backends/cuda/vendor/cublaslt.h>

namespace weft::backends::cuda {
namespace {

/// The largest power of two that divides an address, up to what cuBLASLt asks about.
std::uint32_t alignment_of(const void* p) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  if (address == 0) return 256;
  const int zeros = std::countr_zero(address);
  return zeros >= 8 ? 256u : 1u << zeros;
}

struct Key {
  ProductShape shape;
  std::uint32_t alignment[4];  // of a, b, d and the mask
  bool operator==(const Key& other) const noexcept { return std::memcmp(this, &other, sizeof *this) == 0; }
};
static_assert(std::has_unique_object_representations_v<Key>, "keys are compared byte by byte");

struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept {  // FNV-1a
    const auto* bytes = reinterpret_cast<const unsigned char*>(&key);
    std::uint64_t h = 14695981039346656037ull;
    for (std::size_t i = 0; i < sizeof key; ++i) h = (h ^ bytes[i]) * 1099511628211ull;
    return static_cast<std::size_t>(h);
  }
};

struct Plan {
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  cublasLtMatmulAlgo_t algorithm{};
  bool possible = false;

  Plan() = default;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    const CublasLt& lt = cublaslt();
    if (desc != nullptr) lt.desc_destroy(desc);
    for (cublasLtMatrixLayout_t layout : {a, b, d}) {
      if (layout != nullptr) lt.layout_destroy(layout);
    }
  }
};

struct Library {
  std::mutex lock;  // guards everything: a plan's description holds the addresses of the call being made
  cublasLtHandle_t handle = nullptr;
  std::unordered_map<Key, std::unique_ptr<Plan>, KeyHash> plans;
};

Library& library() {
  static Library& one = *new Library;
  return one;
}

constexpr std::size_t most_plans = 8192;  // programs with ever new shapes: the plans are made again

cudaDataType_t type_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::float64:
      return CUDA_R_64F;
    case DType::float16:
      return CUDA_R_16F;
    case DType::bfloat16:
      return CUDA_R_16BF;
    default:
      return CUDA_R_32F;
  }
}

bool has_bias(std::int32_t epilogue) noexcept {
  return epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS ||
         epilogue == CUBLASLT_EPILOGUE_RELU_AUX_BIAS || epilogue == CUBLASLT_EPILOGUE_GELU_BIAS ||
         epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS || epilogue == CUBLASLT_EPILOGUE_BGRADB;
}
bool has_aux(std::int32_t epilogue) noexcept {
  return epilogue == CUBLASLT_EPILOGUE_RELU_AUX || epilogue == CUBLASLT_EPILOGUE_RELU_AUX_BIAS ||
         epilogue == CUBLASLT_EPILOGUE_DRELU || epilogue == CUBLASLT_EPILOGUE_GELU_AUX ||
         epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS || epilogue == CUBLASLT_EPILOGUE_DGELU;
}

template <class T>
void set(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which, const T& value) {
  check(cublaslt().desc_set(desc, which, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
}
template <class T>
void set(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t which, const T& value) {
  check(cublaslt().layout_set(layout, which, &value, sizeof value), "cublasLtMatrixLayoutSetAttribute");
}
template <class T>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t which, const T& value) {
  check(cublaslt().preference_set(preference, which, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
}

cublasLtMatrixLayout_t layout(cudaDataType_t type, std::int64_t rows, std::int64_t columns, std::int64_t ld,
                              std::int64_t batch, std::int64_t step) {
  cublasLtMatrixLayout_t made = nullptr;
  check(
      cublaslt().layout_create(&made, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), ld),
      "cublasLtMatrixLayoutCreate");
  if (batch > 1) {
    set(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(batch));
    set(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, step);
  }
  return made;
}

void set_addresses(cublasLtMatmulDesc_t desc, const ProductShape& shape, const ProductData& data) {
  if (has_bias(shape.epilogue)) set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, data.bias);
  if (has_aux(shape.epilogue)) set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, data.aux);
}

constexpr int most_candidates = 8;

/// What the library proposes, best first by its own estimate; how many are possible.
int propose(Library& lib, const Plan& plan, const Key& key,
            cublasLtMatmulHeuristicResult_t (&results)[most_candidates]) {
  const CublasLt& lt = cublaslt();
  cublasLtMatmulPreference_t preference = nullptr;
  check(lt.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
  struct Destroy {
    const CublasLt& lt;
    cublasLtMatmulPreference_t preference;
    ~Destroy() { lt.preference_destroy(preference); }
  } const destroy{lt, preference};
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.alignment[0]);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.alignment[1]);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.alignment[2]);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.alignment[2]);
  int found = 0;
  const cublasStatus_t status =
      lt.heuristic(lib.handle, plan.desc, plan.a, plan.b, plan.d, plan.d, preference, most_candidates, results, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) return 0;
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  int possible = 0;
  for (int i = 0; i < found; ++i) {
    if (results[i].state == CUBLAS_STATUS_SUCCESS && results[i].workspaceSize <= workspace_bytes) {
      results[possible++] = results[i];
    }
  }
  return possible;
}

cublasStatus_t multiply(const Library& lib, const Plan& plan, const ProductShape& shape, const ProductData& data,
                        void* scratch, cudaStream_t stream) {
  const double one = 1, add = shape.accumulate != 0 ? 1 : 0;
  const float one_float = 1, add_float = static_cast<float>(add);
  const bool wide = static_cast<DType>(shape.dtype) == DType::float64;
  return cublaslt().matmul(lib.handle, plan.desc, wide ? static_cast<const void*>(&one) : &one_float, data.a, plan.a,
                           data.b, plan.b, wide ? static_cast<const void*>(&add) : &add_float, data.d, plan.d, data.d,
                           plan.d, &plan.algorithm, scratch, workspace_bytes, stream);
}

/// Microseconds of one product with the plan's algorithm, the fastest of three rounds; negative where it fails.
double time_of(const Library& lib, const Plan& plan, const ProductShape& shape, const ProductData& data, void* scratch,
               cudaStream_t stream) {
  constexpr int rounds = 3, repetitions = 10;
  cudaEvent_t begin = nullptr, end = nullptr;
  check(cudaEventCreateWithFlags(&begin, cudaEventDefault), "cudaEventCreateWithFlags");
  check(cudaEventCreateWithFlags(&end, cudaEventDefault), "cudaEventCreateWithFlags");
  double best = -1;
  for (int round = 0; round <= rounds; ++round) {  // the first one warms up
    check(cudaEventRecord(begin, stream), "cudaEventRecord");
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    for (int i = 0; i < repetitions && status == CUBLAS_STATUS_SUCCESS; ++i) {
      status = multiply(lib, plan, shape, data, scratch, stream);
    }
    check(cudaEventRecord(end, stream), "cudaEventRecord");
    check(cudaEventSynchronize(end), "cudaEventSynchronize");
    if (status != CUBLAS_STATUS_SUCCESS) break;
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    const double each = static_cast<double>(milliseconds) * 1e3 / repetitions;
    if (round > 0 && (best < 0 || each < best)) best = each;
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return best;
}

/// The first proposal, or with autotuning the fastest. Timing overwrites the result, which the call that wanted the
/// plan then writes again; a product that accumulates, or is being recorded, is not timed.
void choose(State& state, Library& lib, Plan& plan, const Key& key, const ProductData& data, void* scratch,
            cudaStream_t stream) {
  cublasLtMatmulHeuristicResult_t results[most_candidates];
  const int possible = propose(lib, plan, key, results);
  if (possible == 0) return;
  plan.algorithm = results[0].algo;
  plan.possible = true;
  const ProductShape& s = key.shape;
  if (possible == 1 || s.accumulate != 0 || !state.autotune.load(std::memory_order_relaxed) ||
      thread_state().recording != nullptr) {
    return;
  }
  int best = 0;
  double fastest = -1, first = -1;
  for (int i = 0; i < possible; ++i) {
    plan.algorithm = results[i].algo;
    const double time = time_of(lib, plan, s, data, scratch, stream);
    if (i == 0) first = time;
    if (time >= 0 && (fastest < 0 || time < fastest)) {
      fastest = time;
      best = i;
    }
  }
  plan.algorithm = results[best].algo;
  std::fprintf(stderr,
               "weft: autotune: product %lld x %lld x %lld of %s%s: candidate %d of %d, %.2f us (the first: %.2f us)\n",
               static_cast<long long>(s.n), static_cast<long long>(s.m), static_cast<long long>(s.k),
               name(static_cast<DType>(s.dtype)), s.tf32 != 0 ? " in TF32" : "", best + 1, possible, fastest, first);
}

std::unique_ptr<Plan> make_plan(State& state, Library& lib, const Key& key, const ProductData& data, void* scratch,
                                cudaStream_t stream) {
  const ProductShape& s = key.shape;
  const CublasLt& lt = cublaslt();
  const cudaDataType_t type = type_of(static_cast<DType>(s.dtype));
  const bool wide = type == CUDA_R_64F;
  const cublasComputeType_t compute = wide          ? CUBLAS_COMPUTE_64F
                                      : s.tf32 != 0 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                    : CUBLAS_COMPUTE_32F;
  auto plan = std::make_unique<Plan>();
  check(lt.desc_create(&plan->desc, compute, wide ? CUDA_R_64F : CUDA_R_32F), "cublasLtMatmulDescCreate");
  set(plan->desc, CUBLASLT_MATMUL_DESC_TRANSA, s.transpose_a != 0 ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(plan->desc, CUBLASLT_MATMUL_DESC_TRANSB, s.transpose_b != 0 ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (s.epilogue != CUBLASLT_EPILOGUE_DEFAULT) {
    set(plan->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, static_cast<cublasLtEpilogue_t>(s.epilogue));
    if (has_aux(s.epilogue)) set(plan->desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, s.aux_ld);
    set_addresses(plan->desc, s, data);  // the heuristic looks at their alignment
  }
  plan->a = layout(type, s.transpose_a != 0 ? s.k : s.m, s.transpose_a != 0 ? s.m : s.k, s.lda, s.batch, s.step_a);
  plan->b = layout(type, s.transpose_b != 0 ? s.n : s.k, s.transpose_b != 0 ? s.k : s.n, s.ldb, s.batch, s.step_b);
  plan->d = layout(type, s.m, s.n, s.ldd, s.batch, s.step_d);
  choose(state, lib, *plan, key, data, scratch, stream);
  return plan;
}

}  // namespace

bool run_product(State& state, const ProductShape& shape, const ProductData& data, cudaStream_t stream) {
  const CublasLt& lt = cublaslt();
  void* const scratch = workspace(state);
  Library& lib = library();
  const std::lock_guard lock(lib.lock);
  if (lib.handle == nullptr) check(lt.create(&lib.handle), "cublasLtCreate");
  const Key key{shape, {alignment_of(data.a), alignment_of(data.b), alignment_of(data.d), alignment_of(data.aux)}};
  auto found = lib.plans.find(key);
  if (found == lib.plans.end()) {
    if (lib.plans.size() >= most_plans) lib.plans.clear();
    found = lib.plans.emplace(key, make_plan(state, lib, key, data, scratch, stream)).first;
  }
  Plan& plan = *found->second;
  if (!plan.possible) return false;
  set_addresses(plan.desc, shape, data);
  check(multiply(lib, plan, shape, data, scratch, stream), "cublasLtMatmul");
  return true;
}

Operand operand_of(std::int64_t rows, std::int64_t columns, std::int64_t row_step, std::int64_t column_step) noexcept {
  if ((column_step == 1 || columns == 1) && (rows == 1 || row_step >= columns)) {
    return {true, true, rows == 1 ? columns : row_step};
  }
  if ((row_step == 1 || rows == 1) && (columns == 1 || column_step >= rows)) {
    return {true, false, columns == 1 ? rows : column_step};
  }
  return {};
}

std::int32_t tf32_of(const State& state, DType dtype) noexcept {
  return dtype == DType::float32 && state.tf32.load(std::memory_order_relaxed) ? 1 : 0;
}

}  // namespace weft::backends::cuda
