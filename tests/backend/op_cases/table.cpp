#include <iterator>

#include "backend/op_cases.h"

namespace weft::test {

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase>& all = *[] {
    auto* rows = new std::vector<OpCase>;
    for (auto family : {elementwise_cases, compare_cases, reduce_cases, linear_algebra_cases, shape_cases, index_cases,
                        probability_cases, norm_cases, einsum_cases, rearrange_cases, scan_cases, loss_cases,
                        window_cases, attention_cases}) {
      std::vector<OpCase> some = family();
      rows->insert(rows->end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
    }
    return rows;
  }();
  return all;
}

}  // namespace weft::test
