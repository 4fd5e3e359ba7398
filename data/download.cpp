#include <weft/data/download.h>

#include <sys/stat.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>

#include <weft/core/checksum.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/http_get.h>
#include <weft/data/part_file.h>
#include <weft/data/regular_file.h>

namespace weft {
namespace {

constexpr const char* op = "download";

std::string file_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

void check(const std::vector<std::string>& urls, const DownloadOptions& options, CallSite at) {
  if (urls.empty()) throw ValueError(ErrorCode::value_invalid, op, "no URL was given", at);
  for (const std::string& url : urls) {
    const bool secure = url.rfind("https://", 0) == 0;
    if (secure || (!options.https_only && url.rfind("http://", 0) == 0)) continue;
    throw ValueError(ErrorCode::value_invalid, op,
                     message("the URL is \"", url, "\", expected https://",
                             options.https_only ? " (http:// needs https_only = false)" : " or http://"),
                     at);
  }
  constexpr double longest = 1e6;
  const auto refuse_seconds = [&](const char* name, double seconds) {
    if (seconds > 0 && seconds <= longest) return;
    throw ValueError(ErrorCode::value_out_of_range, op,
                     message(name, " is ", seconds, ", expected more than 0 and at most ", longest), at);
  };
  refuse_seconds("connect_timeout_seconds", options.connect_timeout_seconds);
  refuse_seconds("stall_timeout_seconds", options.stall_timeout_seconds);
}

bool is_there(const std::string& path, const std::string& sha256, CallSite at) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return false;
  if (sha256.empty()) return true;
  RegularFile file(path, op, at);
  Sha256 hash;
  std::vector<std::byte> chunk(std::size_t{1} << 18);
  while (const std::size_t got = file.read(chunk.data(), chunk.size())) hash.update(std::span(chunk).first(got));
  return to_hex(hash.digest()) == sha256;
}

void make_folder_of(const std::string& path, CallSite at) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return;
  throw IoError(ErrorCode::io_open, op, message(folder.string(), ": the folder cannot be made: ", error.message()), at);
}

/// One file from one mirror after the other.
class Download {
 public:
  Download(const std::string& path, const std::string& sha256, const DownloadOptions& options, CallSite at)
      : path_(path), sha256_(sha256), options_(options), at_(at), part_(path, at) {
    progress_.name = file_name(path);
  }

  void run(const std::vector<std::string>& urls) {
    if (!options_.resume) part_.truncate(0);
    for (const std::string& url : urls) {
      if (from(url)) return;
    }
    if (part_.size() == 0) part_.remove();
    throw IoError(wrong_sum_ ? ErrorCode::io_checksum : ErrorCode::io_network, op,
                  message(progress_.name, " could not be downloaded", tried_,
                          part_.size() > 0 ? message("\n  what arrived is kept in ", path_, ".part") : std::string(),
                          "\n  by hand: put the file at ", path_,
                          sha256_.empty() ? std::string() : message(", SHA-256 ", sha256_)),
                  at_);
  }

 private:
  bool from(const std::string& url) {
    progress_.url = url;
    if (sha256_.empty()) part_.truncate(0);  // nothing would tell two files in one from a whole one
    for (int attempt = 1;; ++attempt) {
      const std::int64_t resumed_from = part_.size();
      const HttpAnswer answer = fetch(url);
      if (stopped_) {
        if (part_.size() == 0) part_.remove();
        throw IoError(ErrorCode::io_network, op, message(progress_.name, ": stopped by the progress function"), at_);
      }
      // 416: there is nothing behind what is here; it may be all there is.
      const bool nothing_more = answer.status == 416 && resumed_from > 0;
      if (answer.complete || nothing_more) {
        if (sha256_.empty() && answer.complete) return finish();
        const std::string sum = part_.sha256();
        if (sum == sha256_) return finish();
        part_.truncate(0);
        if (resumed_from > 0) continue;  // the beginning may have been another file's: once more, all of it
        wrong_sum_ = true;
        remember(url, message("its SHA-256 is ", sum, ", expected ", sha256_));
        return false;
      }
      // A connection that broke after something came is worth another attempt; the part that came is kept.
      const bool progress = answer.received > 0 && too_long_ == false;
      if (progress && attempt < options_.attempts) continue;
      remember(url, answer.reason);
      return false;
    }
  }

  HttpAnswer fetch(const std::string& url) {
    HttpRequest request;
    request.url = url;
    request.offset = part_.size();
    request.options = &options_;
    return http_get(
        request,
        [&](const HttpBody& body) {
          if (body.start == 0) part_.truncate(0);  // the server sends it all
          progress_.total = body.total;
          too_long_ = body.total > options_.max_bytes;
          return !too_long_ && report(true);
        },
        [&](std::span<const std::byte> bytes) {
          too_long_ = part_.size() + static_cast<std::int64_t>(bytes.size()) > options_.max_bytes;
          if (too_long_) return false;
          part_.append(bytes);
          return report(false);
        },
        [&] { return report(false); });
  }

  bool report(bool now) {
    progress_.received = part_.size();
    const auto time = std::chrono::steady_clock::now();
    constexpr auto pause = std::chrono::milliseconds(100);
    if (!options_.progress || (!now && time - last_report_ < pause)) return true;
    last_report_ = time;
    stopped_ = !options_.progress(progress_);
    return !stopped_;
  }

  bool finish() {
    part_.commit();
    progress_.received = progress_.total = part_.size();
    progress_.finished = true;
    if (options_.progress) options_.progress(progress_);
    return true;
  }

  void remember(const std::string& url, const std::string& reason) {
    tried_ += message("\n  ", url, ": ",
                      too_long_ ? message("more than the ", options_.max_bytes, " bytes that are allowed") : reason);
  }

  const std::string& path_;
  const std::string& sha256_;
  const DownloadOptions& options_;
  CallSite at_;
  PartFile part_;
  DownloadProgress progress_;
  std::chrono::steady_clock::time_point last_report_{};
  std::string tried_;
  bool wrong_sum_ = false;
  bool stopped_ = false;
  bool too_long_ = false;
};

}  // namespace

void download(const std::vector<std::string>& urls, const std::string& path, const std::string& sha256,
              const DownloadOptions& options, CallSite at) {
  check(urls, options, at);
  if (is_there(path, sha256, at)) return;
  const std::string why_not = why_no_http();
  if (!why_not.empty()) {
    throw IoError(
        ErrorCode::io_network, op,
        message(file_name(path), " cannot be downloaded: ", why_not, "\n  by hand: put ", urls.front(), " at ", path),
        at);
  }
  make_folder_of(path, at);
  Download(path, sha256, options, at).run(urls);
}

std::string why_no_downloads() { return why_no_http(); }

}  // namespace weft
