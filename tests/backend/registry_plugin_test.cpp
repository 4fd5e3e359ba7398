// The plug-in loader, against small plug-ins built beside this program. Each test is a process of its own: a plug-in
// that was opened stays open.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include <dlfcn.h>
#include <unistd.h>

#include <weft/backends/registry.h>
#include <weft/core/error.h>
#include <weft/core/trace.h>
#include <weft/core/version.h>

namespace weft {
namespace {

using backends::Backend;
using backends::backend_for;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string folder(const char* plugin) { return std::string(WEFT_TEST_PLUGINS "/") + plugin; }

void look_in(const std::string& path) { setenv("WEFT_BACKEND_PATH", path.c_str(), 1); }

/// What backend_for(cuda()) says.
std::string refusal(ErrorCode code) {
  try {
    backend_for(cuda());
    ADD_FAILURE() << "a CUDA backend was found";
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_TRUE(contains(error.what(), "cuda:0")) << error.what();
    const std::string why = backends::why_unavailable(cuda());
    EXPECT_TRUE(contains(error.what(), why)) << error.what() << " against " << why;
    return error.what();
  }
  return "";
}

TEST(PluginLoader, WithoutAPluginThePlacesAreListed) {
  look_in("/nowhere/one:/nowhere/two");
  if (is_available(cuda())) GTEST_SKIP() << "an installed plug-in was found";
  const std::string text = refusal(ErrorCode::device_unavailable);
  EXPECT_TRUE(contains(text, "libweft_cuda.so")) << text;
  EXPECT_TRUE(contains(text, "/nowhere/one, /nowhere/two, /")) << text;  // and the program's own folder behind them
  EXPECT_TRUE(contains(text, "WEFT_BACKEND_PATH")) << text;
  EXPECT_FALSE(is_available(cuda()));
}

TEST(PluginLoader, AWorkingPluginComputes) {
  look_in("/nowhere/one:" + folder("working") + "/");
  ASSERT_EQ(backends::why_unavailable(cuda()), "");
  Backend& backend = backend_for(cuda());
  EXPECT_STREQ(backend.facts().name, "the test plug-in");
  EXPECT_EQ(&backend, &backend_for(cuda()));
  auto* x = static_cast<float*>(backend.allocate(3 * sizeof(float)));
  const float values[3] = {1, 2, 3};
  backend.copy_in(x, values, sizeof values);
  const backends::TensorView view = backends::contiguous_view(x, DType::float32, {1, 3});
  backend.softmax(false, view, 1, view);  // the plug-in's own copy of the composed form
  float probabilities[3];
  backend.copy_out(probabilities, x, sizeof probabilities);
  EXPECT_NEAR(probabilities[0], 0.0900306f, 1e-6);
  EXPECT_NEAR(probabilities[2], 0.6652410f, 1e-6);
  backend.free(x, 3 * sizeof(float));
}

TEST(PluginLoader, WhatAPluginThrowsIsCaughtByType) {
  look_in(folder("working"));
  Backend& backend = backend_for(cuda());
  bool caught = false;
  try {
    backend.scan(ScanOp::sum, {}, 0, {});
  } catch (const ShapeError& error) {
    caught = true;
    EXPECT_EQ(error.code(), ErrorCode::shape_mismatch);
    EXPECT_STREQ(error.what(), "[scan] thrown by the plug-in   (plugin.cpp:7)");
    EXPECT_EQ(error.where().line, 7u);
  }
  EXPECT_TRUE(caught);
  EXPECT_THROW(backend.scan(ScanOp::sum, {}, 0, {}), Error);
  EXPECT_THROW(backend.replay(nullptr, 1), StateError);  // the plug-in's own copy of the contract's "no"
  float one = 0;
  const std::int64_t bad = 5;
  auto* table = static_cast<float*>(backend.allocate(sizeof one));
  auto* index = static_cast<std::int64_t*>(backend.allocate(sizeof bad));
  backend.copy_in(index, &bad, sizeof bad);
  EXPECT_THROW(backend.gather(backends::contiguous_view(table, DType::float32, {1}), 0,
                              backends::contiguous_view(index, DType::int64, {1}),
                              backends::contiguous_view(table, DType::float32, {1})),
               IndexError);
  backend.free(table, sizeof one);
  backend.free(index, sizeof bad);
}

TEST(PluginLoader, APluginsSpansAreInTheHostsTrace) {
  look_in(folder("working"));
  Backend& backend = backend_for(cuda());
  auto* x = static_cast<float*>(backend.allocate(64));
  trace_start();
  backend.fill(backends::contiguous_view(x, DType::float32, {16}), backends::Number(1));
  trace_stop();
  backend.free(x, 64);
  const std::string path = testing::TempDir() + "weft_plugin_trace_" + std::to_string(getpid()) + ".json";
  trace_write(path);
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  unlink(path.c_str());
  EXPECT_TRUE(contains(text, "plugged fill")) << text;
  EXPECT_TRUE(contains(text, "\"args\":{\"name\":\"plugin\"}")) << "a row of its own: " << text;
}

TEST(PluginLoader, APluginExportsItsEntryAndNothingElse) {
  void* library = dlopen((folder("working") + "/libweft_cuda.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  EXPECT_NE(dlsym(library, "weft_plugin"), nullptr);
  EXPECT_EQ(dlsym(library, "_ZN4weft8backends11current_tagEv"), nullptr);
  EXPECT_EQ(dlsym(library, "_ZTIN4weft10ShapeErrorE"), nullptr);
  dlclose(library);
}

TEST(PluginLoader, TheFirstFileFoundDecides) {
  look_in(folder("refuses") + ":" + folder("working"));
  const std::string text = refusal(ErrorCode::device_unavailable);
  EXPECT_TRUE(contains(text, "the test driver is not installed")) << text;
}

TEST(PluginLoader, AnotherVersionIsRefused) {
  look_in(folder("other_version"));
  const std::string text = refusal(ErrorCode::plugin_incompatible);
  EXPECT_TRUE(contains(text, "another version of weft")) << text;
  EXPECT_TRUE(contains(text, "other_version/libweft_cuda.so")) << text;
  EXPECT_TRUE(contains(text, version())) << text;
}

TEST(PluginLoader, ALibraryWithoutTheEntryIsRefused) {
  look_in(folder("no_entry"));
  const std::string text = refusal(ErrorCode::plugin_incompatible);
  EXPECT_TRUE(contains(text, "not a weft plug-in")) << text;
  EXPECT_TRUE(contains(text, "weft_plugin")) << text;
}

TEST(PluginLoader, ALibraryThatDoesNotLoadIsRefused) {
  look_in(folder("needs_host"));
  const std::string text = refusal(ErrorCode::plugin_incompatible);
  EXPECT_TRUE(contains(text, "does not load")) << text;
  EXPECT_TRUE(contains(text, "a_function_nobody_has")) << text;
}

TEST(PluginLoader, AFileThatIsNoLibraryIsRefused) {
  const std::string place = testing::TempDir() + "weft_no_library_" + std::to_string(getpid());
  ASSERT_EQ(std::system(("mkdir -p " + place).c_str()), 0);
  std::ofstream(place + "/libweft_cuda.so") << "this is not a shared library";
  look_in(place);
  const std::string text = refusal(ErrorCode::plugin_incompatible);
  EXPECT_TRUE(contains(text, "does not load")) << text;
  unlink((place + "/libweft_cuda.so").c_str());
  rmdir(place.c_str());
}

TEST(PluginLoader, AfterARefusalAnotherPlaceMayBeTried) {
  look_in(folder("refuses"));
  EXPECT_FALSE(is_available(cuda()));
  look_in(folder("working"));
  EXPECT_TRUE(is_available(cuda()));
}

}  // namespace
}  // namespace weft
