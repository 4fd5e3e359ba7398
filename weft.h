#pragma once
// Everything a program needs:  #include <weft/weft.h>
// Each part can also be included by itself. Backend authors add <weft/backends/backend.h> and <weft/backends/plugin.h>.

#include <weft/autograd/functions.h>
#include <weft/autograd/grad.h>
#include <weft/autograd/grad_mode.h>
#include <weft/autograd/gradcheck.h>
#include <weft/backends/registry.h>
#include <weft/core/call_site.h>
#include <weft/core/device.h>
#include <weft/core/dtype.h>
#include <weft/core/error.h>
#include <weft/core/shape.h>
#include <weft/core/thread_pool.h>
#include <weft/core/version.h>
#include <weft/data/dataset.h>
#include <weft/data/idx.h>
#include <weft/data/loader.h>
#include <weft/nn/activations.h>
#include <weft/nn/dropout.h>
#include <weft/nn/flatten.h>
#include <weft/nn/init.h>
#include <weft/nn/linear.h>
#include <weft/nn/loss.h>
#include <weft/nn/module.h>
#include <weft/nn/optim.h>
#include <weft/nn/schedule.h>
#include <weft/nn/sequential.h>
#include <weft/nn/state_dict.h>
#include <weft/tensor/creation.h>
#include <weft/tensor/generator.h>
#include <weft/tensor/tensor.h>
