#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tensor/tensor_test.h"

// What tensor/ must refuse: one row each, with the code, the words of the message and, in every case, arguments that
// are unchanged afterwards. Rows are named as in the list of inputs weft must refuse (T: creation, shape, view; O: ops;
// D: devices); "-" marks further ones.

namespace weft {
namespace {

using namespace weft::testing;
using C = ErrorCode;

struct Row {
  const char* id;
  const char* what;
  ErrorCode code;
  std::vector<std::string> words;
  std::function<void()> run;
};

constexpr std::int64_t large = std::int64_t{1} << 40;

class Refusals : public OnEveryBackend {
 protected:
  std::vector<Row> rows() const {
    const Tensor &x = x_, &undefined = undefined_, &i = i_, &labels = labels_;
    const TensorOptions o = on();
    return {
        {"T1",
         "2^64 elements",
         C::shape_overflow,
         {"[zeros]", "(4294967296, 4294967296)", "2^63 - 1"},
         [=] {
           (void)zeros({std::int64_t{1} << 32, std::int64_t{1} << 32}, o, here);
         }},
        {"T2",
         "a product that wraps to 4",
         C::shape_overflow,
         {"[empty]", "211106198978564"},
         [=] {
           (void)empty({4194305, 4194305, 211106198978564}, o, here);
         }},
        {"T3",
         "bytes overflow",
         C::shape_overflow,
         {"[full]", "bytes"},
         [=] {
           (void)full({std::int64_t{1} << 61}, 1, {device(), DType::float64}, here);
         }},
        {"T4",
         "negative extent",
         C::shape_invalid,
         {"[ones]", "(3, -2)", "-2", "axis 1"},
         [=] {
           (void)ones({3, -2}, o, here);
         }},
        {"T4", "negative n", C::shape_invalid, {"[eye]", "-1"}, [=] { (void)eye(-1, o, here); }},
        {"T5",
         "rank 9",
         C::rank_unsupported,
         {"[zeros]", "9", "at most 8"},
         [=] {
           (void)zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}, o, here);
         }},
        {"T5",
         "unsqueeze to rank 9",
         C::rank_unsupported,
         {"[unsqueeze]", "at most 8"},
         [=] {
           (void)ops::unsqueeze(zeros({1, 1, 1, 1, 1, 1, 1, 1}, o), 0, "unsqueeze", here);
         }},
        {"T5",
         "reshape to rank 9",
         C::rank_unsupported,
         {"[reshape]"},
         [=] {
           (void)ops::reshape(x, {1, 1, 1, 1, 1, 1, 1, 2, 3}, "reshape", here);
         }},
        {"T5",
         "expand to rank 9",
         C::rank_unsupported,
         {"[expand]"},
         [=] {
           (void)ops::expand(x, {1, 1, 1, 1, 1, 1, 1, 2, 3}, "expand", here);
         }},
        {"T6",
         "0 beside an overflow",
         C::shape_overflow,
         {"[zeros]"},
         [=] {
           (void)zeros({0, std::int64_t{1} << 62, 4}, o, here);
         }},
        {"T7",
         "vector of another length",
         C::shape_mismatch,
         {"[from_vector]", "3 values", "(2, 2)", "4 elements"},
         [=] {
           (void)from_vector(Floats{1, 2, 3}, {2, 2}, device(), here);
         }},
        {"T7",
         "null data",
         C::value_invalid,
         {"[from_data]", "null"},
         [=] { (void)from_data<float>(nullptr, {2}, device(), here); }},
        {"T7",
         "copy_from null",
         C::value_invalid,
         {"[copy_from]", "null"},
         [=] { Tensor(x).copy_from<float>(nullptr, here); }},
        {"T8",
         "reshape to another count",
         C::shape_invalid,
         {"[reshape]", "(2, 3)", "6", "(4, 2)", "8"},
         [=] {
           (void)ops::reshape(x, {4, 2}, "reshape", here);
         }},
        {"T8",
         "-1 does not divide",
         C::shape_invalid,
         {"[reshape]", "(2, 3)", "(4, -1)"},
         [=] {
           (void)ops::reshape(x, {4, -1}, "reshape", here);
         }},
        {"T8",
         "negative extent in reshape",
         C::shape_invalid,
         {"[reshape]", "-2"},
         [=] {
           (void)ops::reshape(x, {-2, 3}, "reshape", here);
         }},
        {"T8",
         "overflow in reshape",
         C::shape_overflow,
         {"[reshape]"},
         [=] {
           (void)ops::reshape(x, {large, large}, "reshape", here);
         }},
        {"T9",
         "two -1",
         C::shape_invalid,
         {"[reshape]", "(-1, -1)", "more than one"},
         [=] {
           (void)ops::reshape(x, {-1, -1}, "reshape", here);
         }},
        {"T10",
         "-1 beside 0",
         C::shape_invalid,
         {"[reshape]", "(-1, 0)", "anything"},
         [=] {
           (void)ops::reshape(zeros({0, 3}, o), {-1, 0}, "reshape", here);
         }},
        {"T11",
         "repeated axis",
         C::shape_invalid,
         {"[permute]", "axis 0", "twice"},
         [=] {
           (void)ops::permute(x, {0, 0}, "permute", here);
         }},
        {"T11",
         "repeated axis, counted from the end",
         C::shape_invalid,
         {"[permute]", "twice"},
         [=] {
           (void)ops::permute(x, {0, -2}, "permute", here);
         }},
        {"T11",
         "missing axis",
         C::shape_invalid,
         {"[permute]", "rank 2", "1 axes"},
         [=] { (void)ops::permute(x, {0}, "permute", here); }},
        {"T11",
         "axis out of range",
         C::axis_out_of_range,
         {"[permute]", "axis 2"},
         [=] {
           (void)ops::permute(x, {0, 2}, "permute", here);
         }},
        {"T11",
         "nine axes",
         C::shape_invalid,
         {"[permute]", "9 axes"},
         [=] {
           (void)ops::permute(x, {0, 1, 2, 3, 4, 5, 6, 7, 8}, "permute", here);
         }},
        {"T11",
         "transpose axis out of range",
         C::axis_out_of_range,
         {"[transpose]", "axis -3", "-2 to 1"},
         [=] { (void)ops::transpose(x, 0, -3, "transpose", here); }},
        {"T12",
         "slice step 0",
         C::value_out_of_range,
         {"[slice]", "step is 0"},
         [=] {
           (void)ops::slice(x, 0, {{}, {}, 0}, "slice", here);
         }},
        {"T13",
         "index out of range",
         C::index_out_of_range,
         {"[select]", "index 2", "axis 0", "(2, 3)", "-2 to 1"},
         [=] { (void)ops::select(x, 0, 2, "select", here); }},
        {"T13",
         "index out of range below",
         C::index_out_of_range,
         {"[select]", "index -4"},
         [=] { (void)ops::select(x, 1, -4, "select", here); }},
        {"T13",
         "index into nothing",
         C::index_out_of_range,
         {"[select]", "empty"},
         [=] { (void)ops::select(zeros({0}, o), 0, 0, "select", here); }},
        {"T14", "item of six", C::shape_invalid, {"[item]", "(2, 3)", "6", "to_vector"}, [=] { (void)x.item(here); }},
        {"T14", "item of none", C::shape_invalid, {"[item]", "(0,)"}, [=] { (void)zeros({0}, o).item<float>(here); }},
        {"T14",
         "item as another type",
         C::dtype_mismatch,
         {"[item]", "int64", "float32", ".to(weft::DType::int64)"},
         [=] { (void)scalar(1, o).item<std::int64_t>(here); }},
        {"T14",
         "to_vector as another type",
         C::dtype_mismatch,
         {"[to_vector]", "bool"},
         [=] { (void)x.to_vector<bool>(here); }},
        {"T14", "data as another type", C::dtype_mismatch, {"[data]"}, [=] { (void)x.data<double>(here); }},
        {"T15",
         "broadcast (3) with (4)",
         C::shape_mismatch,
         {"[add]", "(3,)", "(4,)"},
         [=] { (void)ops::binary(BinaryOp::add, zeros({3}, o), zeros({4}, o), "add", here); }},
        {"T15",
         "a result that overflows",
         C::shape_overflow,
         {"[add]"},
         [=] {
           const Tensor one = zeros({1}, o);
           (void)ops::binary(BinaryOp::add, ops::expand(one, {large, 1}, "expand", here),
                             ops::expand(one, {1, large}, "expand", here), "add", here);
         }},
        {"T16",
         "expand a larger extent",
         C::shape_mismatch,
         {"[expand]", "(2, 3)", "(2, 4)", "axis 1"},
         [=] {
           (void)ops::expand(x, {2, 4}, "expand", here);
         }},
        {"T16",
         "expand to fewer axes",
         C::shape_mismatch,
         {"[expand]", "more axes"},
         [=] { (void)ops::expand(x, {3}, "expand", here); }},
        {"T16",
         "-1 for a new axis",
         C::shape_invalid,
         {"[expand]", "-1"},
         [=] {
           (void)ops::expand(x, {-1, 2, 3}, "expand", here);
         }},
        {"T16",
         "negative extent",
         C::shape_invalid,
         {"[expand]", "-5"},
         [=] {
           (void)ops::expand(x, {-5, 2, 3}, "expand", here);
         }},
        {"T16",
         "expand beyond what counts",
         C::shape_overflow,
         {"[expand]"},
         [=] {
           (void)ops::expand(zeros({1, 1}, o), {large, large}, "expand", here);
         }},
        {"T17",
         "write through an expanded view",
         C::read_only,
         {"[fill_]", "expanded"},
         [=] { ops::fill(ops::expand(zeros({1}, o), {3}, "expand", here), 1, "fill_", here); }},
        {"T18", "cat of nothing", C::value_invalid, {"[cat]", "empty"}, [=] { (void)ops::cat({}, 0, "cat", here); }},
        {"T18",
         "cat of ranks",
         C::shape_mismatch,
         {"[cat]", "tensor 0 is (2, 3)", "tensor 1 is (3,)"},
         [=] {
           const Tensor t[] = {x, zeros({3}, o)};
           (void)ops::cat(t, 0, "cat", here);
         }},
        {"T18",
         "cat of extents",
         C::shape_mismatch,
         {"[cat]", "(2, 4)", "axis 0"},
         [=] {
           const Tensor t[] = {x, zeros({2, 4}, o)};
           (void)ops::cat(t, 0, "cat", here);
         }},
        {"T18",
         "cat of scalars",
         C::axis_out_of_range,
         {"[cat]", "rank-0"},
         [=] {
           const Tensor t[] = {scalar(1, o)};
           (void)ops::cat(t, 0, "cat", here);
         }},
        {"T18",
         "cat of dtypes",
         C::dtype_mismatch,
         {"[cat]", "tensor 1", "int64", ".to("},
         [=] {
           const Tensor t[] = {x, i};
           (void)ops::cat(t, 0, "cat", here);
         }},
        {"T18",
         "cat that overflows",
         C::shape_overflow,
         {"[cat]"},
         [=] {
           const Tensor half = ops::expand(zeros({1}, {device(), DType::uint8}), {std::int64_t{1} << 62}, "e", here);
           const Tensor t[] = {half, half};
           (void)ops::cat(t, 0, "cat", here);
         }},
        {"T20",
         "narrow past the end",
         C::index_out_of_range,
         {"[narrow]", "start 1", "length 3", "axis 1", "extent 3"},
         [=] { (void)ops::narrow(x, 1, 1, 3, "narrow", here); }},
        {"T20",
         "narrow by a negative length",
         C::index_out_of_range,
         {"[narrow]", "-1"},
         [=] { (void)ops::narrow(x, 1, 1, -1, "narrow", here); }},
        {"T20",
         "narrow with sums that overflow",
         C::index_out_of_range,
         {"[narrow]"},
         [=] { (void)ops::narrow(x, 1, 2, std::numeric_limits<std::int64_t>::max(), "narrow", here); }},
        {"T22",
         "undefined: facts",
         C::tensor_undefined,
         {"[shape]", "undefined"},
         [=] { (void)undefined.shape(here); }},
        {"T22", "undefined: item", C::tensor_undefined, {"[item]"}, [=] { (void)undefined.item(here); }},
        {"T22",
         "undefined: unary",
         C::tensor_undefined,
         {"[exp]", "x"},
         [=] { (void)ops::unary(UnaryOp::exp, undefined, "exp", here); }},
        {"T22",
         "undefined: binary",
         C::tensor_undefined,
         {"[add]", "b "},
         [=] { (void)ops::binary(BinaryOp::add, x, undefined, "add", here); }},
        {"T22",
         "undefined: in place",
         C::tensor_undefined,
         {"[fill_]"},
         [=] { ops::fill(undefined, 1, "fill_", here); }},
        {"T22", "undefined: like", C::tensor_undefined, {"[zeros_like]"}, [=] { (void)zeros_like(undefined, here); }},
        {"T23",
         "arange step 0",
         C::value_out_of_range,
         {"[arange]", "step 0"},
         [=] { (void)arange(0, 1, 0, o, here); }},
        {"T23",
         "arange of the wrong sign",
         C::value_out_of_range,
         {"[arange]", "-1", "wrong sign"},
         [=] { (void)arange(0, 5, -1, o, here); }},
        {"T23",
         "arange of too many",
         C::shape_overflow,
         {"[arange]", "2^63 - 1"},
         [=] { (void)arange(0, 1e300, 1e-300, o, here); }},
        {"T23",
         "arange of too many bytes",
         C::shape_overflow,
         {"[arange]"},
         [=] { (void)arange(0, 4e18, 1, o, here); }},
        {"T23",
         "arange to NaN",
         C::value_out_of_range,
         {"[arange]", "nan", "finite"},
         [=] { (void)arange(0, std::nan(""), 1, o, here); }},
        {"T23",
         "arange of more than there is",
         C::out_of_memory,
         {"[arange]"},
         [=] { (void)arange(0, 1e16, 1, o, here); }},

