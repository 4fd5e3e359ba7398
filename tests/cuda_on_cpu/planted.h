#pragma once
// Bugs that can be switched on while the program runs: each makes what a kernel or the backend asks for slightly wrong
// on its way into the harness, so that the backend's own code is what carries the bug. planted_test.cpp asserts that
// each is found. Bugs that need a kernel of their own stand in planted_kernels.cu.

namespace weft_harness {

enum class Bug {
  none,
  // in kernels
  skip_barrier,    ///< __syncthreads does nothing
  skip_syncwarp,   ///< __syncwarp does nothing
  half_warp_mask,  ///< shuffles name half of the warp
  plain_atomics,   ///< atomics are a load and a store
  // in launches
  grid_one_short,       ///< the last block along x is not started
  block_too_large,      ///< 32 times the threads
  shared_memory_short,  ///< half of the dynamic shared memory asked for
  // in the backend's calls of the runtime
  allocation_short,      ///< four bytes less than asked for
  free_at_once,          ///< freed when the call is made, not when the queue comes there
  skip_wait,             ///< cudaStreamWaitEvent does nothing
  skip_fill,             ///< cudaMemsetAsync does nothing
  skip_copy,             ///< copies from the host do nothing
  wait_while_recording,  ///< a host wait inside a capture
  allocate_while_recording,
  sticky_error,  ///< the device is lost at the next launch
  // in calls of vendors' libraries
  leading_dimension,      ///< of a matrix, one less than it is
  transpose,              ///< of the first operand, the other way
  aux_leading_dimension,  ///< of the epilogue's aux, one less
  workspace_none,         ///< a product that was planned with a workspace gets none
  compute_type,           ///< 64-bit for matrices that are not, 32-bit for those that are
  misaligned_operand,     ///< the second operand lies four bytes further on
  vendor_wait_while_recording,
  missing_stream,  ///< the vendor's call goes to the default stream
  count_           // the number of bugs
};

extern Bug planted_bug;
inline bool planted(Bug bug) noexcept { return planted_bug == bug; }

}  // namespace weft_harness
