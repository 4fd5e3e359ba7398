// Downloads against a local server with faults, and the places where MNIST is looked for.

#include <weft/data/download.h>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/core/checksum.h>
#include <weft/core/error.h>
#include <weft/core/message.h>
#include <weft/data/find_mnist.h>

#include "data/download_server.h"
#include "data/temporary_folder.h"

namespace weft::test {
namespace {

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

class Download : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    setenv("no_proxy", "127.0.0.1", 1);
    server_.emplace();
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (!why_no_downloads().empty()) GTEST_SKIP() << why_no_downloads();
    if (!server_->running()) GTEST_SKIP() << "python3 is needed for the local server";
  }

  std::string url(const std::string& path) const { return server_->url(path); }
  /// The requests so far for paths that contain `text`, one per line.
  std::vector<std::string> requests(const std::string& text) {
    const TemporaryFolder folder;
    download({url("/log")}, folder.file("log"), "", plain_);
    std::vector<std::string> found;
    std::istringstream lines(read_whole(folder.file("log")));
    for (std::string line; std::getline(lines, line);) {
      if (line.find(text) != std::string::npos) found.push_back(line);
    }
    return found;
  }
  /// Runs a download that must fail and gives back its message.
  std::string refused(ErrorCode code, const std::vector<std::string>& urls, const std::string& sum) {
    try {
      download(urls, target_, sum, plain_);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const IoError& error) {
      EXPECT_EQ(to_string(error.code()), std::string(to_string(code))) << error.what();
      EXPECT_FALSE(exists(target_)) << error.what();
      return error.what();
    }
    return "";
  }

  static std::optional<DownloadServer> server_;
  TemporaryFolder folder_;
  const std::string target_ = folder_.file("deep/er/file.bin");
  const std::string file_ = DownloadServer::file();
  const std::string sum_ = sha256_hex(std::as_bytes(std::span(file_)));
  DownloadOptions plain_ = {.https_only = false, .connect_timeout_seconds = 5, .stall_timeout_seconds = 5};
};
std::optional<DownloadServer> Download::server_;

TEST_F(Download, FetchesAFileAndReportsProgress) {
  std::vector<DownloadProgress> reports;
  plain_.progress = [&](const DownloadProgress& now) {
    reports.push_back(now);
    return true;
  };
  download({url("/good/fetch")}, target_, sum_, plain_);
  EXPECT_EQ(read_whole(target_), file_);
  EXPECT_FALSE(exists(target_ + ".part"));
  ASSERT_GE(reports.size(), 2u);
  EXPECT_EQ(reports.front().name, "file.bin");
  EXPECT_EQ(reports[reports.size() - 2].total, 300000);
  EXPECT_EQ(reports.back().received, 300000);
  EXPECT_TRUE(reports.back().finished);
  EXPECT_FALSE(reports.front().finished);
  for (std::size_t i = 1; i < reports.size(); ++i) EXPECT_GE(reports[i].received, reports[i - 1].received);

  download({url("/good/fetch")}, target_, sum_, plain_);  // there already
  EXPECT_EQ(requests("/good/fetch").size(), 1u);
  folder_.write("deep/er/file.bin", "something else");  // there, and wrong
  download({url("/good/fetch")}, target_, sum_, plain_);
  EXPECT_EQ(read_whole(target_), file_);
}

TEST_F(Download, GoesOnWhereItWasCut) {
  plain_.attempts = 1;
  const std::string text = refused(ErrorCode::io_network, {url("/cut/1/resume")}, sum_);
  EXPECT_NE(text.find(url("/cut/1/resume")), std::string::npos) << text;
  EXPECT_NE(text.find(target_ + ".part"), std::string::npos) << text;
  EXPECT_EQ(read_whole(target_ + ".part"), file_.substr(0, 150000));
  std::int64_t first_report = -1;
  plain_.progress = [&](const DownloadProgress& now) {
    if (first_report < 0) first_report = now.received;
    return true;
  };
  download({url("/cut/1/resume")}, target_, sum_, plain_);
  EXPECT_EQ(read_whole(target_), file_);
  EXPECT_EQ(first_report, 150000);
  EXPECT_EQ(requests("resume"), (std::vector<std::string>{"/cut/1/resume", "/cut/1/resume bytes=150000-"}));
}

