#include <weft/nn/checkpoint_fields.h>

#include <algorithm>
#include <span>
#include <string_view>

#include <weft/core/checksum.h>
#include <weft/core/message.h>

namespace weft::nn {

std::string fields_checksum(const Fields& fields, const StateDict& tensors) {
  std::vector<std::string> items;
  for (const auto& [name, value] : fields) {
    if (name == field::checksum ||
        name.compare(0, std::string_view(field::tensor_checksum).size(), field::tensor_checksum) == 0)
      continue;
    items.push_back(message("field ", name.size(), ' ', name, ' ', value.size(), ' ', value));
  }
  for (const auto& [name, tensor] : tensors) {
    items.push_back(message("tensor ", name.size(), ' ', name, ' ', tensor.dtype(), ' ', tensor.shape()));
  }
  std::sort(items.begin(), items.end());
  std::uint32_t crc = 0;
  for (const std::string& item : items) crc = crc32c(std::as_bytes(std::span(item.data(), item.size() + 1)), crc);
  std::string digits;
  for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[crc >> shift & 15u];
  return digits;
}

}  // namespace weft::nn
