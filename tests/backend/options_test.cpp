#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include <weft/backends/exhibits.h>
#include <weft/backends/options.h>
#include <weft/backends/registry.h>
#include <weft/core/error.h>

namespace weft {
namespace {

TEST(Options, PrecisionIsRememberedAndOtherWordsAreRefused) {
  EXPECT_EQ(float32_matmul_precision(), "highest");
  set_float32_matmul_precision("high");
  EXPECT_EQ(float32_matmul_precision(), "high");
  try {
    set_float32_matmul_precision("medium");
    FAIL() << "\"medium\" was taken";
  } catch (const ValueError& error) {
    EXPECT_EQ(error.code(), ErrorCode::value_invalid);
    EXPECT_NE(std::string(error.what()).find("\"medium\", expected \"highest\" or \"high\""), std::string::npos)
        << error.what();
    EXPECT_NE(error.where().line, 0u);
  }
  EXPECT_EQ(float32_matmul_precision(), "high") << "a refused word changes nothing";
  set_float32_matmul_precision("highest");
  EXPECT_EQ(float32_matmul_precision(), "highest");
  set_autotune(true);
  set_autotune(false);
}

TEST(Options, AnUnknownOptionNamesTheDeviceTheKeyAndTheValue) {
  try {
    set_backend_option(serial(), "no.such.option", "on");
    FAIL() << "serial knows no options";
  } catch (const ValueError& error) {
    const std::string text = error.what();
    for (const char* part : {"serial", "no.such.option", "\"on\""}) {
      EXPECT_NE(text.find(part), std::string::npos) << text;
    }
  }
}

TEST(Options, WhatCudaTakes) {
  if (const std::string why = backends::why_unavailable(cuda()); !why.empty()) GTEST_SKIP() << why;
  for (const char* value : {"direct", "cudnn"}) set_backend_option(cuda(), "conv.kernel", value);
  for (const char* value : {"tf32", "float32"}) set_backend_option(cuda(), "float32.precision", value);
  EXPECT_THROW(set_backend_option(cuda(), "conv.kernel", "winograd"), ValueError);
  EXPECT_THROW(set_backend_option(cuda(), "float32.precision", "high"), ValueError);
}

/// The message of the ValueError or DeviceError that f throws; empty where it throws none.
template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_NE(error.where().line, 0u);
    return error.what();
  }
  return {};
}

TEST(Options, KernelsAreChosenByName) {
  for (const Device device : {serial(), cpu()}) {
    EXPECT_EQ(matmul_kernels(device), std::vector<std::string_view>{"auto"});
    EXPECT_EQ(reduce_kernels(device), std::vector<std::string_view>{"auto"});
    set_matmul_kernel(device, "auto");
    set_reduce_kernel(device, "auto");
    EXPECT_NE(refusal([&] { set_matmul_kernel(device, "naive"); }).find("has no kernel \"naive\" (known: auto)"),
              std::string::npos);
  }
  EXPECT_EQ(matmul_kernels(cuda()).front(), "naive");
  EXPECT_EQ(matmul_kernels(cuda()).back(), "auto");
  EXPECT_EQ(reduce_kernels(cuda()).back(), "auto");
  const std::string said = refusal([] { set_matmul_kernel(cuda(), "shared-tiles"); });
  EXPECT_NE(said.find("did you mean \"shared-tile\"? (known: naive, coalesced, "), std::string::npos) << said;
  EXPECT_NE(refusal([] { set_reduce_kernel(cuda(), "warp"); }).find("sequential, tree, warp-shuffle, auto"),
            std::string::npos);
}

TEST(Options, CudaTakesEveryKernelItLists) {
  if (const std::string why = backends::why_unavailable(cuda()); !why.empty()) GTEST_SKIP() << why;
  for (const std::string_view name : matmul_kernels(cuda())) set_matmul_kernel(cuda(), name);
  for (const std::string_view name : reduce_kernels(cuda())) set_reduce_kernel(cuda(), name);
  EXPECT_THROW(set_backend_option(cuda(), "matmul.kernel", "strassen"), ValueError);
  EXPECT_THROW(set_backend_option(cuda(), "reduce.kernel", "atomic"), ValueError);
}

TEST(Exhibits, RefuseWhatTheyCannotShow) {
  for (const Exhibit& e : exhibits()) {
    ASSERT_GE(e.settings.size(), 2u) << e.name;
    EXPECT_NE(refusal([&] { run_exhibit(cpu(), e.name, e.settings.back()); }).find("'cpu' has no exhibit"),
              std::string::npos);
    EXPECT_NE(refusal([&] { run_exhibit(cpu(), e.name, e.settings.back() + 1); }).find(" is not in "),
              std::string::npos);
    EXPECT_NE(refusal([&] { run_exhibit(cpu(), e.name, 0); }).find("setting = 0 ("), std::string::npos);
  }
  EXPECT_NE(refusal([] { run_exhibit(cpu(), "divergense", 2); }).find("did you mean \"divergence\"?"),
            std::string::npos);
  EXPECT_NE(refusal([] { run_exhibit(cpu(), "divergence", 2, 0); }).find("repeats = 0"), std::string::npos);
}

}  // namespace
}  // namespace weft