TEST_F(Download, ACutConnectionIsTriedAgain) {
  download({url("/cut/2/again")}, target_, sum_, plain_);
  EXPECT_EQ(read_whole(target_), file_);
  EXPECT_EQ(requests("again").size(), 3u);
  unlink(target_.c_str());
  refused(ErrorCode::io_network, {url("/cut/9/never")}, "00");
  EXPECT_EQ(requests("never").size(), 3u) << "attempts";
}

TEST_F(Download, AServerWithoutRangesSendsItAll) {
  plain_.attempts = 1;
  refused(ErrorCode::io_network, {url("/cut/1/half")}, sum_);
  download({url("/norange/half")}, target_, sum_, plain_);
  EXPECT_EQ(read_whole(target_), file_);
  EXPECT_EQ(requests("norange/half").size(), 1u) << "the whole file replaces the part at once";
}

TEST_F(Download, APartThatIsCompleteIsTaken) {
  plain_.attempts = 1;
  mkdir(folder_.file("deep").c_str(), 0777);
  mkdir(folder_.file("deep/er").c_str(), 0777);
  folder_.write("deep/er/file.bin.part", file_);
  download({url("/good/complete")}, target_, sum_, plain_);
  EXPECT_EQ(read_whole(target_), file_);
  EXPECT_EQ(requests("complete"), (std::vector<std::string>{"/good/complete bytes=300000-"}));
}

TEST_F(Download, APartOfAnotherFileIsThrownAway) {
  mkdir(folder_.file("deep").c_str(), 0777);
  mkdir(folder_.file("deep/er").c_str(), 0777);
  for (const std::size_t size : {std::size_t{1000}, std::size_t{400000}}) {
    folder_.write("deep/er/file.bin.part", std::string(size, 'x'));
    download({url("/good/foreign")}, target_, sum_, plain_);
    EXPECT_EQ(read_whole(target_), file_);
    unlink(target_.c_str());
  }
  folder_.write("deep/er/file.bin.part", std::string(1000, 'x'));
  plain_.resume = false;
  download({url("/good/afresh")}, target_, sum_, plain_);
  EXPECT_EQ(requests("afresh"), std::vector<std::string>{"/good/afresh"});
}

TEST_F(Download, AnAnswerToAnotherRangeIsNotPutTogether) {
  plain_.attempts = 1;
  refused(ErrorCode::io_network, {url("/cut/1/range")}, sum_);
  const std::string text = refused(ErrorCode::io_network, {url("/shifted/range")}, sum_);
  EXPECT_NE(text.find("asked for byte 150000 on, was sent byte 150001 on"), std::string::npos) << text;
}

TEST_F(Download, AWrongChecksumLeavesNothing) {
  const std::string text = refused(ErrorCode::io_checksum, {url("/wrong/sum")}, sum_);
  EXPECT_NE(text.find(sum_), std::string::npos) << text;
  EXPECT_NE(text.find("SHA-256"), std::string::npos) << text;
  EXPECT_FALSE(exists(target_ + ".part"));
}

TEST_F(Download, TheNextMirrorIsTried) {
  download({url("/status/404/mirror"), url("/wrong/mirror"), url("/cut/9/mirror"), url("/good/mirror")}, target_, sum_,
           plain_);
  EXPECT_EQ(read_whole(target_), file_);
  const auto asked = requests("mirror");
  ASSERT_EQ(asked.size(), 6u);
  EXPECT_EQ(asked[0], "/status/404/mirror");
  EXPECT_EQ(asked[1], "/wrong/mirror");
  EXPECT_EQ(asked[5].substr(0, 19), "/good/mirror bytes=") << "what came from one mirror serves the next";
}

