// What weft reaches on this GPU. One JSON object to a line, so that a run that is cut short keeps what it has measured:
//
//     gpu_bench [step|kernels|gemm|all]
//
//   step     a whole training step of 784-512-512-10 (batch chosen on the device, forward, backward, SGD with
//   momentum),
//            captured and eager, float32 and TF32, at batch 128, 512 and 4096: microseconds per step
//   kernels  elementwise and reduction kernels over 1 GiB, as a fraction of the bandwidth of a copy
//   gemm     weft's product beside cuBLASLt called by hand with the same settings
//
// Data are random, never zeros: multiplying zeros draws less power and is faster. Times are medians over rounds.

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <weft/backends/backend.h>
#include <weft/weft.h>

namespace {

using weft::DType;
using weft::Tensor;
using weft::backends::Backend;
using weft::backends::TensorView;

Backend& gpu() { return weft::backends::backend_for(weft::cuda()); }

/// Median seconds of one call: `calls` calls between two waits, in nine rounds after one that warms up.
double seconds_per_call(int calls, const std::function<void()>& call) {
  std::vector<double> rounds;
  for (int round = 0; round < 10; ++round) {
    gpu().synchronise();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) call();
    gpu().synchronise();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (round > 0) rounds.push_back(time.count() / calls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + 4, rounds.end());
  return rounds[4];
}

// ---- the training step

class Step {
 public:
  explicit Step(std::int64_t batch)
      : batch_(batch),
        model_{weft::nn::Linear(784, 512), weft::nn::ReLU(), weft::nn::Linear(512, 512), weft::nn::ReLU(),
               weft::nn::Linear(512, 10)},
        images_(weft::rand({examples, 784}, weft::cuda())),
        labels_(weft::randint(0, 10, {examples}, {weft::cuda(), DType::int64})),
        order_(weft::randint(0, examples, {most_steps, batch}, {weft::cuda(), DType::int64})),
        cursor_(weft::zeros({1}, {weft::cuda(), DType::int64})),
        optimizer_((model_.to(weft::cuda()), model_.parameters()), weft::nn::SGDOptions{.lr = 0.01, .momentum = 0.9}) {}

  void run() {
    optimizer_.zero_grad();
    const Tensor rows = index_select(order_, 0, cursor_).reshape({batch_});
    const Tensor logits = model_(index_select(images_, 0, rows));
    loss_ = cross_entropy(logits, index_select(labels_, 0, rows));
    loss_.backward();
    optimizer_.step();
    cursor_.add_(1);
  }
  double loss() const { return loss_.item(); }

