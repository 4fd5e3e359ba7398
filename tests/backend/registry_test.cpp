#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>

#include <weft/backends/choose_device.h>
#include <weft/backends/registry.h>
#include <weft/core/error.h>

#include "backend/toy_backend.h"

namespace weft {
namespace {

using backends::Backend;
using backends::backend_for;
using contract_test::ToyBackend;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Registry, SerialAndCpuAreThereAndStay) {
  Backend& first = backend_for(serial());
  EXPECT_EQ(&first, &backend_for(serial()));
  EXPECT_EQ(&backend_for(cpu()), &backend_for(cpu()));
  EXPECT_NE(&backend_for(cpu()), &first);
  EXPECT_TRUE(is_available(serial()));
  EXPECT_EQ(backends::why_unavailable(cpu()), "");
}

TEST(Registry, NamesAreInOrder) {
  const Device one = register_backend("order-one", [] { return std::make_unique<ToyBackend>(); });
  const Device two = register_backend("order-two", [] { return std::make_unique<ToyBackend>(); });
  const std::vector<std::string> names = backend_names();
  ASSERT_GE(names.size(), 5u);
  EXPECT_EQ(names[0], "serial");
  EXPECT_EQ(names[1], "cpu");
  EXPECT_EQ(names[2], "cuda");
  const auto at = [&](const char* name) { return std::find(names.begin(), names.end(), name) - names.begin(); };
  EXPECT_EQ(at("order-two"), at("order-one") + 1);
  EXPECT_NE(one, two);
  EXPECT_EQ(parse_device("order-one"), one);
  EXPECT_EQ(to_string(two), "order-two");
  EXPECT_NE(&backend_for(one), &backend_for(two));
}

TEST(ChooseDevice, AutoSaysWhichAndWhy) {
  const DeviceChoice choice = choose_device("auto");
  const std::string why_not = backends::why_unavailable(cuda());
  EXPECT_EQ(choice.device, why_not.empty() ? cuda() : cpu());
  EXPECT_TRUE(contains(choice.reason, why_not.empty() ? "cuda" : why_not)) << choice.reason;
  EXPECT_TRUE(contains(choice.reason, why_not.empty() ? "because it can be had" : "cpu, because")) << choice.reason;
}

TEST(ChooseDevice, OtherNamesAreTakenLiterally) {
  EXPECT_EQ(choose_device("serial").device, serial());
  EXPECT_EQ(choose_device("cuda").device, cuda()) << "whether it can be had shows when it is used";
  EXPECT_TRUE(contains(choose_device("cpu").reason, "cpu"));
  EXPECT_THROW(choose_device("abacus"), DeviceError);
}

TEST(Registry, ANameIsTakenOnce) {
  register_backend("taken", [] { return std::make_unique<ToyBackend>(); });
  for (const char* name : {"taken", "serial", "cpu", "cuda"}) {
    try {
      register_backend(name, [] { return std::make_unique<ToyBackend>(); });
      ADD_FAILURE() << name << " was registered again";
    } catch (const ValueError& error) {
      EXPECT_EQ(error.code(), ErrorCode::value_invalid);
      EXPECT_TRUE(contains(error.what(), name)) << error.what();
      EXPECT_TRUE(contains(error.what(), "registry_test.cpp")) << error.what();
    }
  }
  EXPECT_THROW(register_backend("", [] { return std::make_unique<ToyBackend>(); }), ValueError);
  EXPECT_THROW(register_backend("a:b", [] { return std::make_unique<ToyBackend>(); }), ValueError);
  EXPECT_THROW(register_backend("empty-factory", {}), ValueError);
  EXPECT_THROW(parse_device("empty-factory"), DeviceError);  // a refused registration leaves nothing behind
}

TEST(Registry, TheFactoryIsCalledAtFirstUseOnly) {
  static std::atomic<int> made{0};
  const Device device = register_backend("lazy", [] {
    ++made;
    return std::make_unique<ToyBackend>();
  });
  EXPECT_EQ(made, 0);
  backend_for(device);
  backend_for(device);
  EXPECT_EQ(made, 1);
}

TEST(Registry, FirstUseFromManyThreadsMakesOne) {
  static std::atomic<int> made{0};
  const Device device = register_backend("contended", [] {
    ++made;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return std::make_unique<ToyBackend>();
  });
  std::atomic<bool> go{false};
  std::vector<Backend*> seen(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] {
      while (!go) std::this_thread::yield();
      seen[i] = &backend_for(device);
    });
  }
  go = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  for (Backend* backend : seen) EXPECT_EQ(backend, seen[0]);
}

TEST(Registry, AFactoryThatFailsIsAskedAgain) {
  static int calls = 0;
  const Device device = register_backend("moody", []() -> std::unique_ptr<Backend> {
    if (++calls == 1) throw std::runtime_error("not today");
    if (calls == 2) return nullptr;
    return std::make_unique<ToyBackend>();
  });
  EXPECT_THROW(backend_for(device), std::runtime_error);
  EXPECT_TRUE(contains(backends::why_unavailable(device), "returned no backend"));
  EXPECT_TRUE(is_available(device));
  EXPECT_NO_THROW(backend_for(device));
}

TEST(Registry, UnknownDevicesAreRefused) {
  try {
    backend_for(Device{static_cast<BackendKind>(200), 0});
    FAIL() << "there is no backend number 200";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.code(), ErrorCode::device_unknown);
    EXPECT_TRUE(contains(error.what(), "registry_test.cpp")) << error.what();
  }
  try {
    backend_for(Device{BackendKind::cpu, 1});
    FAIL() << "there is one cpu";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.code(), ErrorCode::device_unknown);
    EXPECT_TRUE(contains(error.what(), "cpu:1")) << error.what();
  }
}

TEST(Registry, AForkedChildCanUseWhatItsParentUsed) {
  backend_for(cpu());
  const pid_t child = fork();
  if (child == 0) {
    bool right = false;
    try {
      Backend& backend = backend_for(cpu());
      float values[2] = {1, 2};
      const backends::TensorView view = backends::contiguous_view(values, DType::float32, {2});
      backend.binary(BinaryOp::add, view, backends::Number(1.0), view);
      right = values[0] == 2 && values[1] == 3 && is_available(serial());
    } catch (...) {
    }
    _exit(right ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace weft
