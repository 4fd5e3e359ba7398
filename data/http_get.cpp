#include <weft/data/http_get.h>

#if defined(WEFT_HAVE_CURL)

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <memory>
#include <string_view>

#include <weft/core/message.h>
#include <weft/data/curl_library.h>

#undef curl_easy_setopt  // argument checks that are macros of the functions' names
#undef curl_easy_getinfo

namespace weft {
namespace {

// The bit masks of allowed protocols. Every libcurl 7 and 8 has these two options; their successors, which take text,
// came with 7.85.
constexpr auto allowed_protocols = static_cast<CURLoption>(181);
constexpr auto allowed_redirect_protocols = static_cast<CURLoption>(182);

class Transfer {
 public:
  Transfer(const HttpRequest& request, FunctionRef<bool(const HttpBody&)> begin,
           FunctionRef<bool(std::span<const std::byte>)> write, FunctionRef<bool()> poll)
      : request_(request), begin_(begin), write_(write), poll_(poll) {}

  HttpAnswer run() {
    handle_.reset(curl_.curl_easy_init());
    if (handle_ == nullptr) {
      answer_.reason = "libcurl gave no handle";
      return answer_;
    }
    configure();
    last_sign_of_life_ = Clock::now();
    const CURLcode code = curl_.curl_easy_perform(handle_.get());
    if (thrown_ != nullptr) std::rethrow_exception(thrown_);
    curl_.curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &answer_.status);
    const bool success = answer_.status == 200 || answer_.status == 206;
    // An empty body calls nobody.
    if (code == CURLE_OK && success && !begun_) {
      begin_body();
      if (thrown_ != nullptr) std::rethrow_exception(thrown_);
    }
    answer_.complete = code == CURLE_OK && success && answer_.reason.empty();
    answer_.unreachable = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
                          code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
                          code == CURLE_SSL_CACERT_BADFILE || code == CURLE_PEER_FAILED_VERIFICATION;
    if (!answer_.complete && answer_.reason.empty()) explain(code, success);
    return answer_;
  }

 private:
  template <class T>
  void set(CURLoption option, T value) {
    curl_.curl_easy_setopt(handle_.get(), option, value);
  }

