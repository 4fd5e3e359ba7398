// A plug-in that was not linked with what it uses: it does not load.

namespace weft {
int a_function_nobody_has();
}

extern "C" __attribute__((visibility("default"))) void* weft_plugin(const void*, const char**) {
  return weft::a_function_nobody_has() != 0 ? nullptr : nullptr;
}
