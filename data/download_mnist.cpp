#include <sys/stat.h>

#include <string>
#include <vector>

#include <weft/core/message.h>
#include <weft/data/download.h>
#include <weft/data/mnist_files.h>

namespace weft {

std::vector<std::string> mnist_mirrors() {
  return {"https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/",
          "https://yann.lecun.com/exdb/mnist/"};
}

void download_mnist(const std::string& folder, const DownloadOptions& options, const std::vector<std::string>& mirrors,
                    CallSite at) {
  const std::vector<std::string> from = mirrors.empty() ? mnist_mirrors() : mirrors;
  for (const MnistFile& file : mnist_files) {
    const std::string plain = message(folder, folder.empty() || folder.back() == '/' ? "" : "/", file.name);
    struct stat facts {};
    if (stat(plain.c_str(), &facts) == 0) continue;
    std::vector<std::string> urls;
    for (const std::string& mirror : from) {
      urls.push_back(message(mirror, mirror.empty() || mirror.back() == '/' ? "" : "/", file.name, ".gz"));
    }
    download(urls, plain + ".gz", std::string(file.packed_sha256), options, at);
  }
}

}  // namespace weft
