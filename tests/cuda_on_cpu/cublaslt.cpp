#include <cublasLt.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "cuda_on_cpu/memory.h"
#include "cuda_on_cpu/planted.h"
#include "cuda_on_cpu/report.h"
#include "cuda_on_cpu/runtime_call.h"
#include "cuda_on_cpu/vendor.h"
#include "cuda_on_cpu/watch.h"

// cuBLASLt as its documentation describes it: column-major matrices, host scalars, the epilogues that weft uses.

namespace weft_harness {
namespace {

struct Layout {
  cudaDataType_t type;
  std::int64_t rows, columns, ld;
  std::int32_t batch = 1;
  std::int64_t step = 0;
};

struct Desc {
  cublasComputeType_t compute;
  cudaDataType_t scale;
  std::int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  void* aux = nullptr;
  std::int64_t aux_ld = 0;
};

struct Preference {
  std::uint64_t workspace = 0;
  std::uint32_t alignment[4] = {256, 256, 256, 256};  // the documented defaults
};

/// What lies in a cublasLtMatmulAlgo_t: for which problem it was proposed, and what it relies on.
struct Algorithm {
  std::uint64_t problem;
  std::uint64_t workspace;
  std::uint32_t alignment[4];
  std::uint64_t spare[4];
};
static_assert(sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t));

const Layout& of(cublasLtMatrixLayout_t p) { return *reinterpret_cast<const Layout*>(p); }
const Desc& of(cublasLtMatmulDesc_t p) { return *reinterpret_cast<const Desc*>(p); }

bool say(const std::string& text) {
  report("cuBLASLt: " + text);
  return false;
}

template <class T>
bool take(const char* name, T& into, const void* from, std::size_t bytes) {
  if (bytes != sizeof(T)) {
    return say(std::string(name) + " takes " + std::to_string(sizeof(T)) + " bytes and was given " +
               std::to_string(bytes));
  }
  std::memcpy(&into, from, bytes);
  return true;
}

bool has_bias(std::uint32_t e) {
  return e == CUBLASLT_EPILOGUE_BIAS || e == CUBLASLT_EPILOGUE_RELU_BIAS || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS ||
         e == CUBLASLT_EPILOGUE_GELU_BIAS || e == CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
}
/// What stood there before GELU, in D's type.
bool writes_argument(std::uint32_t e) {
  return e == CUBLASLT_EPILOGUE_GELU_AUX || e == CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
}
bool has_gelu(std::uint32_t e) {
  return e == CUBLASLT_EPILOGUE_GELU || e == CUBLASLT_EPILOGUE_GELU_BIAS || writes_argument(e);
}
/// x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3), and its derivative: the form with tanh.
double gelu_gate(double x) { return 1 / (1 + std::exp(-2 * 0.7978845608028654 * (x + 0.044715 * x * x * x))); }
double gelu_slope(double x) {
  const double s = gelu_gate(x);
  return s + x * s * (1 - s) * 2 * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}
bool writes_mask(std::uint32_t e) { return e == CUBLASLT_EPILOGUE_RELU_AUX || e == CUBLASLT_EPILOGUE_RELU_AUX_BIAS; }
bool has_relu(std::uint32_t e) {
  return e == CUBLASLT_EPILOGUE_RELU || e == CUBLASLT_EPILOGUE_RELU_BIAS || writes_mask(e);
}

bool check_matrix(const char* name, const Layout& l, std::int64_t rows, std::int64_t columns) {
  if (l.ld < l.rows) {
    return say(std::string("leading dimension ") + std::to_string(l.ld) + " of " + name + " is smaller than its " +
               std::to_string(l.rows) + " rows");
  }
  if (l.rows != rows || l.columns != columns) {
    return say(std::string(name) + " is " + std::to_string(l.rows) + " x " + std::to_string(l.columns) +
               " where the product needs " + std::to_string(rows) + " x " + std::to_string(columns));
  }
  return true;
}

/// The rules of the documentation's tables that concern the types and extents.
bool check_problem(const Desc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  const bool wide = a.type == CUDA_R_64F;
  const bool types =
      wide ? desc.compute == CUBLAS_COMPUTE_64F && desc.scale == CUDA_R_64F
           : desc.scale == CUDA_R_32F && (desc.compute == CUBLAS_COMPUTE_32F ||
                                          (desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type == CUDA_R_32F));
  if (!types || bytes_of(a.type) == 0 || b.type != a.type || c.type != d.type || d.type != a.type) {
    return say("compute type " + std::to_string(desc.compute) + " with scale type " + std::to_string(desc.scale) +
               " does not go with matrices of types " + std::to_string(a.type) + ", " + std::to_string(b.type) + ", " +
               std::to_string(c.type) + ", " + std::to_string(d.type));
  }
  const bool ta = desc.transpose_a != CUBLAS_OP_N, tb = desc.transpose_b != CUBLAS_OP_N;
  const std::int64_t m = d.rows, n = d.columns, k = ta ? a.rows : a.columns;
  if (m <= 0 || n <= 0 || k <= 0) return say("an empty product");
  if (!check_matrix("A", a, ta ? k : m, ta ? m : k) || !check_matrix("B", b, tb ? n : k, tb ? k : n) ||
      !check_matrix("C", c, m, n) || !check_matrix("D", d, m, n)) {
    return false;
  }
  if (a.batch != b.batch || a.batch != d.batch || c.batch != d.batch) return say("batch counts differ");
  if (d.batch > 1 && d.step < d.ld * (n - 1) + m) return say("the products of a batch overlap");
  switch (desc.epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_RELU:
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_RELU_BIAS:
    case CUBLASLT_EPILOGUE_RELU_AUX:
    case CUBLASLT_EPILOGUE_RELU_AUX_BIAS:
    case CUBLASLT_EPILOGUE_DRELU:
    case CUBLASLT_EPILOGUE_BGRADB:
    case CUBLASLT_EPILOGUE_GELU:
    case CUBLASLT_EPILOGUE_GELU_BIAS:
    case CUBLASLT_EPILOGUE_GELU_AUX:
    case CUBLASLT_EPILOGUE_GELU_AUX_BIAS:
    case CUBLASLT_EPILOGUE_DGELU:
      break;
    default:
      return say("epilogue " + std::to_string(desc.epilogue) + " is not one the stand-in knows");
  }
  if (desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT && wide) return say("there are no epilogues for 64-bit matrices");
  if (has_bias(desc.epilogue) || desc.epilogue == CUBLASLT_EPILOGUE_BGRADB) {
    if (desc.bias == nullptr) return say("the epilogue needs a bias, and its address is not set");
    if (reinterpret_cast<std::uintptr_t>(desc.bias) % bytes_of(d.type) != 0) return say("the bias is misaligned");
  }
  if (writes_mask(desc.epilogue) || desc.epilogue == CUBLASLT_EPILOGUE_DRELU) {
    if (desc.aux == nullptr) return say("the epilogue needs a mask, and its address is not set");
    if (desc.aux_ld % 128 != 0 || desc.aux_ld < m) {
      return say("EPILOGUE_AUX_LD " + std::to_string(desc.aux_ld) +
                 " of a ReLU mask has to be a multiple of 128 and at least " + std::to_string(m));
    }
    if (reinterpret_cast<std::uintptr_t>(desc.aux) % 16 != 0) return say("the mask is not aligned to 16 bytes");
    if (d.batch > 1) return say("the stand-in knows no masks for batches");
  }
  if (writes_argument(desc.epilogue) || desc.epilogue == CUBLASLT_EPILOGUE_DGELU) {
    if (desc.aux == nullptr) return say("the epilogue needs GELU's arguments, and their address is not set");
    if (desc.aux_ld % 8 != 0 || desc.aux_ld < m) {
      return say("EPILOGUE_AUX_LD " + std::to_string(desc.aux_ld) +
                 " of GELU's arguments has to be a multiple of 8 and at least " + std::to_string(m));
    }
    if (reinterpret_cast<std::uintptr_t>(desc.aux) % 16 != 0)
      return say("GELU's arguments are not aligned to 16 bytes");
    if (d.batch > 1) return say("the stand-in knows no GELU arguments for batches");
  }
  return true;
}

std::uint64_t problem_of(const Desc& desc, const Layout& a, const Layout& b, const Layout& d) {
  std::uint64_t h = 14695981039346656037ull;
  for (const std::int64_t value :
       {std::int64_t{desc.compute}, std::int64_t{desc.transpose_a}, std::int64_t{desc.transpose_b},
        std::int64_t{desc.epilogue}, desc.aux_ld, std::int64_t{a.type}, a.rows, a.columns, a.ld, b.rows, b.columns,
        b.ld, d.rows, d.columns, d.ld, std::int64_t{d.batch}, a.step, b.step, d.step}) {
    h = (h ^ static_cast<std::uint64_t>(value)) * 1099511628211ull;
  }
  return h;
}

/// Everything a product needs when its turn comes.
struct Call {
  Desc desc;
  Layout a, b, c, d;
  const char *pa, *pb, *pc;
  char* pd;
  double alpha, beta;
  char* workspace;
  std::size_t workspace_bytes;
};

bool may_read(const char* name, const Layout& l, const char* p, std::int64_t batch) {
  const auto size = static_cast<std::int64_t>(bytes_of(l.type));
  for (std::int64_t column = 0; column < l.columns; ++column) {
    const char* at = p + (batch * l.step + column * l.ld) * size;
    if (!readable(name, at, static_cast<std::size_t>(l.rows * size))) return false;
  }
  return true;
}

MatrixRef reference(const Layout& l, const char* p, std::int64_t batch, bool transposed) {
  const char* begin = p + batch * l.step * static_cast<std::int64_t>(bytes_of(l.type));
  return transposed ? MatrixRef{begin, l.type, l.ld, 1} : MatrixRef{begin, l.type, 1, l.ld};
}

void run_one(const Call& call, std::int64_t batch) {
  const bool ta = call.desc.transpose_a != CUBLAS_OP_N, tb = call.desc.transpose_b != CUBLAS_OP_N;
  const std::int64_t m = call.d.rows, n = call.d.columns, k = ta ? call.a.rows : call.a.columns;
  const std::uint32_t epilogue = call.desc.epilogue;
  const cudaDataType_t type = call.d.type;
  const auto size = static_cast<std::int64_t>(bytes_of(type));
  if (!may_read("cublasLtMatmul: A", call.a, call.pa, batch) || !may_read("cublasLtMatmul: B", call.b, call.pb, batch))
    return;
  if (call.beta != 0 && !may_read("cublasLtMatmul: C", call.c, call.pc, batch)) return;
  char* d = call.pd + batch * call.d.step * size;
  for (std::int64_t column = 0; column < n; ++column) {
    if (!writable("cublasLtMatmul: D", d + column * call.d.ld * size, static_cast<std::size_t>(m * size))) return;
  }
  auto* mask = static_cast<unsigned char*>(call.desc.aux);
  const std::int64_t mask_bytes = call.desc.aux_ld / 8;
  const auto* bias = static_cast<const char*>(call.desc.bias);
  if (has_bias(epilogue) && !readable("cublasLtMatmul: bias", bias, static_cast<std::size_t>(m * size))) return;
  if (writes_mask(epilogue) && !writable("cublasLtMatmul: mask", mask, static_cast<std::size_t>(mask_bytes * n)))
    return;
  if (epilogue == CUBLASLT_EPILOGUE_DRELU &&
      !readable("cublasLtMatmul: mask", mask, static_cast<std::size_t>(mask_bytes * n))) {
    return;
  }

  auto* arguments = static_cast<char*>(call.desc.aux);
  const auto argument_bytes = static_cast<std::size_t>(((n - 1) * call.desc.aux_ld + m) * size);
  if (writes_argument(epilogue) && !writable("cublasLtMatmul: arguments of GELU", arguments, argument_bytes)) return;
  if (epilogue == CUBLASLT_EPILOGUE_DGELU &&
      !readable("cublasLtMatmul: arguments of GELU", arguments, argument_bytes)) {
    return;
  }

  std::vector<double> sums(static_cast<std::size_t>(m * n));
  const MatrixRef a = reference(call.a, call.pa, batch, ta), b = reference(call.b, call.pb, batch, tb);
  product(m, n, k, a, b, call.desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32, sums.data());

  if (epilogue == CUBLASLT_EPILOGUE_BGRADB) {  // the sums of B over k, one for each column of D
    if (!writable("cublasLtMatmul: bias gradient", bias, static_cast<std::size_t>(n * size))) return;
    for (std::int64_t column = 0; column < n; ++column) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i) sum += load(b.type, b.data, i * b.row_step + column * b.column_step);
      store(type, call.desc.bias, column, sum);
    }
    watch_written(bias, static_cast<std::size_t>(n * size));
  }
  if (writes_mask(epilogue)) std::memset(mask, 0, static_cast<std::size_t>(mask_bytes * n));
  for (std::int64_t column = 0; column < n; ++column) {
    for (std::int64_t row = 0; row < m; ++row) {
      double value = call.alpha * sums[static_cast<std::size_t>(column * m + row)];
      if (call.beta != 0) {
        value += call.beta * load(type, call.pc, batch * call.c.step + column * call.c.ld + row);
      }
      if (has_bias(epilogue)) value += load(type, bias, row);
      unsigned char* byte = mask == nullptr ? nullptr : mask + column * mask_bytes + row / 8;
      const unsigned bit = 1u << (row % 8);
      if (has_relu(epilogue)) {
        const bool passes = value > 0;
        if (writes_mask(epilogue) && passes) *byte = static_cast<unsigned char>(*byte | bit);
        if (!passes && value == value) value = 0;
      }
      if (epilogue == CUBLASLT_EPILOGUE_DRELU && (*byte & bit) == 0) value = 0;
      const std::int64_t argument = column * call.desc.aux_ld + row;
      if (writes_argument(epilogue)) store(type, arguments, argument, value);
      if (has_gelu(epilogue)) value *= gelu_gate(value);
      if (epilogue == CUBLASLT_EPILOGUE_DGELU) value *= gelu_slope(load(type, arguments, argument));
      store(type, d, column * call.d.ld + row, value);
    }
    watch_written(d + column * call.d.ld * size, static_cast<std::size_t>(m * size));
  }
  if (writes_mask(epilogue)) watch_written(mask, static_cast<std::size_t>(mask_bytes * n));
  if (writes_argument(epilogue)) watch_written(arguments, argument_bytes);
}