TEST_F(Download, EveryMirrorsReasonIsNamed) {
  const std::string closed = message("http://127.0.0.1:", 1, "/file");
  const std::string text = refused(ErrorCode::io_network, {url("/status/404/a"), url("/status/503/b"), closed}, sum_);
  for (const std::string& words :
       {url("/status/404/a") + ": HTTP status 404", url("/status/503/b") + ": HTTP status 503", closed + ": ",
        std::string("file.bin could not be downloaded"), "by hand: put the file at " + target_, sum_}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << " in " << text;
  }
  EXPECT_FALSE(exists(target_ + ".part")) << "an error page is no part of the file";
}

TEST_F(Download, RedirectsAreFollowedToALimit) {
  plain_.max_redirects = 3;
  download({url("/redirect/3/r")}, target_, sum_, plain_);
  EXPECT_EQ(read_whole(target_), file_);
  unlink(target_.c_str());
  const std::string text = refused(ErrorCode::io_network, {url("/redirect/4/r")}, sum_);
  EXPECT_NE(text.find("redirect"), std::string::npos) << text;
}

TEST_F(Download, AServerThatStopsSendingIsGivenUp) {
  plain_.stall_timeout_seconds = 1;
  plain_.attempts = 1;
  EXPECT_NE(refused(ErrorCode::io_network, {url("/stall/s")}, sum_).find("nothing arrived for 1 s"), std::string::npos);
}

TEST_F(Download, TheCallerMayStopIt) {
  plain_.progress = [](const DownloadProgress&) { return false; };
  EXPECT_NE(refused(ErrorCode::io_network, {url("/good/stop")}, sum_).find("stopped"), std::string::npos);
  plain_.progress = [](const DownloadProgress&) -> bool { throw std::logic_error("out of paper"); };
  EXPECT_THROW(download({url("/good/stop")}, target_, sum_, plain_), std::logic_error);
  EXPECT_FALSE(exists(target_));
}

TEST_F(Download, LimitsAndUrls) {
  plain_.max_bytes = 1000;
  EXPECT_NE(refused(ErrorCode::io_network, {url("/good/large")}, sum_).find("1000"), std::string::npos);
  EXPECT_THROW(download({}, target_, sum_, plain_), ValueError);
  EXPECT_THROW(download({"ftp://127.0.0.1/x"}, target_, sum_, plain_), ValueError);
  EXPECT_THROW(download({"file:///etc/passwd"}, target_, sum_, plain_), ValueError);
  EXPECT_THROW(download({url("/good/plain")}, target_, sum_), ValueError) << "https only, unless told otherwise";
  for (const std::string& mirror : mnist_mirrors()) EXPECT_EQ(mirror.substr(0, 8), "https://");
}

TEST_F(Download, LocalTrouble) {
  folder_.write("a file", "x");
  try {
    download({url("/good/x")}, folder_.file("a file/below"), sum_, plain_);
    ADD_FAILURE();
  } catch (const IoError& error) {
    EXPECT_EQ(error.code(), ErrorCode::io_open) << error.what();
  }
  mkdir(folder_.file("deep").c_str(), 0777);
  mkdir(folder_.file("deep/er").c_str(), 0777);
  const std::string part = folder_.write("deep/er/file.bin.part", "x");
  const int other = open(part.c_str(), O_RDWR);
  ASSERT_EQ(flock(other, LOCK_EX), 0);  // as another process would
  EXPECT_NE(refused(ErrorCode::io_open, {url("/good/x")}, sum_).find("another process"), std::string::npos);
  close(other);
  download({url("/good/x")}, target_, sum_, plain_);
}

TEST_F(Download, WithoutASumNothingOldIsResumed) {
  mkdir(folder_.file("deep").c_str(), 0777);
  mkdir(folder_.file("deep/er").c_str(), 0777);
  folder_.write("deep/er/file.bin.part", "an old beginning");
  download({url("/good/nosum")}, target_, "", plain_);
  EXPECT_EQ(read_whole(target_), file_);
}

// ---- finding MNIST