 private:
  static constexpr std::int64_t examples = 16384, most_steps = 4096;
  std::int64_t batch_;
  weft::nn::Sequential model_;
  Tensor images_, labels_, order_, cursor_, loss_;
  weft::nn::SGD optimizer_;
};

void bench_steps() {
  for (const char* precision : {"highest", "high"}) {
    weft::set_float32_matmul_precision(precision);
    for (const std::int64_t batch : {128, 512, 4096}) {
      Step eager(batch);
      const double eager_time = seconds_per_call(50, [&] { eager.run(); });
      Step step(batch);
      weft::CapturedStep captured = weft::capture([&] { step.run(); });
      captured.replay(20);
      const double captured_time = seconds_per_call(1, [&] { captured.replay(200); }) / 200;
      std::printf(
          "{\"what\":\"step 784-512-512-10\",\"precision\":\"%s\",\"batch\":%lld,\"captured_us\":%.3f,"
          "\"eager_us\":%.3f,\"calls\":%zu,\"loss\":%.6f}\n",
          precision == std::string_view("high") ? "tf32" : "float32", static_cast<long long>(batch),
          captured_time * 1e6, eager_time * 1e6, captured.recorded_calls(), step.loss());
      std::fflush(stdout);
    }
  }
  weft::set_float32_matmul_precision("highest");
  const weft::backends::MemoryCounts counts = gpu().memory();
  std::printf("{\"what\":\"memory after the steps\",\"peak_bytes\":%zu,\"reserved_bytes\":%zu}\n", counts.peak,
              counts.reserved);
}

// ---- kernels against the copy

TensorView on_device(DType dtype, const weft::Shape& shape) {
  const auto bytes = static_cast<std::size_t>(shape.numel()) * weft::item_size(dtype);
  return weft::backends::contiguous_view(gpu().allocate(bytes), dtype, shape);
}

void bench_kernels() {
  using namespace weft;
  constexpr std::int64_t elements = std::int64_t{1} << 28;  // 1 GiB of float32
  const Shape shape = {elements / 1024, 1024};
  const TensorView a = on_device(DType::float32, shape), b = on_device(DType::float32, shape),
                   c = on_device(DType::float32, shape);
  gpu().random(RandomKind::normal, {1, 0, nullptr}, a);
  gpu().random(RandomKind::normal, {1, 1, nullptr}, b);
  const double gigabytes = static_cast<double>(elements) * 4 / 1e9;
  double copy_rate = 0;
  const auto row = [&](const char* name, double passes, const std::function<void()>& call) {
    const double rate = gigabytes * passes / seconds_per_call(10, call);
    if (copy_rate == 0) copy_rate = rate;
    std::printf("{\"what\":\"kernel %s, 1 GiB\",\"gigabytes_per_second\":%.1f,\"of_copy\":%.3f}\n", name, rate,
                rate / copy_rate);
    std::fflush(stdout);
  };
  row("copy", 2, [&] { gpu().copy(a, c); });
  row("fill", 1, [&] { gpu().fill(c, 0.5); });
  row("relu", 2, [&] { gpu().unary(UnaryOp::relu, {}, a, c); });
  row("exp", 2, [&] { gpu().unary(UnaryOp::exp, {}, a, c); });
  row("add", 3, [&] { gpu().binary(BinaryOp::add, a, b, c); });
  row("mul by a number", 2, [&] { gpu().binary(BinaryOp::mul, a, backends::Number(1.5), c); });
  row("dropout", 2, [&] { gpu().dropout(0.5, {1, 2, nullptr}, a, c); });
  row("normal", 1, [&] { gpu().random(RandomKind::normal, {1, 3, nullptr}, c); });
  const TensorView scalar = on_device(DType::float32, {1, 1}), rows = on_device(DType::float32, {shape[0], 1}),
                   columns = on_device(DType::float32, {1, shape[1]});
  row("sum of all", 1, [&] { gpu().reduce(ReduceOp::sum, a, scalar); });
  row("sum of rows", 1, [&] { gpu().reduce(ReduceOp::sum, a, rows); });
  row("sum of columns", 1, [&] { gpu().reduce(ReduceOp::sum, a, columns); });
  row("softmax of rows", 2, [&] { gpu().softmax(false, a, 1, c); });
  for (const TensorView& view : {a, b, c, scalar, rows, columns}) {
    gpu().free(view.data, static_cast<std::size_t>(view.numel()) * item_size(view.dtype));
  }
}

// ---- products

/// cuBLASLt as its documentation shows it: row-major C = A B asked for as C^T = B^T A^T.
class ByHand {
 public:
  ByHand() {
    void* library = dlopen(("libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR)).c_str(), RTLD_NOW);
    if (library == nullptr) {
      std::fprintf(stderr, "gpu_bench: %s\n", dlerror());
      std::exit(1);
    }
    const auto get = [&](const char* name, auto& f) {
      f = reinterpret_cast<std::remove_reference_t<decltype(f)>>(dlsym(library, name));
    };
    get("cublasLtCreate", create);
    get("cublasLtMatmulDescCreate", desc_create);
    get("cublasLtMatrixLayoutCreate", layout_create);
    get("cublasLtMatmulPreferenceCreate", preference_create);
    get("cublasLtMatmulPreferenceSetAttribute", preference_set);
    get("cublasLtMatmulAlgoGetHeuristic", heuristic);
    get("cublasLtMatmul", matmul);
    create(&handle);
    cudaMalloc(&workspace, workspace_bytes);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  }

  double seconds(std::int64_t m, std::int64_t n, std::int64_t k, cudaDataType_t type, cublasComputeType_t compute,
                 const void* a, const void* b, void* c) {
    cublasLtMatmulDesc_t desc = nullptr;
    cublasLtMatrixLayout_t la = nullptr, lb = nullptr, lc = nullptr;
    cublasLtMatmulPreference_t preference = nullptr;
    const auto u = [](std::int64_t x) { return static_cast<std::uint64_t>(x); };
    desc_create(&desc, compute, CUDA_R_32F);
    layout_create(&la, type, u(n), u(k), n);
    layout_create(&lb, type, u(k), u(m), k);
    layout_create(&lc, type, u(n), u(m), n);
    preference_create(&preference);
    preference_set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof workspace_bytes);
    cublasLtMatmulHeuristicResult_t result;
    int found = 0;
    heuristic(handle, desc, la, lb, lc, lc, preference, 1, &result, &found);
    if (found == 0) return -1;
    const float one = 1, zero = 0;
    std::vector<double> rounds;
    for (int round = 0; round < 10; ++round) {
      cudaStreamSynchronize(stream);
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < 20; ++i) {
        matmul(handle, desc, &one, b, la, a, lb, &zero, c, lc, c, lc, &result.algo, workspace, workspace_bytes, stream);
      }
      cudaStreamSynchronize(stream);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
      if (round > 0) rounds.push_back(time.count() / 20);
    }
    std::nth_element(rounds.begin(), rounds.begin() + 4, rounds.end());
    return rounds[4];
  }

