#pragma once
// Fetching data files over HTTP: several mirrors, resume, a checksum, and the file appears whole or not at all.
//
// libcurl is opened with dlopen when the first download starts; weft is not linked with it. Where it is missing,
// everything else works and a download says which package to install.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/core/call_site.h>
#include <weft/core/export.h>

namespace weft {

struct DownloadProgress {
  std::string name;           ///< of the file
  std::string url;            ///< the mirror in use
  std::int64_t received = 0;  ///< bytes of the file that are here, resumed ones included
  std::int64_t total = -1;    ///< -1: the server has not said
  bool finished = false;      ///< the last report of this file: it is in place
};

struct DownloadOptions {
  /// Called on the downloading thread, a few times a second and at the end of each file. Returning false stops with
  /// IoError (io_network); what it throws passes through. What was received is kept for a resume either way.
  std::function<bool(const DownloadProgress&)> progress = {};
  bool resume = true;      ///< go on with NAME.part; false begins again
  bool https_only = true;  ///< refuse http:// URLs and redirects to them
  int max_redirects = 5;
  double connect_timeout_seconds = 15;
  double stall_timeout_seconds = 30;  ///< gives a mirror up when nothing arrives for that long
  int attempts = 3;                   ///< per mirror, for connections that break while bytes arrive
  std::int64_t max_bytes = std::int64_t{1} << 36;
};

/// Fetches one file. `urls` are tried in order until one delivers it with the right SHA-256 (lower-case hexadecimal;
/// empty: any contents). Bytes go to `path`.part, which survives a broken connection; when complete and right it is
/// synced and renamed to `path`. A file that is there with the right sum (without a sum: any) is left alone and nothing
/// is fetched. Without a sum nothing of an earlier call is resumed. Folders are made. Two processes fetching the same
/// path: the second gets io_open.
///
/// Throws IoError: io_network (nothing was reached, HTTP status other than success, connection cut, no libcurl; the
/// message lists each URL with its reason and says where to put the file by hand), io_checksum (what arrived has
/// another sum; .part is removed), io_open and io_write (the local file). ValueError for no URL, or one that is not
/// http:// or https://.
WEFT_API void download(const std::vector<std::string>& urls, const std::string& path, const std::string& sha256 = "",
                       const DownloadOptions& options = {}, CallSite at = CallSite::here());

/// The mirrors of MNIST's packed files, to each of which a file's name is appended. All https.
WEFT_API std::vector<std::string> mnist_mirrors();

/// Fetches those of MNIST's four packed files that `folder` lacks (plain or packed), each with its published SHA-256,
/// from `mirrors` or mnist_mirrors(). Throws as download().
WEFT_API void download_mnist(const std::string& folder, const DownloadOptions& options = {},
                             const std::vector<std::string>& mirrors = {}, CallSite at = CallSite::here());

/// Empty when downloads are possible, otherwise why not.
WEFT_API std::string why_no_downloads();

}  // namespace weft