class FindMnist : public Download {
 protected:
  void SetUp() override {
    for (const char* name : {"WEFT_DATA_DIR", "XDG_CACHE_HOME", "HOME"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value == nullptr ? std::nullopt : std::optional<std::string>(value));
      unsetenv(name);
    }
    options_.downloading = plain_;
    options_.mirrors = {message("http://127.0.0.1:1/"), url("/status/404/mnist")};
  }
  void TearDown() override {
    for (const auto& [name, value] : before_) {
      if (value.has_value()) {
        setenv(name, value->c_str(), 1);
      } else {
        unsetenv(name);
      }
    }
  }
  static void put_files(const TemporaryFolder& folder, const std::string& below) {
    std::filesystem::create_directories(folder.file(below));
    const auto put = [&](const char* name, const std::string& bytes) { folder.write(below + "/" + name, bytes); };
    const std::string images = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5, 6};
    const std::string labels = {0, 0, 8, 1, 0, 0, 0, 2, 1, 2};
    for (const char* name : {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte"}) put(name, images);
    for (const char* name : {"train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"}) put(name, labels);
  }

  FindMnistOptions options_;
  std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

TEST_F(FindMnist, InTheFolderThatIsNamedAndNowhereElse) {
  const TemporaryFolder folder;
  put_files(folder, "data");
  setenv("WEFT_DATA_DIR", "/nowhere", 1);
  options_.folder = folder.file("data");
  const FoundMnist found = find_mnist(options_);
  EXPECT_EQ(found.train.size(), 2);
  EXPECT_EQ(found.from, "the folder " + folder.file("data"));
  EXPECT_FALSE(found.synthetic);
  EXPECT_EQ(found.notice, "");
  options_.folder = folder.path();
  EXPECT_THROW(find_mnist(options_), IoError) << "nothing else is taken for a folder that was asked for";
}

TEST_F(FindMnist, InTheEnvironmentThenInTheCache) {
  const TemporaryFolder data;
  const TemporaryFolder cache;
  put_files(data, "mnist");
  put_files(cache, "weft/mnist");
  setenv("WEFT_DATA_DIR", data.path().c_str(), 1);
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  EXPECT_EQ(find_mnist(options_).from, "$WEFT_DATA_DIR/mnist (" + data.path() + "/mnist)");
  setenv("WEFT_DATA_DIR", "/nowhere", 1);
  EXPECT_EQ(find_mnist(options_).from, "the cache " + cache.path() + "/weft/mnist");
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", cache.path().c_str(), 1);
  EXPECT_EQ(mnist_cache_folder(), cache.path() + "/.cache/weft/mnist");
  setenv("XDG_CACHE_HOME", "relative", 1);  // the specification says: ignore it
  EXPECT_EQ(mnist_cache_folder(), cache.path() + "/.cache/weft/mnist");
  // files that are there and broken are an error, not a reason to go on
  data.write("mnist/train-images-idx3-ubyte", "broken");
  setenv("WEFT_DATA_DIR", data.path().c_str(), 1);
  EXPECT_THROW(find_mnist(options_), IoError);
}

TEST_F(FindMnist, SyntheticDigitsAreAnnouncedWithTheReason) {
  const TemporaryFolder cache;
  setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  const FoundMnist found = find_mnist(options_);
  EXPECT_TRUE(found.synthetic);
  EXPECT_EQ(found.train.name(), "synthetic digits");
  EXPECT_EQ(found.test.size(), 10000);
  for (const std::string& words :
       {std::string("SYNTHETIC"), std::string("$WEFT_DATA_DIR is not set"), "the cache " + cache.path() + "/weft/mnist",
        std::string("could not be downloaded"), std::string("http://127.0.0.1:1/train-images-idx3-ubyte.gz")}) {
    EXPECT_NE(found.notice.find(words), std::string::npos) << words << " in " << found.notice;
  }
  options_.folder = "synthetic";
  const FoundMnist asked = find_mnist(options_);
  EXPECT_TRUE(asked.synthetic);
  EXPECT_NE(asked.notice.find("SYNTHETIC"), std::string::npos);
}

}  // namespace
}  // namespace weft::test
