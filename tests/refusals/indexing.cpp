#include <cmath>

#include <weft/autograd/functions.h>

#include "refusals/refusals.h"

namespace weft::test {
namespace {

Tensor ints(std::vector<std::int64_t> values, const Shape& shape) { return from_vector<std::int64_t>(values, shape); }

Refusal equation(const char* what, const char* text, std::vector<std::string> words) {
  words.push_back("[einsum]");
  words.push_back("position");
  return {"O37", what,
          [text](Bench& b) {
            einsum(text, {b.keep(rand({2, 3})), b.keep(rand({3, 4}))});
          },
          ErrorCode::value_invalid, std::move(words)};
}

}  // namespace

// Shape, index, linear algebra, sampling and memory of the caller's.
std::vector<Refusal> indexing_refusals() {
  using E = ErrorCode;
  return {
      {"T8",
       "view to another count",
       [](Bench& b) {
         b.keep(rand({2, 3})).view({4, 2});
       },
       E::shape_invalid,
       {"[view]", "(2, 3)", "(4, 2)"}},
      {"T11",
       "flip of an axis twice",
       [](Bench& b) {
         b.keep(rand({2, 3})).flip({0, -2});
       },
       E::value_invalid,
       {"[flip]", "0", "twice"}},
      {"T11",
       "flip of an axis that is not there",
       [](Bench& b) {
         b.keep(rand({2, 3})).flip(2);
       },
       E::axis_out_of_range,
       {"[flip]", "2"}},
      {"T11",
       "roll of more axes than shifts",
       [](Bench& b) {
         b.keep(rand({2, 3})).roll(Dims{1}, {0, 1});
       },
       E::value_invalid,
       {"[roll]", "1 shifts", "2 axes"}},
      {"T11",
       "roll by two shifts and no axes",
       [](Bench& b) {
         b.keep(rand({2, 3})).roll({1, 2}, {});
       },
       E::value_invalid,
       {"[roll]", "2 shifts"}},
      {"T11",
       "squeeze of an axis that is not there",
       [](Bench& b) {
         b.keep(rand({1, 3})).squeeze({0, 2});
       },
       E::axis_out_of_range,
       {"[squeeze]", "2"}},
      {"T16",
       "repeat of fewer axes than there are",
       [](Bench& b) {
         b.keep(rand({2, 3})).repeat({2});
       },
       E::shape_mismatch,
       {"[repeat]", "(2, 3)", "(2,)"}},
      {"T4",
       "repeat a negative number of times",
       [](Bench& b) {
         b.keep(rand({2, 3})).repeat({2, -1});
       },
       E::value_out_of_range,
       {"[repeat]", "-1"}},
      {"T1",
       "repeat to 2^64 elements",
       [](Bench& b) {
         b.keep(rand({2, 3})).repeat({std::int64_t{1} << 40, std::int64_t{1} << 40});
       },
       E::shape_overflow,
       {"[repeat]"}},
      {"T4",
       "pad that takes away more than there is",
       [](Bench& b) {
         pad(b.keep(rand({2, 3})), {-2, -2});
       },
       E::shape_invalid,
       {"[pad]", "-2", "(2, 3)"}},
      {"T4",
       "pad by the smallest number there is",
       [](Bench& b) {
         pad(b.keep(rand({2, 3})), {0, std::numeric_limits<std::int64_t>::min()});
       },
       E::shape_invalid,
       {"[pad]", "(2, 3)"}},
      {"T1",
       "pad to 2^63 elements",
       [](Bench& b) {
         pad(b.keep(rand({2, 3})), {std::numeric_limits<std::int64_t>::max(), 1});
       },
       E::shape_overflow,
       {"[pad]"}},
      {"T15",
       "pad with an odd number of amounts",
       [](Bench& b) {
         pad(b.keep(rand({2, 3})), {1, 2, 3});
       },
       E::shape_mismatch,
       {"[pad]", "3 amounts", "(2, 3)"}},
      {"T15",
       "pad of more axes than there are",
       [](Bench& b) {
         pad(b.keep(rand({2})), {1, 1, 1, 1});
       },
       E::shape_mismatch,
       {"[pad]", "4 amounts", "(2,)"}},
      {"T4",
       "reflect further than the edge",
       [](Bench& b) {
         pad(b.keep(rand({2, 3})), {3, 0}, PadMode::reflect);
       },
       E::shape_invalid,
       {"[pad]", "reflect", "3", "at most 2"}},
      {"T4",
       "replicate nothing",
       [](Bench&) {
         pad(zeros({2, 0}), {1, 0}, PadMode::replicate);
       },
       E::shape_invalid,
       {"[pad]", "replicate", "empty"}},
      {"O20",
       "pad of integers with a fraction",
       [](Bench& b) {
         pad(b.keep(randint(0, 5, {2, 3})), {1, 0}, PadMode::constant, 0.5);
       },
       E::value_out_of_range,
       {"[pad]", "0.5", "int64"}},
      {"T18",
       "stack of nothing",
       [](Bench&) { stack(std::initializer_list<Tensor>{}); },
       E::value_invalid,
       {"[stack]"}},
      {"T18",
       "stack of different shapes",
       [](Bench& b) {
         stack({b.keep(rand({2, 3})), b.keep(rand({3, 2}))});
       },
       E::shape_mismatch,
       {"[stack]", "(2, 3)", "tensor 1", "(3, 2)"}},
      {"T18",
       "stack of different dtypes",
       [](Bench& b) {
         stack({b.keep(rand({2})), b.keep(rand({2}, DType::float64))});
       },
       E::dtype_mismatch,
       {"[stack]", "float64"}},
      {"T5",
       "stack to rank 9",
       [](Bench&) {
         stack({zeros({1, 1, 1, 1, 1, 1, 1, 1})});
       },
       E::rank_unsupported,
       {"[stack]", "8"}},
      {"T19",
       "split of size 0",
       [](Bench& b) { split(b.keep(rand({4})), 0); },
       E::value_out_of_range,
       {"[split]", "0"}},
      {"T19",
       "split sizes that do not add up",
       [](Bench& b) {
         split(b.keep(rand({4})), {1, 2});
       },
       E::shape_mismatch,
       {"[split]", "4", "1 elements are left"}},
      {"T19",
       "split sizes whose sum wraps",
       [](Bench& b) {
         split(b.keep(rand({4})),
               {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::max(), 6});
       },
       E::shape_mismatch,
       {"[split]", "more than"}},
      {"T19",
       "a negative split size",
       [](Bench& b) {
         split(b.keep(rand({4})), {-1, 5});
       },
       E::value_out_of_range,
       {"[split]", "-1"}},
      {"T19", "no chunks", [](Bench& b) { chunk(b.keep(rand({4})), 0); }, E::value_out_of_range, {"[chunk]", "0"}},
      {"T8",
       "view that needs a copy",
       [](Bench& b) {
         b.keep(rand({3, 4})).transpose(0, 1).view({12});
       },
       E::shape_invalid,
       {"[view]", "(4, 3)", "(12,)", "reshape", "contiguous"}},
      {"T25",
       "memory that is null",
       [](Bench&) { from_blob(nullptr, {2}); },
       E::value_invalid,
       {"[from_blob]", "null", "(2,)"}},
      {"T25",
       "memory that is not aligned",
       [](Bench&) {
         alignas(8) static char bytes[16] = {};
         from_blob(bytes + 1, {2});
       },
       E::value_invalid,
       {"[from_blob]", "aligned", "float32", "from_data"}},
      {"D5",
       "memory of the host as that of a device",
       [](Bench&) {
         static float values[2] = {};
         from_blob(values, {2}, cuda());
       },
       E::device_mismatch,
       {"[from_blob]", "cuda", "from_data"}},
      {"O27",
       "gather past the end",
       [](Bench& b) {
         gather(b.keep(rand({3, 2})), 0, b.keep(ints({0, 3}, {1, 2})));
       },
       E::index_out_of_range,
       {"[gather]", "3"}},
      {"O27",
       "gather with an index of another rank",
       [](Bench& b) {
         gather(b.keep(rand({3, 2})), 0, b.keep(ints({0, 1}, {2})));
       },
       E::shape_mismatch,
       {"[gather]", "(2,)", "(3, 2)"}},
      {"O27",
       "gather with an index too wide",
       [](Bench& b) {
         gather(b.keep(rand({3, 2})), 0, b.keep(ints({0, 1, 2}, {1, 3})));
       },
       E::shape_mismatch,
       {"[gather]", "(1, 3)", "(3, 2)"}},
      {"O27",
       "gather from nothing",
       [](Bench&) {
         gather(zeros({0, 2}), 0, ints({0, 0}, {1, 2}));
       },
       E::index_out_of_range,
       {"[gather]", "(0, 2)"}},
      {"O27",
       "gather from rank 0",
       [](Bench& b) { gather(b.keep(rand({})), 0, b.keep(ints({0}, {}))); },
       E::rank_unsupported,
       {"[gather]"}},
      {"O27",
       "embedding past the end",
       [](Bench& b) {
         embedding(b.keep(ints({0, 1, 5}, {3})), b.keep(rand({5, 2})));
       },
       E::index_out_of_range,
       {"[embedding]", "5", "position 2"}},
      {"O27",
       "embedding past the end, on serial",
       [](Bench& b) {
         embedding(ints({0, -1}, {2}).to(serial()), b.keep(rand({5, 2}, serial())));
       },
       E::index_out_of_range,
       {"[embedding]", "-1", "position 1"}},
      {"O27",
       "embedding by floats",
       [](Bench& b) {
         embedding(b.keep(rand({2})), b.keep(rand({5, 2})));
       },
       E::dtype_unsupported,
       {"[embedding]", "float32", "int64"}},
      {"O27",
       "embedding in a vector",
       [](Bench& b) { embedding(b.keep(ints({0}, {1})), b.keep(rand({5}))); },
       E::rank_unsupported,
       {"[embedding]", "(5,)"}},
      {"O27",
       "a padding row that is not there",
       [](Bench& b) {
         embedding(b.keep(ints({0}, {1})), b.keep(rand({5, 2})), 5);
       },
       E::index_out_of_range,
       {"[embedding]", "padding_idx", "5"}},
      {"O28",
       "scatter_add past the end",
       [](Bench& b) {
         scatter_add(b.keep(rand({3, 2})), 0, b.keep(ints({0, 3}, {1, 2})), b.keep(rand({1, 2})));
       },
       E::index_out_of_range,
       {"[scatter_add]", "3"}},
      {"O28",
       "scatter_add of a source too small",
       [](Bench& b) {
         scatter_add(b.keep(rand({3, 2})), 0, b.keep(ints({0, 1}, {2, 1})), b.keep(rand({1, 2})));
       },
       E::shape_mismatch,
       {"[scatter_add]", "source", "(1, 2)"}},
      {"O28",
       "scatter_add of another dtype",
       [](Bench& b) {
         scatter_add(b.keep(rand({3, 2})), 0, b.keep(ints({0}, {1, 1})), b.keep(rand({1, 1}, DType::float64)));
       },
       E::dtype_mismatch,
       {"[scatter_add]", "float64"}},
      {"O31",
       "a label of no class",
       [](Bench& b) {
         one_hot(b.keep(ints({0, 4}, {2})), 4);
       },
       E::index_out_of_range,
       {"[one_hot]", "4", "position 1"}},
      {"O31",
       "a negative label",
       [](Bench& b) {
         one_hot(b.keep(ints({0, -3}, {2})));
       },
       E::index_out_of_range,
       {"[one_hot]", "-3"}},
      {"O38",
       "gather_batch of floats",
       [](Bench& b) {
         gather_batch(b.keep(rand({4, 3})), {}, ints({0}, {1}));
       },
       E::dtype_unsupported,
       {"[gather_batch]", "uint8", "float32", "index_select"}},
      {"O38",
       "gather_batch into integers",
       [](Bench& b) {
         gather_batch(b.keep(zeros({4, 3}, DType::uint8)), {}, ints({0}, {1}), {1, 0, DType::int64});
       },
       E::dtype_unsupported,
       {"[gather_batch]", "dtype", "int64"}},
      {"O38",
       "gather_batch with labels for other rows",
       [](Bench& b) {
         gather_batch(b.keep(zeros({4, 3}, DType::uint8)), b.keep(ints({0, 1, 2}, {3})), ints({0}, {1}));
       },
       E::shape_mismatch,
       {"[gather_batch]", "labels", "(3,)", "(4,)"}},
      {"O38",
       "gather_batch with labels that are floats",
       [](Bench& b) {
         gather_batch(b.keep(zeros({4, 3}, DType::uint8)), b.keep(rand({4})), ints({0}, {1}));
       },
       E::dtype_unsupported,
       {"[gather_batch]", "labels", "float32"}},
      {"O38",
       "gather_batch by an index outside the data",
       [](Bench& b) {
         gather_batch(b.keep(zeros({4, 3}, DType::uint8)), {}, b.keep(ints({0, 4}, {2})));
       },
       E::index_out_of_range,
       {"[gather_batch]", "4", "position 1"}},
      {"O38",
       "gather_batch from nothing",
       [](Bench& b) {
         gather_batch(b.keep(zeros({0, 3}, DType::uint8)), {}, b.keep(ints({0}, {1})));
       },
       E::index_out_of_range,
       {"[gather_batch]", "(0, 3)"}},
      {"O38",
       "gather_batch by a matrix",
       [](Bench& b) {
         gather_batch(b.keep(zeros({4, 3}, DType::uint8)), {}, b.keep(ints({0, 1}, {1, 2})));
       },
       E::rank_unsupported,
       {"[gather_batch]", "index", "(1, 2)"}},
      {"O31", "no classes", [](Bench& b) { one_hot(b.keep(ints({0}, {1})), 0); }, E::index_out_of_range, {"[one_hot]"}},
      {"O31",
       "a negative number of classes",
       [](Bench& b) { one_hot(b.keep(ints({0}, {1})), -2); },
       E::value_out_of_range,
       {"[one_hot]", "-2"}},
      {"O31",
       "the largest of no labels",
       [](Bench&) { one_hot(ints({}, {0})); },
       E::value_invalid,
       {"[one_hot]", "(0,)", "num_classes"}},
      {"O31",
       "labels that are floats",
       [](Bench& b) { one_hot(b.keep(rand({2})), 3); },
       E::dtype_unsupported,
       {"[one_hot]", "float32"}},
      {"O20",
       "mask that is not bool",
       [](Bench& b) { masked_fill(b.keep(rand({2})), b.keep(rand({2})), 0); },
       E::dtype_unsupported,
       {"[masked_fill]", "mask", "float32"}},
      {"O20",
       "masked_fill with a vector",
       [](Bench& b) { masked_fill(b.keep(rand({2})), ones({2}, DType::boolean), b.keep(rand({2}))); },
       E::rank_unsupported,
       {"[masked_fill]", "value", "where"}},
      {"T15",
       "a mask of another shape",
       [](Bench& b) {
         masked_fill(b.keep(rand({2, 3})), ones({2}, DType::boolean), 0);
       },
       E::shape_mismatch,
       {"[masked_fill]", "(2,)", "(2, 3)"}},
      {"O2",
       "triangle of a vector",
       [](Bench& b) { tril(b.keep(rand({3}))); },
       E::rank_unsupported,
       {"[tril]", "(3,)"}},
      {"O2",
       "outer product of a matrix",
       [](Bench& b) {
         outer(b.keep(rand({3})), b.keep(rand({3, 2})));
       },
       E::rank_unsupported,
       {"[outer]", "(3, 2)"}},
      equation("a letter twice in an operand", "ii,jk->ik", {"'i'", "operand 0", "position 1", "diagonal"}),
      equation("a letter twice in the result", "ij,jk->iki", {"'i'", "result", "position 9"}),
      equation("a letter no operand has", "ij,jk->il", {"'l'", "position 8"}),
      equation("a character that means nothing", "ij,j1->i", {"'1'", "position 4"}),
      equation("a byte that means nothing", "ij,j\x80->i", {"128", "position 4"}),
      equation("half an arrow", "ij,jk-ik", {"'-'", "position 5"}),
      equation("an arrow too many", "ij,jk->i->k", {"\"->\"", "position 8"}),
      equation("two dots", "i..,jk->i", {"'.'", "position 1"}),
      equation("dots twice", "...i...,jk->i", {"\"...\"", "position 4"}),
      equation("a comma in the result", "ij,jk->i,k", {"comma", "position 8"}),
      {"O37",
       "more terms than operands",
       [](Bench& b) {
         einsum("ij,jk->ik", {b.keep(rand({2, 3}))});
       },
       E::value_invalid,
       {"[einsum]", "2 terms", "1 operands"}},
      {"O37",
       "three operands",
       [](Bench& b) {
         const Tensor x = b.keep(rand({2, 2}));
         einsum("ij,jk,kl->il", {x, x, x});
       },
       E::value_invalid,
       {"[einsum]", "3 operands"}},
      {"O37",
       "fewer letters than axes",
       [](Bench& b) {
         einsum("ij,j->i", {b.keep(rand({2, 3})), b.keep(rand({3, 4}))});
       },
       E::shape_mismatch,
       {"[einsum]", "operand 1", "(3, 4)", "..."}},
      {"O37",
       "more letters than axes",
       [](Bench& b) {
         einsum("ij,jkl->i", {b.keep(rand({2, 3})), b.keep(rand({3, 4}))});
       },
       E::shape_mismatch,
       {"[einsum]", "operand 1", "(3, 4)"}},
      {"O37",
       "a letter of two extents",
       [](Bench& b) {
         einsum("ij,jk->ik", {b.keep(rand({2, 3})), b.keep(rand({4, 5}))});
       },
       E::shape_mismatch,
       {"[einsum]", "j is 3", "(2, 3)", "4", "(4, 5)"}},
      {"O37",
       "hidden axes of two extents",
       [](Bench& b) {
         einsum("...i,...i->...", {b.keep(rand({2, 3})), b.keep(rand({4, 3}))});
       },
       E::shape_mismatch,
       {"[einsum]", "axis -1 of ...", "(4, 3)"}},
      {"O37",
       "a result of nine axes",
       [](Bench& b) {
         einsum("abcde,fghi->abcdefghi", {b.keep(rand({1, 1, 1, 1, 1})), b.keep(rand({1, 1, 1, 1}))});
       },
       E::rank_unsupported,
       {"[einsum]", "9"}},
      {"O20",
       "einsum of integers",
       [](Bench& b) { einsum("i->", {b.keep(randint(0, 5, {3}))}); },
       E::dtype_unsupported,
       {"[einsum]", "int64", ".to("}},
      {"O30",
       "a probability over 1",
       [](Bench& b) { bernoulli(b.keep(full({2}, 1.5))); },
       E::value_out_of_range,
       {"[bernoulli]", "1.5"}},
      {"O30",
       "a probability that is NaN",
       [](Bench& b) { bernoulli(b.keep(full({2}, std::nan("")))); },
       E::value_out_of_range,
       {"[bernoulli]", "nan"}},
      {"O30",
       "probabilities that are integers",
       [](Bench& b) { bernoulli(b.keep(ints({1}, {1}))); },
       E::dtype_unsupported,
       {"[bernoulli]", "int64"}},
      {"O30",
       "bernoulli_ with a negative probability",
       [](Bench& b) { b.keep(rand({2})).bernoulli_(-0.5); },
       E::value_out_of_range,
       {"[bernoulli_]", "-0.5"}},
      {"O30",
       "normal_ with a negative deviation",
       [](Bench& b) { b.keep(rand({2})).normal_(0, -1); },
       E::value_out_of_range,
       {"[normal_]", "-1"}},
      {"O30",
       "normal_ around NaN",
       [](Bench& b) { b.keep(rand({2})).normal_(std::nan(""), 1); },
       E::value_out_of_range,
       {"[normal_]", "nan"}},
      {"O30",
       "uniform_ from high to low",
       [](Bench& b) { b.keep(rand({2})).uniform_(1, 0); },
       E::value_out_of_range,
       {"[uniform_]", "1", "0"}},
      {"O30",
       "more samples than categories",
       [](Bench& b) { multinomial(b.keep(rand({3})), 4); },
       E::value_out_of_range,
       {"[multinomial]", "4", "3"}},
      {"O30",
       "more samples than positive weights",
       [](Bench& b) {
         multinomial(b.keep(tensor({1, 0, 2})), 3);
       },
       E::value_out_of_range,
       {"[multinomial]", "row 0", "2 positive"}},
      {"O30",
       "weights that are all zero",
       [](Bench& b) {
         multinomial(b.keep(zeros({2, 3})), 1, true);
       },
       E::value_out_of_range,
       {"[multinomial]", "row 0", "0 positive"}},
      {"O30",
       "a negative weight",
       [](Bench& b) {
         multinomial(b.keep(tensor({1, -1})), 1, true);
       },
       E::value_out_of_range,
       {"[multinomial]", "weight 1", "-1"}},
      {"O30",
       "an infinite weight",
       [](Bench& b) {
         multinomial(b.keep(full({1, 2}, INFINITY)), 1);
       },
       E::value_out_of_range,
       {"[multinomial]", "weight 0", "inf"}},
      {"O30",
       "weights of rank 3",
       [](Bench& b) {
         multinomial(b.keep(rand({2, 2, 2})), 1);
       },
       E::rank_unsupported,
       {"[multinomial]", "(2, 2, 2)"}},
      {"O30",
       "a negative number of samples",
       [](Bench& b) { multinomial(b.keep(rand({2})), -1); },
       E::value_out_of_range,
       {"[multinomial]", "-1"}},
      {"O32",
       "clamp_ with low over high",
       [](Bench& b) { b.keep(rand({2})).clamp_(1, 0); },
       E::value_out_of_range,
       {"[clamp_]", "1", "0"}},
      {"O32",
       "clamp_ with NaN",
       [](Bench& b) { b.keep(rand({2})).clamp_(std::nan("")); },
       E::value_out_of_range,
       {"[clamp_]", "nan"}},
      {"A4",
       "relu_ of a leaf that records",
       [](Bench& b) { b.keep(rand({2})).requires_grad_().relu_(); },
       E::in_place_recorded,
       {"[relu_]", "x.relu()"}},
      {"A4",
       "masked_fill_ of a leaf that records",
       [](Bench& b) { b.keep(rand({2})).requires_grad_().masked_fill_(ones({2}, DType::boolean), 0); },
       E::in_place_recorded,
       {"[masked_fill_]", "masked_fill(mask, value)"}},
      {"T17",
       "uniform_ through an expanded view",
       [](Bench& b) {
         b.keep(rand({1, 2})).expand({3, 2}).uniform_();
       },
       E::read_only,
       {"[uniform_]"}},
      {"T23", "linspace to infinity", [](Bench&) { linspace(0, INFINITY, 3); }, E::value_out_of_range, {"[linspace]"}},
      {"T23", "linspace of -1", [](Bench&) { linspace(0, 1, -1); }, E::value_out_of_range, {"[linspace]", "-1"}},
  };
}

}  // namespace weft::test
