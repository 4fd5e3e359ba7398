#pragma once
// Part of matmul: the ladder of kernels on cuda.

#include "experiment.h"
#include "sweep.h"

namespace lab {

void ladder(Context& context, Section& section);

}  // namespace lab
