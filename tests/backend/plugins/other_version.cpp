// A plug-in built from another version of the contract: what it finds in the host is not what it was built with.

#include <weft/backends/plugin.h>

using namespace weft::backends;

extern "C" __attribute__((visibility("default"))) Backend* weft_plugin(const PluginHost* host, const char** why_not) {
  PluginHost other = *host;
  other.contract = contract_version + 1;
  *why_not = mismatch(&other);
  return nullptr;
}