void run(const Call& call) {
  if (call.workspace_bytes > 0) {
    if (!writable("cublasLtMatmul: workspace", call.workspace, call.workspace_bytes)) return;
    std::memset(call.workspace, 0xAB, call.workspace_bytes);  // whoever keeps anything there loses it
    watch_written(call.workspace, call.workspace_bytes);
  }
  for (std::int64_t batch = 0; batch < call.d.batch; ++batch) run_one(call, batch);
}

// ---- the functions

cublasStatus_t create(cublasLtHandle_t* handle) {
  // It allocates on the device.
  const std::lock_guard lock(device_lock());
  if (refuse_in_capture("cublasLtCreate", nullptr) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  static int one;
  *handle = reinterpret_cast<cublasLtHandle_t>(&one);
  return CUBLAS_STATUS_SUCCESS;
}

std::size_t version() { return CUBLAS_VERSION; }

const char* status_text(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "another cuBLAS status";
  }
}

cublasStatus_t desc_create(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  if (planted(Bug::compute_type)) compute = compute == CUBLAS_COMPUTE_64F ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_64F;
  *desc = reinterpret_cast<cublasLtMatmulDesc_t>(new Desc{compute, scale});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t desc_destroy(cublasLtMatmulDesc_t desc) {
  delete reinterpret_cast<Desc*>(desc);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t desc_set(cublasLtMatmulDesc_t p, cublasLtMatmulDescAttributes_t which, const void* value,
                        std::size_t bytes) {
  Desc& desc = *reinterpret_cast<Desc*>(p);
  bool ok = false;
  switch (which) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      ok = take("TRANSA", desc.transpose_a, value, bytes);
      if (planted(Bug::transpose)) desc.transpose_a = desc.transpose_a == CUBLAS_OP_N ? CUBLAS_OP_T : CUBLAS_OP_N;
      break;
    case CUBLASLT_MATMUL_DESC_TRANSB:
      ok = take("TRANSB", desc.transpose_b, value, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      ok = take("EPILOGUE", desc.epilogue, value, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      ok = take("BIAS_POINTER", desc.bias, value, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      ok = take("EPILOGUE_AUX_POINTER", desc.aux, value, bytes);
      break;
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      ok = take("EPILOGUE_AUX_LD", desc.aux_ld, value, bytes);
      if (planted(Bug::aux_leading_dimension)) --desc.aux_ld;
      break;
    default:
      say("attribute " + std::to_string(which) + " of a product is not one the stand-in knows");
  }
  return ok ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t layout_create(cublasLtMatrixLayout_t* layout, cudaDataType_t type, std::uint64_t rows,
                             std::uint64_t columns, std::int64_t ld) {
  if (planted(Bug::leading_dimension)) --ld;
  *layout = reinterpret_cast<cublasLtMatrixLayout_t>(
      new Layout{type, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), ld});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t layout_destroy(cublasLtMatrixLayout_t layout) {
  delete reinterpret_cast<Layout*>(layout);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t layout_set(cublasLtMatrixLayout_t p, cublasLtMatrixLayoutAttribute_t which, const void* value,
                          std::size_t bytes) {
  Layout& layout = *reinterpret_cast<Layout*>(p);
  bool ok = false;
  switch (which) {
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      ok = take("BATCH_COUNT", layout.batch, value, bytes);
      break;
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      ok = take("STRIDED_BATCH_OFFSET", layout.step, value, bytes);
      break;
    default:
      say("attribute " + std::to_string(which) + " of a layout is not one the stand-in knows");
  }
  return ok ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t preference_create(cublasLtMatmulPreference_t* preference) {
  *preference = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t preference_destroy(cublasLtMatmulPreference_t preference) {
  delete reinterpret_cast<Preference*>(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t preference_set(cublasLtMatmulPreference_t p, cublasLtMatmulPreferenceAttributes_t which,
                              const void* value, std::size_t bytes) {
  Preference& preference = *reinterpret_cast<Preference*>(p);
  bool ok = false;
  switch (which) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      ok = take("MAX_WORKSPACE_BYTES", preference.workspace, value, bytes);
      break;
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      ok =
          take("MIN_ALIGNMENT", preference.alignment[which - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
      break;
    default:
      say("preference " + std::to_string(which) + " is not one the stand-in knows");
  }
  return ok ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t heuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                         cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                         cublasLtMatmulPreference_t p, int wanted, cublasLtMatmulHeuristicResult_t results[],
                         int* found) {
  *found = 0;
  if (handle == nullptr || wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
  if (!check_problem(of(desc), of(a), of(b), of(c), of(d))) return CUBLAS_STATUS_INVALID_VALUE;
  const Preference& preference = *reinterpret_cast<const Preference*>(p);
  // As on a device: tensor cores want what 16-bit matrices begin with, and where they go on, to be multiples of 4
  // bytes; an epilogue wants more.
  if (bytes_of(of(d).type) == 2) {
    const bool even = of(a).ld % 2 == 0 && of(b).ld % 2 == 0 && of(d).ld % 2 == 0 && preference.alignment[0] >= 4 &&
                      preference.alignment[1] >= 4 && preference.alignment[3] >= 4;
    if (!even && of(desc).epilogue != CUBLASLT_EPILOGUE_DEFAULT) return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  Algorithm algorithm{};
  algorithm.problem = problem_of(of(desc), of(a), of(b), of(d));
  algorithm.workspace = preference.workspace >= 4096 ? 4096 : 0;
  std::memcpy(algorithm.alignment, preference.alignment, sizeof preference.alignment);
  results[0] = {};
  std::memcpy(&results[0].algo, &algorithm, sizeof algorithm);
  results[0].workspaceSize = algorithm.workspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  results[0].wavesCount = 1;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

bool check_call(const Call& call, const Algorithm* algorithm) {
  if (algorithm == nullptr) return say("no algorithm was given: weft asks for one");
  if (algorithm->problem != problem_of(call.desc, call.a, call.b, call.d)) {
    return say("the algorithm was proposed for another problem");
  }
  if (call.workspace_bytes < algorithm->workspace || (call.workspace == nullptr && algorithm->workspace > 0)) {
    return say("the algorithm needs a workspace of " + std::to_string(algorithm->workspace) + " bytes and was given " +
               std::to_string(call.workspace == nullptr ? 0 : call.workspace_bytes));
  }
  const char* names[] = {"A", "B", "C", "D"};
  const char* pointers[] = {call.pa, call.pb, call.pc, call.pd};
  const Layout* layouts[] = {&call.a, &call.b, &call.c, &call.d};
  for (int i = 0; i < 4; ++i) {
    if (pointers[i] == nullptr) return say(std::string(names[i]) + " is null");
    if (reinterpret_cast<std::uintptr_t>(pointers[i]) % algorithm->alignment[i] != 0) {
      return say(std::string(names[i]) + " is not aligned to the " + std::to_string(algorithm->alignment[i]) +
                 " bytes the algorithm was asked for");
    }
    const auto size = static_cast<std::int64_t>(bytes_of(layouts[i]->type));
    const std::int64_t last =
        (layouts[i]->columns - 1) * layouts[i]->ld + layouts[i]->rows + (layouts[i]->batch - 1) * layouts[i]->step;
    if (!in_device_memory((std::string("cublasLtMatmul: ") + names[i]).c_str(), pointers[i],
                          static_cast<std::size_t>(last * size))) {
      return false;
    }
  }
  if (call.workspace_bytes > 0) {
    if (reinterpret_cast<std::uintptr_t>(call.workspace) % 16 != 0)
      return say("the workspace is not aligned to 16 bytes");
    if (!in_device_memory("cublasLtMatmul: workspace", call.workspace, call.workspace_bytes)) return false;
  }
  return true;
}

cublasStatus_t matmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                      cublasLtMatrixLayout_t la, const void* b, cublasLtMatrixLayout_t lb, const void* beta,
                      const void* c, cublasLtMatrixLayout_t lc, void* d, cublasLtMatrixLayout_t ld,
                      const cublasLtMatmulAlgo_t* algo, void* workspace, std::size_t workspace_bytes,
                      cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!check_problem(of(desc), of(la), of(lb), of(lc), of(ld))) return CUBLAS_STATUS_INVALID_VALUE;
  if (planted(Bug::workspace_none)) workspace = nullptr, workspace_bytes = 0;
  if (planted(Bug::misaligned_operand)) b = static_cast<const char*>(b) + bytes_of(of(lb).type);
  Algorithm algorithm{};
  if (algo != nullptr) std::memcpy(&algorithm, algo, sizeof algorithm);
  Call call{of(desc),
            of(la),
            of(lb),
            of(lc),
            of(ld),
            static_cast<const char*>(a),
            static_cast<const char*>(b),
            static_cast<const char*>(c),
            static_cast<char*>(d),
            load(of(desc).scale, alpha, 0),
            load(of(desc).scale, beta, 0),
            static_cast<char*>(workspace),
            workspace_bytes};
  if (!check_call(call, algo == nullptr ? nullptr : &algorithm)) return CUBLAS_STATUS_INVALID_VALUE;
  call.workspace_bytes = algorithm.workspace;  // no more is touched
  return put_vendor_call("cublasLtMatmul", stream, [call] { run(call); }) ? CUBLAS_STATUS_SUCCESS
                                                                          : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

#define WEFT_HARNESS_ENTRY(function, mine)                                                    \
  if (std::strcmp(name, #function) == 0) {                                                    \
    const decltype(&::function) typed = &mine; /* the stand-in has the library's signature */ \
    return reinterpret_cast<void*>(typed);                                                    \
  }

void* cublaslt_function(const char* name) {
  WEFT_HARNESS_ENTRY(cublasLtCreate, create)
  WEFT_HARNESS_ENTRY(cublasLtGetVersion, version)
  WEFT_HARNESS_ENTRY(cublasLtGetStatusString, status_text)
  WEFT_HARNESS_ENTRY(cublasLtMatmulDescCreate, desc_create)
  WEFT_HARNESS_ENTRY(cublasLtMatmulDescDestroy, desc_destroy)
  WEFT_HARNESS_ENTRY(cublasLtMatmulDescSetAttribute, desc_set)
  WEFT_HARNESS_ENTRY(cublasLtMatrixLayoutCreate, layout_create)
  WEFT_HARNESS_ENTRY(cublasLtMatrixLayoutDestroy, layout_destroy)
  WEFT_HARNESS_ENTRY(cublasLtMatrixLayoutSetAttribute, layout_set)
  WEFT_HARNESS_ENTRY(cublasLtMatmulPreferenceCreate, preference_create)
  WEFT_HARNESS_ENTRY(cublasLtMatmulPreferenceDestroy, preference_destroy)
  WEFT_HARNESS_ENTRY(cublasLtMatmulPreferenceSetAttribute, preference_set)
  WEFT_HARNESS_ENTRY(cublasLtMatmulAlgoGetHeuristic, heuristic)
  WEFT_HARNESS_ENTRY(cublasLtMatmul, matmul)
  return nullptr;
}

}  // namespace weft_harness
