#include <cstdint>
#include <cstring>
#include <numeric>

#include <weft/core/error.h>

#include "backend/contract_support.h"
#include "backend/toy_backend.h"

namespace weft::contract_test {
namespace {

class ContractMemory : public OnEveryBackend {};

TEST_P(ContractMemory, FactsAreThere) {
  const backends::DeviceFacts facts = backend().facts();
  ASSERT_NE(facts.name, nullptr);
  EXPECT_STRNE(facts.name, "");
  EXPECT_GE(facts.units, 1);
}

TEST_P(ContractMemory, BlocksAreAlignedAndDistinct) {
  void* blocks[8];
  for (std::size_t i = 0; i < 8; ++i) {
    blocks[i] = backend().allocate(1 + i * 37);
    ASSERT_NE(blocks[i], nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[i]) % 64, 0u);
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(blocks[i], blocks[j]);
  }
  for (std::size_t i = 0; i < 8; ++i) backend().free(blocks[i], 1 + i * 37);
  backend().free(nullptr, 0);
}

TEST_P(ContractMemory, BytesComeBack) {
  std::vector<unsigned char> there(1000), back(1000);
  std::iota(there.begin(), there.end(), static_cast<unsigned char>(3));
  void* p = backend().allocate(there.size());
  backend().copy_in(p, there.data(), there.size());
  backend().synchronise();
  backend().copy_out(back.data(), p, back.size());
  backend().free(p, there.size());
  EXPECT_EQ(back, there);
}

TEST_P(ContractMemory, PinnedMemoryIsUsable) {
  constexpr std::size_t bytes = 4096;
  void* pinned = backend().allocate_pinned(bytes);
  std::memset(pinned, 7, bytes);
  void* p = backend().allocate(bytes);
  backend().copy_in_async(p, pinned, bytes);
  backend().synchronise();
  std::vector<unsigned char> back(bytes);
  backend().copy_out(back.data(), p, bytes);
  EXPECT_EQ(back, std::vector<unsigned char>(bytes, 7));
  backend().free(p, bytes);
  backend().free_pinned(pinned, bytes);
}

TEST_P(ContractMemory, MoreThanThereIsIsRefused) {
  if (GetParam() == "toy") GTEST_SKIP() << "the toy leaves that to the system";
  backend().tag({"zeros", "program.cpp", 12});
  try {
    backend().allocate(std::size_t{1} << 60);
    FAIL() << "2^60 bytes were handed out";
  } catch (const OutOfMemoryError& error) {
    EXPECT_EQ(error.code(), ErrorCode::out_of_memory);
    EXPECT_NE(std::string(error.what()).find("[zeros]"), std::string::npos) << error.what();
    EXPECT_EQ(error.where().line, 12u);
  }
  void* p = backend().allocate(64);  // and life goes on
  backend().free(p, 64);
}

TEST_P(ContractMemory, TheTagIsTheThreadsLast) {
  backend().tag({"softmax", "a.cpp", 3});
  EXPECT_STREQ(backends::current_tag().name, "softmax");
  backend().tag({"matmul", "b.cpp", 4});
  EXPECT_STREQ(backends::current_tag().name, "matmul");
  EXPECT_STREQ(backends::current_tag().file, "b.cpp");
  EXPECT_EQ(backends::current_tag().line, 4u);
  backend().tag({});
}

TEST_P(ContractMemory, AbilitiesSayNoPolitely) {
  EXPECT_FALSE(backend().set_option("no.such.option", "at all"));
  if (!backend().facts().streams) {
    EXPECT_EQ(backend().make_stream(), nullptr);
    backend().use_stream(nullptr);
    backend().wait(nullptr);
    backend().drop_stream(nullptr);
  }
  if (!backend().facts().graphs) {
    EXPECT_FALSE(backend().begin_capture());
    EXPECT_EQ(backend().end_capture(), nullptr);
    EXPECT_THROW(backend().replay(nullptr, 1), StateError);
    backend().drop_capture(nullptr);
  }
  backend().release_cached();
  const backends::MemoryCounts counts = backend().memory();
  EXPECT_GE(counts.peak, counts.live);
}

TEST_P(ContractMemory, MemoryCountsFollowAllocations) {
  if (GetParam() == "toy") GTEST_SKIP() << "the toy counts nothing";
  const backends::MemoryCounts before = backend().memory();
  void* p = backend().allocate(1 << 20);
  const backends::MemoryCounts during = backend().memory();
  backend().free(p, 1 << 20);
  EXPECT_EQ(during.live, before.live + (1 << 20));
  EXPECT_GE(during.reserved, during.live);
  EXPECT_EQ(backend().memory().live, before.live);
}

WEFT_ON_EVERY_BACKEND(ContractMemory);

// Every other test of this program has run on the toy by then: it checks what surrounds each block when it is freed.
class Canaries : public testing::Environment {
 public:
  void TearDown() override { EXPECT_EQ(toy_broken_canaries(), 0) << "something wrote outside a block of the toy"; }
};
[[maybe_unused]] const testing::Environment* const canaries = testing::AddGlobalTestEnvironment(new Canaries);

}  // namespace
}  // namespace weft::contract_test