  void configure() {
    const DownloadOptions& options = *request_.options;
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_NOSIGNAL, 1L);  // signals and threads do not mix
    set(CURLOPT_USERAGENT, "weft");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, static_cast<long>(options.max_redirects));
    const long protocols = options.https_only ? CURLPROTO_HTTPS : CURLPROTO_HTTPS | CURLPROTO_HTTP;
    set(allowed_protocols, protocols);
    set(allowed_redirect_protocols, protocols);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_seconds * 1000));
    set(CURLOPT_ERRORBUFFER, error_);
    if (request_.offset > 0) {
      range_ = message(request_.offset, "-");
      set(CURLOPT_RANGE, range_.c_str());
    }
    set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
  }

  void explain(CURLcode code, bool success) {
    if (!success && answer_.status != 0 && (code == CURLE_OK || code == CURLE_WRITE_ERROR)) {
      answer_.reason = message("HTTP status ", answer_.status);
      return;
    }
    answer_.reason = error_[0] != '\0' ? error_ : curl_.curl_easy_strerror(code);
    if (code == CURLE_SSL_CACERT_BADFILE) answer_.reason += " (the package ca-certificates is missing?)";
  }

  /// C calls these: nothing may be thrown through it.
  template <class F>
  bool guarded(F f) noexcept {
    try {
      return f();
    } catch (...) {
      thrown_ = std::current_exception();
      return false;
    }
  }

  static std::size_t on_header(char* data, std::size_t, std::size_t bytes, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    transfer->answering_ = true;
    transfer->last_sign_of_life_ = Clock::now();
    transfer->read_header({data, bytes});
    return bytes;
  }

  /// "Content-Range: bytes 100-199/200"; the headers of a redirect come here too, so a status line starts afresh.
  void read_header(std::string_view line) noexcept {
    if (line.substr(0, 5) == "HTTP/") {
      range_start_ = range_total_ = -1;
      return;
    }
    constexpr std::string_view name = "content-range:";
    if (line.size() < name.size()) return;
    for (std::size_t i = 0; i < name.size(); ++i) {
      const char c = line[i];
      if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != name[i]) return;
    }
    const std::size_t first = line.find_first_of("0123456789");
    const std::size_t slash = line.find('/');
    const char* end = line.data() + line.size();
    if (first != std::string_view::npos) std::from_chars(line.data() + first, end, range_start_);
    if (slash != std::string_view::npos) std::from_chars(line.data() + slash + 1, end, range_total_);
  }

  bool begin_body() {
    begun_ = true;
    return guarded([&] {
      HttpBody body;
      if (answer_.status == 206) {
        if (range_start_ != request_.offset) {
          answer_.reason = message("asked for byte ", request_.offset, " on, was sent byte ", range_start_, " on");
          return false;
        }
        body.start = range_start_;
        body.total = range_total_;
      } else {
        curl_off_t length = -1;
        curl_.curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        body.total = length;
      }
      return begin_(body);
    });
  }

  static std::size_t on_body(char* data, std::size_t, std::size_t bytes, void* self) {
    return static_cast<Transfer*>(self)->take({reinterpret_cast<const std::byte*>(data), bytes}) ? bytes : 0;
  }

  bool take(std::span<const std::byte> part) {
    last_sign_of_life_ = Clock::now();
    curl_.curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &answer_.status);
    if (answer_.status != 200 && answer_.status != 206) return false;  // an error page
    if (!begun_ && !begin_body()) return false;
    if (!guarded([&] { return write_(part); })) return false;
    answer_.received += static_cast<std::int64_t>(part.size());
    return true;
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto* transfer = static_cast<Transfer*>(self);
    if (transfer->stalled()) return 1;
    return transfer->guarded([&] { return transfer->poll_(); }) ? 0 : 1;
  }

  /// libcurl has an option for this too, which averages over some seconds and so reacts late.
  bool stalled() {
    const DownloadOptions& options = *request_.options;
    const double patience = answering_ ? options.stall_timeout_seconds
                                       : std::max(options.stall_timeout_seconds, options.connect_timeout_seconds);
    if (std::chrono::duration<double>(Clock::now() - last_sign_of_life_).count() < patience) return false;
    answer_.reason = message("nothing arrived for ", patience, " s");
    return true;
  }

  struct Cleanup {
    void operator()(CURL* handle) const { curl_library().curl_easy_cleanup(handle); }
  };

  using Clock = std::chrono::steady_clock;

  const CurlLibrary& curl_ = curl_library();
  const HttpRequest& request_;
  FunctionRef<bool(const HttpBody&)> begin_;
  FunctionRef<bool(std::span<const std::byte>)> write_;
  FunctionRef<bool()> poll_;
  std::unique_ptr<CURL, Cleanup> handle_;
  std::string range_;
  char error_[CURL_ERROR_SIZE] = {};
  HttpAnswer answer_;
  bool begun_ = false;
  bool answering_ = false;
  Clock::time_point last_sign_of_life_{};
  std::int64_t range_start_ = -1;
  std::int64_t range_total_ = -1;
  std::exception_ptr thrown_;
};

}  // namespace

HttpAnswer http_get(const HttpRequest& request, FunctionRef<bool(const HttpBody&)> begin,
                    FunctionRef<bool(std::span<const std::byte>)> write, FunctionRef<bool()> poll) {
  return Transfer(request, begin, write, poll).run();
}

std::string why_no_http() { return curl_library().why_not; }

}  // namespace weft

#else

namespace weft {

HttpAnswer http_get(const HttpRequest&, FunctionRef<bool(const HttpBody&)>,
                    FunctionRef<bool(std::span<const std::byte>)>, FunctionRef<bool()>) {
  HttpAnswer answer;
  answer.reason = why_no_http();
  return answer;
}

std::string why_no_http() {
  return "this weft was built without curl/curl.h (Debian and Ubuntu: apt install libcurl4-openssl-dev, then build "
         "again)";
}

}  // namespace weft

#endif
