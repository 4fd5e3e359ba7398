#include <weft/core/shape.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/core/error.h>

namespace weft {
namespace {

constexpr std::int64_t huge = std::int64_t{1} << 62;

// Runs `action`, which must throw an Error with this code, and returns the message.
std::string refused(ErrorCode code, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(Shape, Printing) {
  EXPECT_EQ(to_string(Shape{}), "()");
  EXPECT_EQ(to_string(Shape{3}), "(3,)");
  EXPECT_EQ(to_string(Shape{64, 784}), "(64, 784)");
  EXPECT_EQ(to_string(Shape{0, -1, huge}), "(0, -1, 4611686018427387904)");
  EXPECT_EQ(to_string(Shape{1, 2, 3, 4, 5, 6, 7, 8, 9}), "(1, 2, 3, 4, 5, 6, 7, 8, ...)");
}

TEST(Shape, HoldsItsExtents) {
  constexpr Shape s{2, 3, 4};
  static_assert(s.rank() == 3 && s.numel() == 24 && Shape{}.numel() == 1 && Shape{5, 0}.numel() == 0);
  EXPECT_EQ((std::vector<std::int64_t>(s.begin(), s.end())), (std::vector<std::int64_t>{2, 3, 4}));
  EXPECT_EQ(Shape::filled(2, 7), (Shape{7, 7}));
  EXPECT_NE((Shape{1, 2}), (Shape{1, 2, 1}));
  EXPECT_NE((Shape{1, 2}), (Shape{2, 1}));
  const Shape nine{1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(nine.rank(), 9);
  EXPECT_EQ(nine.end() - nine.begin(), 8);
  EXPECT_EQ(contiguous_strides({2, 3, 4}), (Strides{12, 4, 1}));
  EXPECT_EQ(contiguous_strides({2, 0, 4}), (Strides{4, 4, 1}));
  EXPECT_EQ(contiguous_strides({}), Strides{});
}

TEST(CheckShape, CountsElements) {
  EXPECT_EQ(check_shape({}, 4, "zeros"), 1);
  EXPECT_EQ(check_shape({0}, 4, "zeros"), 0);
  EXPECT_EQ(check_shape({2, 3, 4}, 8, "zeros"), 24);
  EXPECT_EQ(check_shape({1, 1, 1, 1, 1, 1, 1, 7}, 1, "zeros"), 7);
  EXPECT_EQ(check_shape({INT64_MAX}, 1, "zeros"), INT64_MAX);
  EXPECT_EQ(check_shape({0, huge}, 1, "zeros"), 0);
  EXPECT_EQ(check_shape({std::int64_t{1} << 31, (std::int64_t{1} << 31)}, 1, "zeros"), huge);
}

// Rows T1 to T6 of the list of inputs to refuse, and their neighbours.
TEST(CheckShape, Refuses) {
  const std::int64_t two32 = std::int64_t{1} << 32;
  const std::string t1 = refused(ErrorCode::shape_overflow, [&] { check_shape({two32, two32}, 4, "zeros"); });
  EXPECT_NE(t1.find("[zeros]"), std::string::npos) << t1;
  EXPECT_NE(t1.find("(4294967296, 4294967296)"), std::string::npos) << t1;
  refused(ErrorCode::shape_overflow, [] { check_shape({4194305, 4194305, 211106198978564}, 1, "zeros"); });  // T2
  const std::string t3 =
      refused(ErrorCode::shape_overflow, [] { check_shape({std::int64_t{1} << 61}, 8, "zeros"); });  // T3
  EXPECT_NE(t3.find("8 bytes"), std::string::npos) << t3;
  EXPECT_EQ(check_shape({(std::int64_t{1} << 60) - 1}, 8, "zeros"), (std::int64_t{1} << 60) - 1);
  refused(ErrorCode::shape_overflow, [] { check_shape({std::int64_t{1} << 60}, 8, "zeros"); });
  const std::string t4 = refused(ErrorCode::shape_invalid, [] { check_shape({3, -2}, 4, "zeros"); });  // T4
  EXPECT_NE(t4.find("-2 at axis 1"), std::string::npos) << t4;
  refused(ErrorCode::shape_invalid, [] { check_shape({0, INT64_MIN}, 4, "zeros"); });
  const std::string t5 = refused(ErrorCode::rank_unsupported, [] {
    check_shape({1, 1, 1, 1, 1, 1, 1, 1, 1}, 4, "zeros");
  });  // T5
  EXPECT_NE(t5.find("9 dimensions"), std::string::npos) << t5;
  EXPECT_NE(t5.find("at most 8"), std::string::npos) << t5;
  refused(ErrorCode::shape_overflow, [] { check_shape({0, huge, 4}, 1, "zeros"); });  // T6
  refused(ErrorCode::shape_overflow, [] { check_shape({huge, 4, 0}, 1, "zeros"); });
  refused(ErrorCode::shape_overflow, [] { check_shape({huge, 2}, 1, "zeros"); });
}

TEST(CheckShape, ErrorsNameTheCaller) {
  try {
    check_shape({-1}, 4, "zeros");
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_EQ(error.where().line, static_cast<unsigned>(__LINE__ - 3));
  }
}

TEST(Broadcast, NumpysRule) {
  struct Row {
    Shape a, b, out;
  };
  const Row rows[] = {
      {{}, {}, {}},
      {{3}, {}, {3}},
      {{2, 3}, {3}, {2, 3}},
      {{2, 1}, {3}, {2, 3}},
      {{2, 1}, {1, 5}, {2, 5}},
      {{0}, {1}, {0}},
      {{4, 0}, {4, 1}, {4, 0}},
      {{8, 1, 6, 1}, {7, 1, 5}, {8, 7, 6, 5}},
      {{1, 1, 1, 1, 1, 1, 1, 2}, {3, 1}, {1, 1, 1, 1, 1, 1, 3, 2}},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(broadcast_shapes(row.a, row.b, "add"), row.out);
    EXPECT_EQ(broadcast_shapes(row.b, row.a, "add"), row.out);
  }
}

TEST(Broadcast, Refuses) {
  const std::string text = refused(ErrorCode::shape_mismatch, [] { broadcast_shapes({2, 3}, {2, 4}, "add"); });
  for (const char* word : {"[add]", "(2, 3)", "(2, 4)", "3 against 4", "axis -1"}) {
    EXPECT_NE(text.find(word), std::string::npos) << text;
  }
  refused(ErrorCode::shape_mismatch, [] { broadcast_shapes({3}, {4}, "add"); });  // T15
  refused(ErrorCode::shape_mismatch, [] { broadcast_shapes({0}, {2}, "add"); });
  refused(ErrorCode::shape_mismatch, [] { broadcast_shapes({2, 1, 3}, {4, 1, 1}, "add"); });
  refused(ErrorCode::rank_unsupported, [] { broadcast_shapes({1, 1, 1, 1, 1, 1, 1, 1, 1}, {1}, "add"); });
  refused(ErrorCode::rank_unsupported, [] { broadcast_shapes({1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "add"); });
}

TEST(Axes, NormalizedOrRefused) {
  for (int rank = 1; rank <= max_rank; ++rank) {
    for (int axis = 0; axis < rank; ++axis) {
      EXPECT_EQ(normalize_axis(axis, rank, "sum"), axis);
      EXPECT_EQ(normalize_axis(axis - rank, rank, "sum"), axis);
    }
    refused(ErrorCode::axis_out_of_range, [&] { normalize_axis(rank, rank, "sum"); });
    refused(ErrorCode::axis_out_of_range, [&] { normalize_axis(-rank - 1, rank, "sum"); });
  }
  const std::string text = refused(ErrorCode::axis_out_of_range, [] { normalize_axis(5, 3, "sum"); });
  EXPECT_NE(text.find("-3 to 2"), std::string::npos) << text;
  refused(ErrorCode::axis_out_of_range, [] { normalize_axis(0, 0, "sum"); });
  refused(ErrorCode::axis_out_of_range, [] { normalize_axis(-1, 0, "sum"); });
  refused(ErrorCode::axis_out_of_range, [] { normalize_axis(INT32_MIN, 8, "sum"); });
  refused(ErrorCode::axis_out_of_range, [] { normalize_axis(INT32_MAX, 8, "sum"); });
}

}  // namespace
}  // namespace weft
