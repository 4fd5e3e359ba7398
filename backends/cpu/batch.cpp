#include <weft/backends/cpu/cpu_backend.h>
#include <weft/backends/cpu/index_check.h>
#include <weft/backends/cpu/kernels.h>
#include <weft/core/thread_pool.h>

namespace weft::backends::cpu {

void CpuBackend::gather_batch(const GatherBatchArgs& args, const TensorView& data, const TensorView& labels,
                              const TensorView& index, const TensorView& out, const TensorView& out_labels) {
  if (data.dtype != DType::uint8 || out.dtype != DType::float32 || index.dtype != DType::int64 ||
      !data.is_contiguous() || !out.is_contiguous()) {
    return Backend::gather_batch(args, data, labels, index, out, out_labels);
  }
  check_indices(index, data.shape[0], "gather_batch");
  const std::int64_t row = data.numel() / data.shape[0];
  const std::int64_t* wanted = index.as<const std::int64_t>();
  const ConvertKernels& convert = *kernels().convert;
  parallel_for(index.shape[0], 1 + 65536 / row, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      convert.bytes_to_float(data.as<const std::uint8_t>() + wanted[i * index.strides[0]] * row,
                             out.as<float>() + i * row, row, args.scale, args.shift);
    }
  });
  if (labels.data == nullptr || out_labels.data == nullptr) return;
  dispatch(labels.dtype, [&](auto from_type) {
    using From = typename decltype(from_type)::type;
    dispatch(out_labels.dtype, [&](auto to_type) {
      using To = typename decltype(to_type)::type;
      if constexpr (std::is_integral_v<From> && std::is_integral_v<To>) {
        for (std::int64_t i = 0; i < index.shape[0]; ++i) {
          const From label = labels.as<const From>()[wanted[i * index.strides[0]] * labels.strides[0]];
          out_labels.as<To>()[i * out_labels.strides[0]] = static_cast<To>(label);
        }
      }
    });
  });
}

}  // namespace weft::backends::cpu