        {"O1",
         "matmul, inner",
         C::shape_mismatch,
         {"[matmul] inner dimensions differ: a is (2, 3), b is (4, 3); did you mean b.transpose(0, 1)?",
          "(user.cpp:7)"},
         [=] {
           (void)ops::matmul(x, zeros({4, 3}, o), "matmul", here);
         }},
        {"O1",
         "matmul, inner, the other way",
         C::shape_mismatch,
         {"did you mean a.transpose(0, 1)?"},
         [=] {
           (void)ops::matmul(x, zeros({2, 4}, o), "matmul", here);
         }},
        {"O1",
         "matmul, inner, batches",
         C::shape_mismatch,
         {"did you mean b.transpose(-2, -1)?"},
         [=] {
           (void)ops::matmul(zeros({5, 2, 3}, o), zeros({5, 7, 3}, o), "matmul", here);
         }},
        {"O1",
         "matmul, batches",
         C::shape_mismatch,
         {"[matmul]", "(2,)", "(3,)"},
         [=] {
           (void)ops::matmul(zeros({2, 1, 1}, o), zeros({3, 1, 1}, o), "matmul", here);
         }},
        {"O1",
         "linear, features",
         C::shape_mismatch,
         {"[linear]", "3 features", "(3, 5)", "weight.transpose(0, 1)"},
         [=] {
           (void)ops::linear(x, zeros({3, 5}, o), {}, "linear", here);
         }},
        {"O1",
         "linear, bias",
         C::shape_mismatch,
         {"[linear]", "bias is (5,)", "(4,)"},
         [=] {
           (void)ops::linear(x, zeros({4, 3}, o), zeros({5}, o), "linear", here);
         }},
        {"O1",
         "linear, weight of rank 1",
         C::rank_unsupported,
         {"[linear]", "(out, in)"},
         [=] { (void)ops::linear(x, zeros({3}, o), {}, "linear", here); }},
        {"O2",
         "matmul of rank 0",
         C::rank_unsupported,
         {"[matmul]", "()"},
         [=] { (void)ops::matmul(x, scalar(1, o), "matmul", here); }},
        {"O18",
         "softmax axis",
         C::axis_out_of_range,
         {"[softmax]", "axis 2"},
         [=] { (void)ops::softmax(false, x, 2, "softmax", here); }},
        {"O19",
         "max over nothing",
         C::value_invalid,
         {"[max]", "(2, 0)"},
         [=] {
           (void)ops::reduce(ReduceOp::max, zeros({2, 0}, o), {1}, false, "max", here);
         }},
        {"O19",
         "min over nothing at all",
         C::value_invalid,
         {"[min]"},
         [=] { (void)ops::reduce(ReduceOp::min, zeros({0}, o), {}, false, "min", here); }},
        {"O19",
         "argmax over nothing",
         C::value_invalid,
         {"[argmax]", "axis 0"},
         [=] {
           (void)ops::arg_reduce(ArgReduceOp::argmax, zeros({0, 2}, o), 0, false, "argmax", here);
         }},
        {"O20",
         "float32 + float64",
         C::dtype_mismatch,
         {"[add]", "float32", "float64", ".to(weft::DType::float32)"},
         [=] {
           (void)ops::binary(BinaryOp::add, x, zeros({3}, {device(), DType::float64}), "add", here);
         }},
        {"O20",
         "int64 + float32",
         C::dtype_mismatch,
         {"[add]", "a.to(weft::DType::float32)"},
         [=] {
           (void)ops::binary(BinaryOp::add, i, floats({1, 2}, {2}), "add", here);
         }},
        {"O20",
         "int64 matmul",
         C::dtype_unsupported,
         {"[matmul]", "int64", "a.to(weft::DType::float32)"},
         [=] { (void)ops::matmul(i, i, "matmul", here); }},
        {"O20",
         "int64 division",
         C::dtype_unsupported,
         {"[div]", "int64", ".to(weft::DType::float32)"},
         [=] { (void)ops::binary(BinaryOp::div, i, i, "div", here); }},
        {"O20",
         "exp of int64",
         C::dtype_unsupported,
         {"[exp]", "int64", ".to(weft::DType::float32)"},
         [=] { (void)ops::unary(UnaryOp::exp, i, "exp", here); }},
        {"O20",
         "softmax of int64",
         C::dtype_unsupported,
         {"[softmax]", "x.to(weft::DType::float32)"},
         [=] { (void)ops::softmax(false, i, 0, "softmax", here); }},
        {"O20",
         "a fraction beside integers",
         C::value_out_of_range,
         {"[mul]", "0.5", "int64"},
         [=] { (void)ops::binary(BinaryOp::mul, i, 0.5, "mul", here); }},
        {"O20",
         "-1 beside uint8",
         C::value_out_of_range,
         {"[lt]", "-1", "uint8"},
         [=] {
           (void)ops::binary(BinaryOp::lt, zeros({1}, {device(), DType::uint8}), -1, "lt", here);
         }},
        {"O20",
         "NaN beside integers",
         C::value_out_of_range,
         {"[add]", "nan"},
         [=] { (void)ops::binary(BinaryOp::add, i, std::nan(""), "add", here); }},
        {"O20",
         "2^63 beside int64",
         C::value_out_of_range,
         {"[add]"},
         [=] { (void)ops::binary(BinaryOp::add, i, 0x1p63, "add", here); }},
        {"O20",
         "logical_and of floats",
         C::dtype_unsupported,
         {"[logical_and]", "bool", "x != 0"},
         [=] { (void)ops::binary(BinaryOp::logical_and, x, x, "logical_and", here); }},
        {"O20",
         "where on a float condition",
         C::dtype_unsupported,
         {"[where]", "condition"},
         [=] { (void)ops::where(x, 1, 0, "where", here); }},
        {"O20",
         "where with two dtypes",
         C::dtype_mismatch,
         {"[where]", "a is float32"},
         [=] {
           (void)ops::where(zeros({2}, {device(), DType::boolean}), floats({1, 2}, {2}), i, "where", here);
         }},
        {"O20",
         "dropout of int64",
         C::dtype_unsupported,
         {"[dropout]"},
         [=] { (void)ops::dropout(i, 0.5, {}, "dropout", here); }},
        {"O21",
         "label -1",
         C::index_out_of_range,
         {"[cross_entropy]", "-1", "user.cpp:7"},
         [=] {
           (void)ops::cross_entropy(x, from_vector(Ints{0, -1}, {2}, device()), nullptr, "cross_entropy", here);
         }},
        {"O21",
         "label -101",
         C::index_out_of_range,
         {"[cross_entropy]", "-101"},
         [=] {
           (void)ops::cross_entropy(x, from_vector(Ints{-101, 0}, {2}, device()), nullptr, "cross_entropy", here);
         }},
        {"O22",
         "label 3 of 3",
         C::index_out_of_range,
         {"[cross_entropy]", "3"},
         [=] {
           (void)ops::cross_entropy(x, from_vector(Ints{3, 0}, {2}, device()), nullptr, "cross_entropy", here);
         }},
        {"O22",
         "int32 label 3 of 3",
         C::index_out_of_range,
         {"[cross_entropy]", "3"},
         [=] {
           const Tensor bad = from_vector(std::vector<std::int32_t>{0, 3}, {2}, device());
           (void)ops::cross_entropy(x, bad, nullptr, "cross_entropy", here);
         }},
        {"O23",
         "float labels",
         C::dtype_unsupported,
         {"[cross_entropy]", "labels", "float32", "int64"},
         [=] { (void)ops::cross_entropy(x, zeros({2}, o), nullptr, "cross_entropy", here); }},
        {"O24",
         "labels of another count",
         C::shape_mismatch,
         {"[cross_entropy]", "(2, 3)", "(3,)"},
         [=] {
           (void)ops::cross_entropy(x, zeros({3}, {device(), DType::int64}), nullptr, "cross_entropy", here);
         }},
        {"O24",
         "labels as a matrix",
         C::rank_unsupported,
         {"[cross_entropy]", "labels"},
         [=] {
           (void)ops::cross_entropy(x, zeros({2, 3}, {device(), DType::int64}), nullptr, "cross_entropy", here);
         }},
        {"O24",
         "logits as a vector",
         C::rank_unsupported,
         {"[cross_entropy]", "logits"},
         [=] { (void)ops::cross_entropy(zeros({2}, o), labels, nullptr, "cross_entropy", here); }},
        {"O27",
         "index past the end",
         C::index_out_of_range,
         {"[index_select]", "2", "user.cpp:7"},
         [=] {
           (void)ops::index_select(x, 0, from_vector(Ints{0, 2}, {2}, device()), "index_select", here);
         }},
        {"O27",
         "negative index",
         C::index_out_of_range,
         {"[index_select]", "-1"},
         [=] { (void)ops::index_select(x, 0, from_vector(Ints{-1}, {1}, device()), "index_select", here); }},
        {"O27",
         "index into an empty axis",
         C::index_out_of_range,
         {"[index_select]", "extent 0"},
         [=] {
           (void)ops::index_select(zeros({0, 2}, o), 0, i, "index_select", here);
         }},
        {"O27",
         "float index",
         C::dtype_unsupported,
         {"[index_select]", "index", "float32"},
         [=] { (void)ops::index_select(x, 0, zeros({1}, o), "index_select", here); }},
        {"O27",
         "index of rank 2",
         C::rank_unsupported,
         {"[index_select]", "(1, 2)"},
         [=] {
           (void)ops::index_select(x, 0, zeros({1, 2}, {device(), DType::int64}), "index_select", here);
         }},
        {"O28",
         "scatter past the end",
         C::index_out_of_range,
         {"[index_add]", "5"},
         [=] {
           (void)ops::index_add(x, 0, from_vector(Ints{5}, {1}, device()), zeros({1, 3}, o), "index_add", here);
         }},
        {"O28",
         "source of another shape",
         C::shape_mismatch,
         {"[index_add]", "(1, 3)", "(2, 3)"},
         [=] {
           (void)ops::index_add(x, 0, i, zeros({1, 3}, o), "index_add", here);
         }},
        {"O29",
         "dropout p",
         C::value_out_of_range,
         {"[dropout]", "1.5", "0 to 1"},
         [=] { (void)ops::dropout(x, 1.5, {}, "dropout", here); }},
        {"O29",
         "dropout p NaN",
         C::value_out_of_range,
         {"[dropout]", "nan"},
         [=] { (void)ops::dropout(x, std::nan(""), {}, "dropout", here); }},
        {"O30",
         "randint low >= high",
         C::value_out_of_range,
         {"[randint]", "3"},
         [=] {
           Generator g;
           (void)randint(3, 3, {2}, {device(), DType::int64}, g, here);
         }},
        {"O30",
         "randn in int64",
         C::dtype_unsupported,
         {"[randn]", "int64", "randint"},
         [=] {
           Generator g;
           (void)randn({2}, {device(), DType::int64}, g, here);
         }},
        {"O35",
         "loss over no samples",
         C::value_invalid,
         {"[cross_entropy]", "no samples"},
         [=] {
           (void)ops::cross_entropy(zeros({0, 3}, o), zeros({0}, {device(), DType::int64}), nullptr, "cross_entropy",
                                    here);
         }},
        {"O35",
         "loss over no classes",
         C::value_invalid,
         {"[cross_entropy]", "no classes"},
         [=] {
           (void)ops::cross_entropy(zeros({2, 0}, o), labels, nullptr, "cross_entropy", here);
         }},
        {"-",
         "reduce over an axis twice",
         C::value_invalid,
         {"[sum]", "axis -1", "twice"},
         [=] {
           (void)ops::reduce(ReduceOp::sum, x, {1, -1}, false, "sum", here);
         }},
        {"-",
         "reduce over an axis out of range",
         C::axis_out_of_range,
         {"[sum]"},
         [=] { (void)ops::reduce(ReduceOp::sum, x, {2}, false, "sum", here); }},
        {"-",
         "reduce over nine axes",
         C::rank_unsupported,
         {"[sum]", "9 axes"},
         [=] {
           (void)ops::reduce(ReduceOp::sum, x, {0, 0, 0, 0, 0, 0, 0, 0, 0}, false, "sum", here);
         }},
        {"-", "size of an axis out of range", C::axis_out_of_range, {"[size]"}, [=] { (void)x.size(2, here); }},
        {"-",
         "two numbers",
         C::value_invalid,
         {"[add]", "numbers"},
         [=] { (void)ops::binary(BinaryOp::add, 1, 2, "add", here); }},
        {"-",
         "more memory than there is",
         C::out_of_memory,
         {"[zeros]"},
         [=] { (void)zeros({std::int64_t{1} << 55}, o, here); }},
    };
  }

