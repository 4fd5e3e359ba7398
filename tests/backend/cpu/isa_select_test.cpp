#include <weft/core/error.h>

#include "support.h"

namespace weft::cpu_test {
namespace {

TEST(IsaSelect, TheBestIsChosen) {
  const std::vector<const Kernels*> sets = all_sets();
  ASSERT_GE(sets.size(), 1u);
  EXPECT_EQ(&backends::cpu::choose_kernels(nullptr), sets.back());
  EXPECT_EQ(&backends::cpu::choose_kernels(""), sets.back());
}

TEST(IsaSelect, EachCanBeForced) {
  for (const Kernels* set : all_sets()) EXPECT_EQ(&backends::cpu::choose_kernels(set->isa), set);
}

TEST(IsaSelect, AnUnknownNameIsRefusedAndTheAllowedOnesAreNamed) {
  for (const char* wrong : {"sse9", "AVX2", "avx51", "0", " "}) {
    try {
      backends::cpu::choose_kernels(wrong);
      FAIL() << wrong << " was taken";
    } catch (const ValueError& error) {
      EXPECT_EQ(error.code(), ErrorCode::value_invalid);
      const std::string what = error.what();
      EXPECT_NE(what.find("WEFT_CPU_ISA"), std::string::npos) << what;
      EXPECT_NE(what.find(std::string("\"") + wrong + "\""), std::string::npos) << what;
      for (const Kernels* set : all_sets()) EXPECT_NE(what.find(set->isa), std::string::npos) << what;
    }
  }
}

}  // namespace
}  // namespace weft::cpu_test
