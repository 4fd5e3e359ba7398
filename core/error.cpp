#include <weft/core/error.h>

#include <charconv>

namespace weft {
namespace {

std::string compose(std::string_view op, std::string_view message, CallSite at) {
  std::string text;
  text.reserve(op.size() + message.size() + 64);
  text += '[';
  text += op;
  text += "] ";
  text += message;
  if (at.line != 0) {
    const std::string_view file = at.file;
    char line[16];
    text += "   (";
    text += file.substr(file.rfind('/') + 1);  // npos + 1 is 0: a bare name stays whole
    text += ':';
    text.append(line, std::to_chars(line, line + sizeof line, at.line).ptr);
    text += ')';
  }
  return text;
}

}  // namespace

const char* to_string(ErrorCode code) noexcept {
  switch (code) {
#define WEFT_CODE(name) \
  case ErrorCode::name: \
    return #name
    WEFT_CODE(shape_invalid);
    WEFT_CODE(shape_overflow);
    WEFT_CODE(shape_mismatch);
    WEFT_CODE(rank_unsupported);
    WEFT_CODE(dtype_unsupported);
    WEFT_CODE(dtype_mismatch);
    WEFT_CODE(device_mismatch);
    WEFT_CODE(device_unknown);
    WEFT_CODE(device_unavailable);
    WEFT_CODE(plugin_incompatible);
    WEFT_CODE(device_failure);
    WEFT_CODE(index_out_of_range);
    WEFT_CODE(axis_out_of_range);
    WEFT_CODE(value_out_of_range);
    WEFT_CODE(value_invalid);
    WEFT_CODE(tensor_undefined);
    WEFT_CODE(state_mismatch);
    WEFT_CODE(not_built);
    WEFT_CODE(read_only);
    WEFT_CODE(no_gradient);
    WEFT_CODE(graph_freed);
    WEFT_CODE(version_conflict);
    WEFT_CODE(in_place_recorded);
    WEFT_CODE(gradient_mismatch);
    WEFT_CODE(reentrant_backward);
    WEFT_CODE(non_finite);
    WEFT_CODE(differentiated_once);
    WEFT_CODE(saved_mismatch);
    WEFT_CODE(io_open);
    WEFT_CODE(io_read);
    WEFT_CODE(io_write);
    WEFT_CODE(io_truncated);
    WEFT_CODE(io_format);
    WEFT_CODE(io_checksum);
    WEFT_CODE(io_network);
    WEFT_CODE(out_of_memory);
#undef WEFT_CODE
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string_view op, std::string_view message, CallSite at)
    : std::runtime_error(compose(op, message, at)), code_(code), at_(at) {}

Error::~Error() = default;
ShapeError::~ShapeError() = default;
DTypeError::~DTypeError() = default;
DeviceError::~DeviceError() = default;
IndexError::~IndexError() = default;
ValueError::~ValueError() = default;
StateError::~StateError() = default;
AutogradError::~AutogradError() = default;
IoError::~IoError() = default;
OutOfMemoryError::~OutOfMemoryError() = default;

}  // namespace weft
