#pragma once
// Private: the order in which an epoch visits a data set.

#include <cstdint>
#include <vector>

namespace weft {

/// A permutation of 0 .. n - 1, a pure function of (n, seed, epoch): Fisher and Yates' shuffle (Durstenfeld's form)
/// with Philox4x32-10, key = seed combined with a constant of its own, counter = (draw / 2, epoch), so it shares no
/// number with tensors drawn from the same seed. The bounded draw takes the upper 64 bits of a 64 x 64 bit product; its
/// bias is below n / 2^64.
std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch);

}  // namespace weft
