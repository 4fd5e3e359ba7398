#pragma once
// MNIST and Fashion-MNIST: 60,000 + 10,000 pictures of 28 x 28 bytes in four IDX files, plain or packed with gzip.
//
//     const weft::ImageDataset train = weft::load_mnist("data/mnist", weft::Split::train);

#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/data/dataset.h>
#include <weft/data/idx.h>

namespace weft {

struct MnistOptions {
  /// Also compare the pictures with the published SHA-256 (a quarter of a second for the training set). Files that are
  /// neither MNIST's nor Fashion-MNIST's are then refused.
  bool verify = false;
  IdxOptions idx = {};
};

/// Reads {train,t10k}-images-idx3-ubyte and -labels-idx1-ubyte, each with or without .gz (plain first), from `folder`.
/// Any files of that form will do; name() is "MNIST" or "Fashion-MNIST" when the labels are theirs by SHA-256,
/// otherwise "IDX images". The published sums of Fashion-MNIST are those of the packed files, so it is recognised
/// packed only. Throws IoError: io_open (a file is missing: the message names every name that was tried), the refusals
/// of read_idx(), io_format (images not uint8 of rank 3, labels not uint8 of rank 1, as many labels as images, a label
/// over 9; with path and byte), io_checksum (verify).
WEFT_API ImageDataset load_mnist(const std::string& folder, Split split, const MnistOptions& options = {},
                                 CallSite at = CallSite::here());

/// Whether all four files are in `folder`, plain or packed. Looks at names only.
WEFT_API bool has_mnist(const std::string& folder);

}  // namespace weft
