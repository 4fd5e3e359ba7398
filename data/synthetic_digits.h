#pragma once
// Digits nobody wrote: ten classes drawn from pen strokes, for tests and for machines without MNIST. No file, no
// network.
//
// Each picture is one of the two or three usual ways of writing its digit (digit_strokes.cpp), with every point moved a
// little, a smooth warp, rotation, slant, width, height, position, pen width, brightness and grain drawn for it. Shaped
// like MNIST (28 x 28 bytes, bright on black, 60,000 + 10,000), but not MNIST: an accuracy on it says that training
// works, nothing about handwriting, and programs that use it say so.
//
// How hard it is (float32, SGD with momentum 0.9, batch 128, half an epoch of warm-up to lr 0.1, then cosine to 0), on
// the 10,000 test digits:
//   linear softmax, 60,000 digits, 20 epochs, the best of lr 0.01 to 0.3        86.2 %
//   784-512-512-10 with ReLU, 20,000 digits, 3 epochs, three seeds             97.7 to 97.8 %
//   784-512-512-10 with ReLU, 60,000 digits, 10 epochs, three seeds            99.6 to 99.7 %
// (measured with NumPy on the exported pictures)

#include <cstdint>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/data/dataset.h>

namespace weft {

/// `count` digits, 0 meaning 60,000 (train) or 10,000 (test). Digit i of a split depends on (split, seed, i) only, so a
/// smaller count gives the first digits of a larger one, and train and test never share one. name() is "synthetic
/// digits", source() says what they are. Drawn on all threads, about 10 us of processor time a digit. Throws ValueError
/// unless 0 <= count <= 2^40.
WEFT_API ImageDataset synthetic_digits(Split split, std::int64_t count = 0, std::uint64_t seed = 0,
                                       CallSite at = CallSite::here());

}  // namespace weft
