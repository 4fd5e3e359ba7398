#include <weft/data/find_mnist.h>

#include <cstdlib>

#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/mnist.h>
#include <weft/data/synthetic_digits.h>

namespace weft {
namespace {

std::string variable(const char* value) { return value == nullptr ? std::string() : std::string(value); }

FoundMnist load(const std::string& folder, std::string from, const FindMnistOptions& options, CallSite at) {
  const MnistOptions how = {.verify = options.verify, .idx = {}};
  return {load_mnist(folder, Split::train, how, at), load_mnist(folder, Split::test, how, at), std::move(from), false,
          ""};
}

FoundMnist synthetic(const FindMnistOptions& options, const std::string& why, CallSite at) {
  return {synthetic_digits(Split::train, 0, options.seed, at), synthetic_digits(Split::test, 0, options.seed, at),
          message("synthetic digits, seed ", options.seed), true,
          message("training on SYNTHETIC digits, drawn by weft: their accuracy is not MNIST's.", why)};
}

}  // namespace

std::string mnist_cache_folder() {
  const std::string cache = variable(std::getenv("XDG_CACHE_HOME"));
  if (!cache.empty() && cache.front() == '/') return cache + "/weft/mnist";
  const std::string home = variable(std::getenv("HOME"));
  return !home.empty() && home.front() == '/' ? home + "/.cache/weft/mnist" : std::string();
}

FoundMnist find_mnist(const FindMnistOptions& options, CallSite at) {
  if (options.folder == "synthetic") return synthetic(options, "", at);
  if (!options.folder.empty()) return load(options.folder, "the folder " + options.folder, options, at);

  std::string why = " MNIST was not found:";
  const std::string data = variable(std::getenv("WEFT_DATA_DIR"));
  if (data.empty()) {
    why += "\n  $WEFT_DATA_DIR is not set";
  } else if (has_mnist(data + "/mnist")) {
    return load(data + "/mnist", message("$WEFT_DATA_DIR/mnist (", data, "/mnist)"), options, at);
  } else {
    why += message("\n  $WEFT_DATA_DIR/mnist (", data, "/mnist) has not all four files");
  }

  const std::string cache = mnist_cache_folder();
  if (cache.empty()) {
    why += "\n  neither $XDG_CACHE_HOME nor $HOME names a folder to keep it in";
    return synthetic(options, why, at);
  }
  if (has_mnist(cache)) return load(cache, "the cache " + cache, options, at);
  why += message("\n  the cache ", cache, " has not all four files");
  if (!options.download) return synthetic(options, why, at);
  try {
    download_mnist(cache, options.downloading, options.mirrors, at);
  } catch (const IoError& error) {
    why += message("\n  ", error.what());
    return synthetic(options, why, at);
  }
  return load(cache, "downloaded to " + cache, options, at);
}

}  // namespace weft
