#pragma once
// The MNIST a program should train on, wherever it is: what train_mnist and a first program of one's own call.

#include <functional>
#include <string>

#include <weft/core/call_site.h>
#include <weft/core/export.h>
#include <weft/data/dataset.h>
#include <weft/data/download.h>

namespace weft {

struct FindMnistOptions {
  /// A folder with the four files; "synthetic" for synthetic_digits(); empty: look for it.
  std::string folder = {};
  bool download = true;    ///< fetch it into the cache when it is nowhere
  std::uint64_t seed = 0;  ///< of the synthetic digits
  bool verify = false;     ///< as MnistOptions::verify
  DownloadOptions downloading = {};
  std::vector<std::string> mirrors = {};  ///< empty: mnist_mirrors()
};

struct FoundMnist {
  ImageDataset train;
  ImageDataset test;
  std::string from;  ///< "the folder data/mnist", "$WEFT_DATA_DIR/mnist (/data/mnist)", ...; never empty
  bool synthetic = false;
  /// What a program has to tell its user, empty when nothing: that the digits are synthetic, and why.
  std::string notice;
};

/// In this order: options.folder; $WEFT_DATA_DIR/mnist; the user's cache; a download into the cache; synthetic digits.
/// A folder that was asked for must have the files, and files that are found must be good: their errors are thrown
/// (load_mnist()), nothing else is taken instead. A download that fails is not an error: the notice says why. To give
/// up altogether, on Ctrl-C say, throw something of your own from downloading.progress.
WEFT_API FoundMnist find_mnist(const FindMnistOptions& options = {}, CallSite at = CallSite::here());

/// $XDG_CACHE_HOME/weft/mnist, or ~/.cache/weft/mnist; empty when neither variable is set to an absolute path.
WEFT_API std::string mnist_cache_folder();

}  // namespace weft
