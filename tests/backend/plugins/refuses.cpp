// A plug-in that cannot run here.

#include <weft/backends/plugin.h>

using namespace weft::backends;

extern "C" __attribute__((visibility("default"))) Backend* weft_plugin(const PluginHost*, const char** why_not) {
  *why_not = "no such device was found: the test driver is not installed";
  return nullptr;
}
