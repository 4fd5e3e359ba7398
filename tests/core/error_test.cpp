#include <weft/core/error.h>

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <string_view>

#include <weft/core/closest_name.h>
#include <weft/core/device.h>
#include <weft/core/function_ref.h>
#include <weft/core/message.h>

namespace weft {
namespace {

struct CodeRow {
  int number;
  const char* name;
  ErrorCode code;
};

// Programs compare these numbers: a row may be added, never changed.
constexpr CodeRow codes[] = {
    {100, "shape_invalid", ErrorCode::shape_invalid},
    {101, "shape_overflow", ErrorCode::shape_overflow},
    {102, "shape_mismatch", ErrorCode::shape_mismatch},
    {103, "rank_unsupported", ErrorCode::rank_unsupported},
    {200, "dtype_unsupported", ErrorCode::dtype_unsupported},
    {201, "dtype_mismatch", ErrorCode::dtype_mismatch},
    {300, "device_mismatch", ErrorCode::device_mismatch},
    {301, "device_unknown", ErrorCode::device_unknown},
    {302, "device_unavailable", ErrorCode::device_unavailable},
    {303, "plugin_incompatible", ErrorCode::plugin_incompatible},
    {304, "device_failure", ErrorCode::device_failure},
    {400, "index_out_of_range", ErrorCode::index_out_of_range},
    {401, "axis_out_of_range", ErrorCode::axis_out_of_range},
    {500, "value_out_of_range", ErrorCode::value_out_of_range},
    {501, "value_invalid", ErrorCode::value_invalid},
    {600, "tensor_undefined", ErrorCode::tensor_undefined},
    {601, "state_mismatch", ErrorCode::state_mismatch},
    {602, "not_built", ErrorCode::not_built},
    {603, "read_only", ErrorCode::read_only},
    {700, "no_gradient", ErrorCode::no_gradient},
    {701, "graph_freed", ErrorCode::graph_freed},
    {702, "version_conflict", ErrorCode::version_conflict},
    {703, "in_place_recorded", ErrorCode::in_place_recorded},
    {704, "gradient_mismatch", ErrorCode::gradient_mismatch},
    {705, "reentrant_backward", ErrorCode::reentrant_backward},
    {706, "non_finite", ErrorCode::non_finite},
    {707, "differentiated_once", ErrorCode::differentiated_once},
    {708, "saved_mismatch", ErrorCode::saved_mismatch},
    {800, "io_open", ErrorCode::io_open},
    {801, "io_read", ErrorCode::io_read},
    {802, "io_write", ErrorCode::io_write},
    {803, "io_truncated", ErrorCode::io_truncated},
    {804, "io_format", ErrorCode::io_format},
    {805, "io_checksum", ErrorCode::io_checksum},
    {806, "io_network", ErrorCode::io_network},
    {900, "out_of_memory", ErrorCode::out_of_memory},
};

TEST(ErrorCode, NumbersAndNamesAreStable) {
  std::set<int> known;
  for (const CodeRow& row : codes) {
    EXPECT_EQ(static_cast<int>(row.code), row.number) << row.name;
    EXPECT_STREQ(to_string(row.code), row.name);
    known.insert(row.number);
  }
  // No code exists that the table lacks.
  for (int number = -10; number < 2000; ++number) {
    EXPECT_EQ(known.count(number) == 1, std::strcmp(to_string(static_cast<ErrorCode>(number)), "unknown") != 0)
        << number;
  }
}

TEST(Error, MessageNamesOperationAndCaller) {
  const ShapeError error(ErrorCode::shape_mismatch, "matmul", "inner dimensions differ", {"some/folder/train.cpp", 41});
  EXPECT_STREQ(error.what(), "[matmul] inner dimensions differ   (train.cpp:41)");
  EXPECT_EQ(error.code(), ErrorCode::shape_mismatch);
  EXPECT_EQ(error.where().line, 41u);
  EXPECT_STREQ(error.where().file, "some/folder/train.cpp");
  EXPECT_STREQ(ShapeError(ErrorCode::shape_invalid, "zeros", "x", {"main.cpp", 1}).what(), "[zeros] x   (main.cpp:1)");
  EXPECT_STREQ(Error(ErrorCode::io_read, "load", "no call site").what(), "[load] no call site");
}

template <class Thrown>
bool caught_as_both() {
  try {
    throw Thrown(ErrorCode::value_invalid, "op", "message");
  } catch (const Error& error) {
    return dynamic_cast<const Thrown*>(&error) != nullptr;
  }
}

TEST(Error, EveryClassIsAnError) {
  EXPECT_TRUE(caught_as_both<ShapeError>());
  EXPECT_TRUE(caught_as_both<DTypeError>());
  EXPECT_TRUE(caught_as_both<DeviceError>());
  EXPECT_TRUE(caught_as_both<IndexError>());
  EXPECT_TRUE(caught_as_both<ValueError>());
  EXPECT_TRUE(caught_as_both<StateError>());
  EXPECT_TRUE(caught_as_both<AutogradError>());
  EXPECT_TRUE(caught_as_both<IoError>());
  EXPECT_TRUE(caught_as_both<OutOfMemoryError>());
  EXPECT_THROW(throw IoError(ErrorCode::io_open, "load", "message"), std::runtime_error);
}

CallSite default_site(CallSite at = CallSite::here()) { return at; }

TEST(CallSite, IsTheCallersLine) {
  const CallSite at = default_site();
  EXPECT_EQ(at.line, static_cast<unsigned>(__LINE__ - 1));
  EXPECT_NE(std::string(at.file).find("error_test.cpp"), std::string::npos);
  try {
    parse_device("nothing like it");
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.where().line, static_cast<unsigned>(__LINE__ - 3));
  }
}

TEST(Message, PutsEveryKindOfPartTogether) {
  EXPECT_EQ(message("a is ", Shape{64, 784}, ' ', DType::bfloat16, ' ', cuda(1), ' ', true, ' ', -3, ' ', 0.1, ' ',
                    std::string("s"), std::string_view("v"), std::size_t{18446744073709551615u}),
            "a is (64, 784) bfloat16 cuda:1 true -3 0.1 sv18446744073709551615");
}

TEST(ClosestName, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("cdua", "cuda"), 1u);  // neighbours swapped
  EXPECT_EQ(edit_distance("ReLU", "relu"), 0u);
  EXPECT_EQ(edit_distance("momentun", "momentum"), 1u);
}

