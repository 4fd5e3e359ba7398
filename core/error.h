#pragma once
// What weft throws. One base class, a small family beneath it, and a code for every kind of mistake.
//
// what() reads:  [matmul] inner dimensions differ: a is (64, 784), b is (512, 784)   (train.cpp:41)
// The operation, the argument, what was expected, what arrived, and the user's own file and line; for a file, its path
// and the byte offset. Codes are stable: a number keeps its meaning for ever, so a program (or a test) may compare
// them.

#include <stdexcept>
#include <string>
#include <string_view>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

enum class ErrorCode : int {
  // ShapeError
  shape_invalid = 100,     ///< negative extent, bad reshape, bad permutation
  shape_overflow = 101,    ///< more elements or bytes than 63 bits count
  shape_mismatch = 102,    ///< two shapes that do not go together
  rank_unsupported = 103,  ///< over max_rank, or not the rank the operation needs
  // DTypeError
  dtype_unsupported = 200,
  dtype_mismatch = 201,
  // DeviceError
  device_mismatch = 300,      ///< operands on different devices
  device_unknown = 301,       ///< no such backend name or device index
  device_unavailable = 302,   ///< the backend exists but cannot run here; the message says why
  plugin_incompatible = 303,  ///< a plug-in of another weft version, or no plug-in at all
  device_failure = 304,       ///< the device reported a failure
  // IndexError
  index_out_of_range = 400,
  axis_out_of_range = 401,
  // ValueError
  value_out_of_range = 500,  ///< a number outside its documented range, NaN included
  value_invalid = 501,       ///< an argument that means nothing (an empty list, an unknown name)
  // StateError
  tensor_undefined = 600,  ///< a default-constructed Tensor was used
  state_mismatch = 601,    ///< a state dict, checkpoint or optimiser that does not fit
  not_built = 602,         ///< planned, not in this version
  read_only = 603,         ///< a write where writing is not defined (an expanded view, a captured step)
  // AutogradError
  no_gradient = 700,          ///< backward through something that records no gradient
  graph_freed = 701,          ///< backward a second time without retain_graph
  version_conflict = 702,     ///< a saved value was overwritten
  in_place_recorded = 703,    ///< an in-place write where a gradient would be needed
  gradient_mismatch = 704,    ///< a gradient of the wrong shape, dtype or device
  reentrant_backward = 705,   ///< backward from inside backward on the same graph
  non_finite = 706,           ///< anomaly mode met a NaN (or an infinity)
  differentiated_once = 707,  ///< a second derivative of a function that has only a first
  saved_mismatch = 708,       ///< a saved value came back from a hook or a recomputation as something else
  // IoError
  io_open = 800,
  io_read = 801,
  io_write = 802,
  io_truncated = 803,  ///< the file ends before what its header claims
  io_format = 804,     ///< the bytes do not follow the format
  io_checksum = 805,
  io_network = 806,
  // OutOfMemoryError
  out_of_memory = 900,
};

/// The enumerator's name, e.g. "shape_mismatch"; "unknown" for a number that is no code.
WEFT_API const char* to_string(ErrorCode code) noexcept;

class WEFT_API Error : public std::runtime_error {
 public:
  /// `op` is the public name of the operation ("matmul"), without brackets.
  Error(ErrorCode code, std::string_view op, std::string_view message, CallSite at = {});
  Error(const Error&) = default;
  ~Error() override;

  ErrorCode code() const noexcept { return code_; }
  CallSite where() const noexcept { return at_; }

 private:
  ErrorCode code_;
  CallSite at_;
};

// Destructors are defined in error.cpp so that each type has one home (a plug-in's copies are matched by name).
#define WEFT_DECLARE_ERROR(Name)       \
  class WEFT_API Name : public Error { \
   public:                             \
    using Error::Error;                \
    Name(const Name&) = default;       \
    ~Name() override;                  \
  }
WEFT_DECLARE_ERROR(ShapeError);
WEFT_DECLARE_ERROR(DTypeError);
WEFT_DECLARE_ERROR(DeviceError);
WEFT_DECLARE_ERROR(IndexError);
WEFT_DECLARE_ERROR(ValueError);
WEFT_DECLARE_ERROR(StateError);
WEFT_DECLARE_ERROR(AutogradError);
WEFT_DECLARE_ERROR(IoError);
WEFT_DECLARE_ERROR(OutOfMemoryError);
#undef WEFT_DECLARE_ERROR

}  // namespace weft
