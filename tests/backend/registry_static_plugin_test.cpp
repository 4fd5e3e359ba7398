#include <gtest/gtest.h>

#include <weft/backends/registry.h>

namespace weft {
namespace {

TEST(StaticPlugin, IsReachedWithoutAFile) {
  unsetenv("WEFT_BACKEND_PATH");
  ASSERT_EQ(backends::why_unavailable(cuda()), "");
  EXPECT_STREQ(backends::backend_for(cuda()).facts().name, "the test plug-in");
}

}  // namespace
}  // namespace weft