TEST(ClosestName, SuggestsOnlyWhatIsNear) {
  constexpr std::string_view names[] = {"serial", "cpu", "cuda", "momentum"};
  EXPECT_EQ(closest_name("cdua", names), "cuda");
  EXPECT_EQ(closest_name("CUDA", names), "cuda");
  EXPECT_EQ(closest_name("momemtun", names), "momentum");
  EXPECT_EQ(closest_name("weight_decay", names), "");
  EXPECT_EQ(closest_name("mentor", names), "");  // five edits from "momentum" are no slip
  EXPECT_EQ(closest_name("", names), "");
  EXPECT_EQ(closest_name("x", names), "");
  EXPECT_EQ(closest_name(std::string(1000000, 'c'), names), "");  // bounded cost
  EXPECT_EQ(did_you_mean("seriel", names), "; did you mean \"serial\"?");
  EXPECT_EQ(did_you_mean("tpu-v5", names), "");
}

TEST(Device, NamesAndParsing) {
  EXPECT_EQ(to_string(serial()), "serial");
  EXPECT_EQ(to_string(cpu()), "cpu");
  EXPECT_EQ(to_string(cuda()), "cuda:0");
  EXPECT_EQ(to_string(cuda(3)), "cuda:3");
  EXPECT_EQ(parse_device("serial"), serial());
  EXPECT_EQ(parse_device("cpu"), cpu());
  EXPECT_EQ(parse_device("cpu:0"), cpu());
  EXPECT_EQ(parse_device("cuda"), cuda(0));
  EXPECT_EQ(parse_device("cuda:17"), cuda(17));
  EXPECT_EQ(parse_device(to_string(cuda(32767))), cuda(32767));
  EXPECT_STREQ(name(static_cast<BackendKind>(250)), "unregistered");
}

