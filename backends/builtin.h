#pragma once
// Private: the factories of the backends that are part of the library, for the table in registry.cpp.

#include <memory>

#include <weft/backends/backend.h>

namespace weft::backends {

std::unique_ptr<Backend> make_serial();
std::unique_ptr<Backend> make_cpu();

}  // namespace weft::backends
