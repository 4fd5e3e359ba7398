#include <gtest/gtest.h>

#include <string>

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

}  // namespace
}  // namespace weft
