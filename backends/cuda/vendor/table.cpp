#include <weft/backends/cuda/call.h>
#include <weft/backends/cuda/vendor/open.h>
#include <weft/core/error.h>
#include <weft/core/message.h>

namespace weft::backends::cuda {

void refuse_without(Library library, const char* name) {
  std::string why = vendor_missing(library);
  if (why.empty()) why = message("the library found has no function ", name, ": it is older than weft was built for");
  throw DeviceError(ErrorCode::device_unavailable, call_name("cuda"), why, call_site());
}

}  // namespace weft::backends::cuda
