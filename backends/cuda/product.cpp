#include <weft/backends/cuda/product.h>

#include <bit>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>

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
         epilogue == CUBLASLT_EPILOGUE_RELU_AUX_BIAS || epilogue == CUBLASLT_EPILOGUE_BGRADB;
}
bool has_aux(std::int32_t epilogue) noexcept {
  return epilogue == CUBLASLT_EPILOGUE_RELU_AUX || epilogue == CUBLASLT_EPILOGUE_RELU_AUX_BIAS ||
         epilogue == CUBLASLT_EPILOGUE_DRELU;
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

/// Asks the library which algorithm it would take; the first that is possible is kept.
void choose(Library& lib, Plan& plan, const Key& key) {
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
  constexpr int wanted = 4;
  cublasLtMatmulHeuristicResult_t results[wanted];
  int found = 0;
  const cublasStatus_t status =
      lt.heuristic(lib.handle, plan.desc, plan.a, plan.b, plan.d, plan.d, preference, wanted, results, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) return;
  check(status, "cublasLtMatmulAlgoGetHeuristic");
  for (int i = 0; i < found; ++i) {
    if (results[i].state != CUBLAS_STATUS_SUCCESS || results[i].workspaceSize > workspace_bytes) continue;
    plan.algorithm = results[i].algo;
    plan.possible = true;
    return;
  }
}

std::unique_ptr<Plan> make_plan(Library& lib, const Key& key, const ProductData& data) {
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
  choose(lib, *plan, key);
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
    found = lib.plans.emplace(key, make_plan(lib, key, data)).first;
  }
  Plan& plan = *found->second;
  if (!plan.possible) return false;
  set_addresses(plan.desc, shape, data);
  const double one = 1, add = shape.accumulate != 0 ? 1 : 0;
  const float one_float = 1, add_float = static_cast<float>(add);
  const bool wide = static_cast<DType>(shape.dtype) == DType::float64;
  check(lt.matmul(lib.handle, plan.desc, wide ? static_cast<const void*>(&one) : &one_float, data.a, plan.a, data.b,
                  plan.b, wide ? static_cast<const void*>(&add) : &add_float, data.d, plan.d, data.d, plan.d,
                  &plan.algorithm, scratch, workspace_bytes, stream),
        "cublasLtMatmul");
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