  Tensor x_, undefined_, i_, labels_;
  void SetUp() override {
    OnEveryBackend::SetUp();
    if (IsSkipped()) return;
    x_ = counted({2, 3});
    i_ = from_vector(Ints{0, 1}, {2}, device());
    labels_ = from_vector(Ints{0, 1}, {2}, device());
  }
};
WEFT_ON_EVERY_BACKEND(Refusals);

TEST_P(Refusals, EveryRowThrowsItsCodeAndLeavesItsArgumentsAlone) {
  const std::vector<Row> all = rows();
  const std::size_t live = backends::backend_for(device()).memory().live;
  std::size_t refused = 0;
  for (const Row& row : all) {
    SCOPED_TRACE(std::string(row.id) + ": " + row.what);
    try {
      row.run();
      ADD_FAILURE() << "nothing was thrown";
      continue;
    } catch (const Error& error) {
      EXPECT_STREQ(to_string(error.code()), to_string(row.code)) << error.what();
      const std::string_view text = error.what();
      for (const std::string& word : row.words) {
        EXPECT_NE(text.find(word), std::string_view::npos) << "\"" << word << "\" is not in: " << text;
      }
      EXPECT_NE(text.find("(user.cpp:7)"), std::string_view::npos) << text;
      ++refused;
    } catch (const std::exception& error) {
      ADD_FAILURE() << "not a weft::Error: " << error.what();
    }
    EXPECT_EQ(values(x_), (Floats{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(i_.to_vector<std::int64_t>(), (Ints{0, 1}));
    EXPECT_EQ(x_.impl()->storage->version.load(), 0u);
  }
  EXPECT_EQ(backends::backend_for(device()).memory().live, live) << "memory was left behind";
  EXPECT_EQ(refused, all.size());
  EXPECT_GE(refused, 113u);
}

TEST(RefusalsAcrossDevices, TwoDevicesInOneCall) {  // D1
  if (!is_available(cpu())) GTEST_SKIP() << backends::why_unavailable(cpu());
  const Tensor a = ones({2, 2}, serial()), b = ones({2, 2}, cpu()), index = zeros({1}, {cpu(), DType::int64});
  const std::initializer_list<std::string_view> words = {"serial", "cpu", ".to(weft::serial())", "(user.cpp:7)"};
  const auto refused = [&](auto call) { expect_error<DeviceError>(C::device_mismatch, words, call); };
  refused([&] { (void)ops::binary(BinaryOp::add, a, b, "add", here); });
  refused([&] { (void)ops::matmul(a, b, "matmul", here); });
  refused([&] { (void)ops::linear(a, b, {}, "linear", here); });
  refused([&] { (void)ops::linear(a, a, b, "linear", here); });
  refused([&] { (void)ops::where(ones({2}, {serial(), DType::boolean}), b, 0, "where", here); });
  refused([&] { (void)ops::index_select(a, 0, index, "index_select", here); });
  refused([&] { (void)ops::cross_entropy(a, index, nullptr, "cross_entropy", here); });
  refused([&] { ops::binary_into(BinaryOp::add, a, b, "add_", here); });
  refused([&] {
    const Tensor both[] = {a, b};
    (void)ops::cat(both, 0, "cat", here);
  });
}

}  // namespace
}  // namespace weft
