#pragma once
// A third party's backend: the pure functions only, written from backend.h alone, with the simplest code that is right.
// What it shows: the pure set is a complete backend, and a name registered at run time works everywhere.

#include <weft/backends/backend.h>

namespace weft::contract_test {

class ToyBackend : public backends::Backend {
 public:
  backends::DeviceFacts facts() override;
  void* allocate(std::size_t bytes) override;
  void free(void* p, std::size_t bytes) noexcept override;
  void copy_in(void* to, const void* host, std::size_t bytes) override;
  void copy_out(void* host, const void* from, std::size_t bytes) override;
  void synchronise() override;
  void fill(const backends::TensorView& out, backends::Number value) override;
  void copy(const backends::TensorView& in, const backends::TensorView& out) override;
  void unary(UnaryOp op, const backends::UnaryArgs& args, const backends::TensorView& in,
             const backends::TensorView& out) override;
  void binary(BinaryOp op, const backends::Argument& a, const backends::Argument& b,
              const backends::TensorView& out) override;
  void where(const backends::TensorView& condition, const backends::Argument& a, const backends::Argument& b,
             const backends::TensorView& out) override;
  void reduce(ReduceOp op, const backends::TensorView& in, const backends::TensorView& out) override;
  void arg_reduce(ArgReduceOp op, const backends::TensorView& in, int axis, const backends::TensorView& out) override;
  void matmul(const backends::TensorView& a, const backends::TensorView& b, const backends::TensorView& out,
              bool accumulate) override;
  void gather(const backends::TensorView& in, int axis, const backends::TensorView& index,
              const backends::TensorView& out) override;
  void scatter_add(const backends::TensorView& from, int axis, const backends::TensorView& index,
                   const backends::TensorView& inout) override;
  void random(RandomKind kind, const backends::RandomKey& key, const backends::TensorView& out) override;
  void conv(backends::Pass pass, const backends::ConvGeometry& g, const backends::TensorView& x,
            const backends::TensorView& w, const backends::TensorView& y) override;
  void pool(const backends::PoolGeometry& g, const backends::TensorView& x, const backends::TensorView& y,
            const backends::TensorView& index) override;
  void pool_backward(const backends::PoolGeometry& g, const backends::TensorView& x, const backends::TensorView& y,
                     const backends::TensorView& dy, const backends::TensorView& index,
                     const backends::TensorView& dx) override;
  void scan(ScanOp op, const backends::TensorView& in, int axis, const backends::TensorView& out) override;
  void topk(const backends::TensorView& in, int axis, bool largest, const backends::TensorView& values,
            const backends::TensorView& indices) override;
};

/// Registers "toy" once; the same device every time. (toy_register.cpp)
Device register_toy();

/// How many of its blocks were freed with the bytes around them changed, or with another size than asked for.
int toy_broken_canaries();

/// Calls of the pure set so far: proves that work went through this backend.
long toy_calls();

}  // namespace weft::contract_test
