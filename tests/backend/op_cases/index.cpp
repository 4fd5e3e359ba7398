#include <weft/autograd/functions.h>

#include "backend/op_cases.h"

namespace weft::test {

std::vector<OpCase> index_cases() {
  using Tensors = std::vector<Tensor>;
  std::vector<OpCase> rows;
  OpCase row;
  row.name = "index_select";
  row.inputs = {{{5, 3}}, {{7}, Domain::normal, Kind::index, 5}};
  row.call = [](const Tensors& x) { return index_select(x[0], 0, x[1]); };
  row.accepts = any_dtype;
  row.exact = true;
  row.terms = 7;
  row.large = {{501, 300}, {400}};
  row.empty = {{{5, 0}, {7}}, {{5, 3}, {0}}};
  rows.push_back(row);
  row.name = "index_select/inner";
  row.inputs = {{{2, 5, 3}}, {{4}, Domain::normal, Kind::index, 5}};
  row.call = [](const Tensors& x) { return index_select(x[0], 1, x[1]); };
  row.large = {{40, 50, 60}, {70}};
  row.empty = {{{0, 5, 3}, {4}}};
  rows.push_back(row);
  row.name = "index_select/int32";
  row.call = [](const Tensors& x) { return index_select(x[0], 1, x[1].to(DType::int32)); };
  row.large.clear();
  row.empty.clear();
  rows.push_back(row);
  row.name = "index_add";
  row.inputs = {{{5, 3}}, {{7}, Domain::normal, Kind::index, 5}, {{7, 3}}};
  row.call = [](const Tensors& x) { return index_add(x[0], 0, x[1], x[2]); };
  row.accepts = [](DType dtype) { return supports(BinaryOp::add, dtype); };
  row.large = {{501, 300}, {400}, {400, 300}};
  row.empty = {{{5, 0}, {7}, {7, 0}}, {{5, 3}, {0}, {0, 3}}};
  rows.push_back(row);
  row.name = "index_add/inner";
  row.inputs = {{{2, 5, 3}}, {{4}, Domain::normal, Kind::index, 5}, {{2, 4, 3}}};
  row.call = [](const Tensors& x) { return index_add(x[0], 1, x[1], x[2]); };
  row.large.clear();
  row.empty.clear();
  rows.push_back(row);

  const auto start = [&](const char* name, std::vector<Input> inputs, Call call) -> OpCase& {
    OpCase made;
    made.name = name;
    made.inputs = std::move(inputs);
    made.call = std::move(call);
    made.accepts = any_dtype;
    made.exact = true;
    made.terms = 8;
    rows.push_back(std::move(made));
    return rows.back();
  };
  const auto add_at = [](DType dtype) { return supports(BinaryOp::add, dtype); };
  {
    OpCase& r = start("gather", {{{4, 3}}, {{5, 3}, Domain::normal, Kind::index, 4}},
                      [](const Tensors& x) { return gather(x[0], 0, x[1]); });
    r.large = {{40, 1001}, {70, 1001}};
    r.empty = {{{4, 3}, {0, 3}}, {{4, 0}, {5, 0}}, {{4, 3}, {4, 0}}};
    start("gather/last", {{{2, 3, 6}}, {{2, 3, 4}, Domain::normal, Kind::index, 6}},
          [](const Tensors& x) { return gather(x[0], -1, x[1]); });
    start("gather/part", {{{4, 3, 5}}, {{2, 6, 3}, Domain::normal, Kind::index, 3}},
          [](const Tensors& x) { return gather(x[0], 1, x[1].to(DType::int32)); });
  }
  {
    OpCase& r = start("scatter_add", {{{4, 3}}, {{5, 3}, Domain::normal, Kind::index, 4}, {{5, 3}}},
                      [](const Tensors& x) { return scatter_add(x[0], 0, x[1], x[2]); });
    r.accepts = add_at;
    r.large = {{40, 1001}, {70, 1001}, {70, 1001}};
    r.empty = {{{4, 3}, {0, 3}, {0, 3}}, {{4, 0}, {5, 0}, {5, 0}}, {{4, 3}, {0, 3}, {2, 3}}};
    start("scatter_add/part", {{{4, 3, 5}}, {{2, 6, 3}, Domain::normal, Kind::index, 3}, {{3, 6, 4}}},
          [](const Tensors& x) { return scatter_add(x[0], 1, x[1], x[2]); })
        .accepts = add_at;
  }
  {
    OpCase& r = start("masked_fill", {{{3, 4}}, {{3, 4}, Domain::normal, Kind::boolean}},
                      [](const Tensors& x) { return masked_fill(x[0], x[1], 1); });
    r.large = {{301, 113}, {301, 113}};
    r.empty = {{{0, 4}, {0, 4}}, {{}, {}}};
    start("masked_fill/broadcast", {{{2, 3, 4}}, {{3, 1}, Domain::normal, Kind::boolean}},
          [](const Tensors& x) { return masked_fill(x[0], x[1], 1); });
    start("masked_fill/tensor", {{{3, 4}}, {{3, 4}, Domain::normal, Kind::boolean}, {{}}},
          [](const Tensors& x) { return masked_fill(x[0], x[1], x[2]); });
  }
  {
    OpCase& r = start("embedding", {{{2, 3}, Domain::normal, Kind::index, 5}, {{5, 4}}},
                      [](const Tensors& x) { return embedding(x[0], x[1]); });
    r.large = {{50, 17}, {5, 401}};
    r.empty = {{{0, 3}, {5, 4}}, {{2, 3}, {5, 0}}, {{}, {5, 4}}};
    // No index names the padding row: its gradient is a convention that differences do not share (tests/tensor).
    start("embedding/padding", {{{2, 7}, Domain::normal, Kind::index, 3}, {{4, 4}}},
          [](const Tensors& x) { return embedding(x[0], x[1], 3); });
    start("embedding/padding-from-the-end", {{{9}, Domain::normal, Kind::index, 3}, {{4, 4}}},
          [](const Tensors& x) { return embedding(x[0].to(DType::int32), x[1], -1); });
    for (std::size_t i = rows.size() - 3; i < rows.size(); ++i) rows[i].refused_by = 1;
  }
  {
    OpCase& r =
        start("one_hot", {{{2, 3}, Domain::normal, Kind::index, 4}}, [](const Tensors& x) { return one_hot(x[0], 5); });
    r.empty = {{{0, 3}}, {{}}};
    r.gradient = false;
    start("one_hot/largest", {{{7}, Domain::normal, Kind::index, 4}}, [](const Tensors& x) {
      return one_hot(x[0].to(DType::int32));
    }).gradient = false;
  }
  {
    // The dtype under test is the one the bytes become; they follow from x, exactly in every dtype.
    OpCase& r = start("gather_batch", {{{9, 3, 4}, Domain::positive}, {{7}, Domain::normal, Kind::index, 9}},
                      [](const Tensors& x) {
                        return gather_batch((x[0] * 16).to(DType::uint8), {}, x[1], {2.0, -1.5, x[0].dtype()}).rows;
                      });
    r.accepts = is_floating;
    r.gradient = false;
    r.large = {{50, 1001}, {333}};
    r.empty = {{{9, 4}, {0}}, {{9, 0}, {7}}};
    start("gather_batch/labels", {{{9}, Domain::normal, Kind::index, 9}, {{7}, Domain::normal, Kind::index, 9}},
          [](const Tensors& x) {
            const Tensor bytes = zeros({9, 2}, {x[0].device(), DType::uint8});
            return gather_batch(bytes, x[0].to(DType::int32), x[1].to(DType::int32)).labels;
          })
        .gradient = false;
  }
  return rows;
}

}  // namespace weft::test