 private:
  decltype(&::cublasLtCreate) create = nullptr;
  decltype(&::cublasLtMatmulDescCreate) desc_create = nullptr;
  decltype(&::cublasLtMatrixLayoutCreate) layout_create = nullptr;
  decltype(&::cublasLtMatmulPreferenceCreate) preference_create = nullptr;
  decltype(&::cublasLtMatmulPreferenceSetAttribute) preference_set = nullptr;
  decltype(&::cublasLtMatmulAlgoGetHeuristic) heuristic = nullptr;
  decltype(&::cublasLtMatmul) matmul = nullptr;
  cublasLtHandle_t handle = nullptr;
  std::size_t workspace_bytes = std::size_t{32} << 20;
  void* workspace = nullptr;
  cudaStream_t stream = nullptr;
};

void bench_products() {
  using namespace weft;
  ByHand by_hand;
  struct Kind {
    const char* name;
    DType dtype;
    cudaDataType_t type;
    cublasComputeType_t compute;
    bool tf32;
  };
  constexpr Kind kinds[] = {{"float32", DType::float32, CUDA_R_32F, CUBLAS_COMPUTE_32F, false},
                            {"tf32", DType::float32, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, true},
                            {"bfloat16", DType::bfloat16, CUDA_R_16BF, CUBLAS_COMPUTE_32F, false},
                            {"float16", DType::float16, CUDA_R_16F, CUBLAS_COMPUTE_32F, false}};
  for (const Kind& kind : kinds) {
    set_float32_matmul_precision(kind.tf32 ? "high" : "highest");
    for (const std::int64_t n : {512, 1024, 2048, 4096, 8192}) {
      const TensorView a = on_device(kind.dtype, {n, n}), b = on_device(kind.dtype, {n, n}),
                       c = on_device(kind.dtype, {n, n});
      gpu().random(RandomKind::normal, {2, 0, nullptr}, a);
      gpu().random(RandomKind::normal, {2, 1, nullptr}, b);
      const double weft_time = seconds_per_call(20, [&] { gpu().matmul(a, b, c, false); });
      gpu().synchronise();
      const double hand_time = by_hand.seconds(n, n, n, kind.type, kind.compute, a.data, b.data, c.data);
      const double work = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n);
      std::printf(
          "{\"what\":\"product %s %lld\",\"weft_us\":%.2f,\"by_hand_us\":%.2f,\"weft_teraflops\":%.1f,"
          "\"weft_over_by_hand\":%.4f}\n",
          kind.name, static_cast<long long>(n), weft_time * 1e6, hand_time * 1e6, work / weft_time / 1e12,
          weft_time / hand_time);
      std::fflush(stdout);
      for (const TensorView& view : {a, b, c}) {
        gpu().free(view.data, static_cast<std::size_t>(view.numel()) * item_size(view.dtype));
      }
    }
  }
  set_float32_matmul_precision("highest");
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string_view what = argc > 1 ? argv[1] : "all";
  std::printf("{\"what\":\"device\",\"facts\":\"%s\"}\n", gpu().facts().name);
  if (what == "step" || what == "all") bench_steps();
  if (what == "kernels" || what == "all") bench_kernels();
  if (what == "gemm" || what == "all") bench_products();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "gpu_bench: %s\n", error.what());
  return 2;
}