TEST(Device, UnknownNamesSuggestTheClosest) {
  const auto text = [](std::string_view device) -> std::string {
    try {
      parse_device(device);
    } catch (const DeviceError& error) {
      EXPECT_EQ(error.code(), ErrorCode::device_unknown);
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(text("cdua").find("did you mean \"cuda\""), std::string::npos) << text("cdua");
  EXPECT_NE(text("gpu").find("did you mean \"cuda\""), std::string::npos) << text("gpu");
  EXPECT_NE(text("GPU:1").find("did you mean \"cuda\""), std::string::npos);
  EXPECT_NE(text("CPU").find("did you mean \"cpu\""), std::string::npos);
  EXPECT_NE(text("quantum").find("(known: serial, cpu, cuda"), std::string::npos);
  EXPECT_EQ(text("quantum").find("did you mean"), std::string::npos);
  for (const char* bad : {"", ":", ":0", "cuda:", "cuda:-1", "cuda:x", "cuda:1x", "cuda: 1", "cuda:32768", "cuda:+1",
                          "cuda:99999999999999999999", "cuda:0:0", "cpu:1", "serial:1", " cpu", "cpu "}) {
    EXPECT_NE(text(bad), "no error") << '"' << bad << '"';
  }
  EXPECT_LT(text(std::string(1 << 20, 'c')).size(), 400u);
}

TEST(Device, RegisteredKinds) {
  const BackendKind toy = register_kind("toy");
  EXPECT_GE(static_cast<int>(toy), static_cast<int>(BackendKind::first_registered));
  EXPECT_EQ(register_kind("toy"), toy);
  EXPECT_NE(register_kind("toy2"), toy);
  EXPECT_EQ(register_kind("cpu"), BackendKind::cpu);
  EXPECT_STREQ(name(toy), "toy");
  EXPECT_EQ(to_string(Device{toy, 0}), "toy");
  EXPECT_EQ(to_string(Device{toy, 2}), "toy:2");
  EXPECT_EQ(parse_device("toy"), (Device{toy, 0}));
  EXPECT_EQ(parse_device("toy:2"), (Device{toy, 2}));
  for (const char* bad : {"", "a:b", "a b", "tab\t", "quote\""}) EXPECT_THROW(register_kind(bad), ValueError) << bad;
  EXPECT_THROW(register_kind(std::string(65, 'n')), ValueError);
  EXPECT_THROW(register_kind(std::string_view("nul\0", 4)), ValueError);
}

TEST(Device, TheTableOfKindsIsFinite) {
  std::set<int> numbers;
  try {
    for (int i = 0; i < 300; ++i) numbers.insert(static_cast<int>(register_kind("many-" + std::to_string(i))));
    FAIL() << "300 names in a table of 256";
  } catch (const ValueError& error) {
    EXPECT_EQ(error.code(), ErrorCode::value_out_of_range);
  }
  EXPECT_GT(numbers.size(), 200u);
  EXPECT_EQ(*numbers.rbegin(), 255);
  EXPECT_EQ(parse_device("many-0").kind, static_cast<BackendKind>(*numbers.begin()));
}

TEST(FunctionRef, CallsWhatItRefersTo) {
  int calls = 0;
  auto count = [&](int by) { return calls += by; };
  const FunctionRef<int(int)> ref = count;
  const FunctionRef<int(int)> copy = ref;
  EXPECT_EQ(ref(2), 2);
  EXPECT_EQ(copy(3), 5);
  const auto constant = [](int a) { return a; };
  EXPECT_EQ(FunctionRef<int(int)>(constant)(7), 7);
  static_assert(sizeof(FunctionRef<void()>) == 2 * sizeof(void*));
}

}  // namespace
}  // namespace weft
