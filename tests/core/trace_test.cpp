#include <weft/core/trace.h>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <weft/core/error.h>

#include "core/sanitizers.h"

namespace weft {
namespace {

using nlohmann::json;

class Trace : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weft-trace-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    trace_stop();
    std::filesystem::remove_all(folder_);
  }
  json written() {
    const std::string path = folder_ + "/trace.json";
    trace_write(path);
    std::ifstream in(path);
    return json::parse(in);
  }
  static std::vector<json> events(const json& file, const std::string& phase) {
    std::vector<json> found;
    for (const json& event : file["traceEvents"]) {
      if (event["ph"] == phase) found.push_back(event);
    }
    return found;
  }
  std::string folder_;
};

TEST_F(Trace, SpansCountersAndNames) {
  { const TraceSpan before("before", "test"); }
  trace_start();
  EXPECT_TRUE(trace_running());
  {
    const TraceSpan outer("outer", "test", std::numeric_limits<std::int64_t>::min(), "size");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const TraceSpan inner("inner");
  }
  trace_counter("depth", 2.5);
  trace_counter("not finite", std::numeric_limits<double>::infinity());
  trace_stop();
  EXPECT_FALSE(trace_running());
  { const TraceSpan after("after", "test"); }
  trace_counter("after", 1);

  const json file = written();
  const std::vector<json> spans = events(file, "X");
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0]["name"], "inner");  // ended first
  EXPECT_EQ(spans[0]["cat"], "weft");
  EXPECT_FALSE(spans[0].contains("args"));
  EXPECT_EQ(spans[1]["name"], "outer");
  EXPECT_EQ(spans[1]["cat"], "test");
  EXPECT_EQ(spans[1]["args"]["size"], std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(spans[1]["pid"], getpid());
  EXPECT_GE(spans[1]["dur"].get<double>(), 5000.0);  // microseconds
  EXPECT_LT(spans[1]["dur"].get<double>(), 60e6);
  EXPECT_GE(spans[0]["ts"].get<double>(), spans[1]["ts"].get<double>());
  EXPECT_LE(spans[0]["ts"].get<double>() + spans[0]["dur"].get<double>(),
            spans[1]["ts"].get<double>() + spans[1]["dur"].get<double>() + 0.01);
  const std::vector<json> counters = events(file, "C");
  ASSERT_EQ(counters.size(), 2u);
  EXPECT_EQ(counters[0]["args"]["value"], 2.5);
  EXPECT_EQ(counters[1]["args"]["value"], 0.0);
  EXPECT_EQ(file["otherData"]["dropped_events"], 0);
}

TEST_F(Trace, EveryThreadHasItsNameAndItsEvents) {
  trace_start();
  constexpr int threads = 6, each = 1000;
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([t] {
      trace_thread_name("worker " + std::to_string(t));
      for (int i = 0; i < each; ++i) const TraceSpan span("work", "test", t * each + i, "id");
    });
  }
  std::thread unnamed([] {
    pthread_setname_np(pthread_self(), "by-system");
    const TraceSpan span("alone", "test");
  });
  for (std::thread& worker : workers) worker.join();
  unnamed.join();
  const json file = written();  // while recording is still on
  std::map<int, std::string> names;
  for (const json& event : events(file, "M")) {
    if (event["name"] == "thread_name") names[event["tid"]] = event["args"]["name"];
  }
  std::set<std::int64_t> ids;
  for (const json& event : events(file, "X")) {
    if (event["name"] == "alone") {
      EXPECT_EQ(names[event["tid"]], "by-system");
      continue;
    }
    const std::int64_t id = event["args"]["id"];
    EXPECT_TRUE(ids.insert(id).second);
    EXPECT_EQ(names[event["tid"]], "worker " + std::to_string(id / each));
  }
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(threads * each));
}

TEST_F(Trace, CapacityBoundsTheEventsAndDropsAreCounted) {
  for (std::int64_t capacity : {1, 10, 256, 700}) {
    trace_start(capacity);
    for (int i = 0; i < 1000; ++i) const TraceSpan span("span", "test", i);
    const json file = written();
    EXPECT_EQ(static_cast<std::int64_t>(events(file, "X").size()), capacity);
    EXPECT_EQ(file["otherData"]["dropped_events"], 1000 - capacity);
    EXPECT_EQ(events(file, "X").back()["args"]["value"], capacity - 1);  // the first ones are kept
  }
  // A thread that found no room and has ended is still counted.
  trace_start(1);
  { const TraceSpan span("span"); }
  std::thread([] { const TraceSpan span("late"); }).join();
  EXPECT_EQ(written()["otherData"]["dropped_events"], 1);
}

TEST_F(Trace, StartForgetsEarlierEvents) {
  trace_start();
  { const TraceSpan span("old"); }
  std::thread([] { const TraceSpan span("old"); }).join();
  {
    const TraceSpan across("across");
    trace_start();
  }
  { const TraceSpan span("new"); }
  const std::vector<json> spans = events(written(), "X");
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0]["name"], "new");
}

TEST_F(Trace, AwkwardTextIsEscaped) {
  trace_start();
  const char* names[] = {"quote \" backslash \\ slash /", "tab\tnewline\nnull-like \x01 delete \x7f",
                         "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
                         "broken \xff\xc3 \xed\xa0\x80 \xf5\x80\x80\x80 \xc0\x80 end\xe2\x82", ""};
  for (const char* name : names) const TraceSpan span(name, name, 1, name);
  const std::vector<json> spans = events(written(), "X");
  ASSERT_EQ(spans.size(), 5u);
  for (std::size_t i : {0u, 1u, 2u, 4u}) {
    EXPECT_EQ(spans[i]["name"], names[i]);
    EXPECT_EQ(spans[i]["args"][names[i]], 1);
  }
  const std::string r = "\xef\xbf\xbd";  // U+FFFD for every byte that belongs to no character
  EXPECT_EQ(spans[3]["name"], "broken " + r + r + " " + r + r + r + " " + r + r + r + r + " " + r + r + " end" + r + r);
}

TEST_F(Trace, StartStopAndWriteUnderLoad) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  for (int t = 0; t < 3; ++t) {
    workers.emplace_back([&] {
      while (!stop) {
        const TraceSpan span("load", "test", 1);
        trace_counter("load", 1);
      }
    });
  }
  workers.emplace_back([&] {
    while (!stop) std::thread([] { const TraceSpan span("short-lived"); }).join();
  });
  for (int i = 0; i < 12; ++i) {
    trace_start(1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (i % 3 == 0) trace_stop();
    const json file = written();
    EXPECT_LE(events(file, "X").size() + events(file, "C").size(), 1000u);
    for (const json& event : events(file, "X")) EXPECT_LT(event["ts"].get<double>(), 60e6);
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
}

TEST_F(Trace, RefusesBadCapacityAndReportsAnUnwritablePath) {
  EXPECT_THROW(trace_start(0), ValueError);
  EXPECT_THROW(trace_start(-1), ValueError);
  EXPECT_THROW(trace_start(100'000'001), ValueError);
  EXPECT_FALSE(trace_running());
  EXPECT_THROW(trace_write(folder_ + "/missing/trace.json"), IoError);
  EXPECT_THROW(trace_write(folder_), IoError);  // a folder
}

TEST_F(Trace, ForkedChildStartsEmptyAndOff) {
  if (testing::under_tsan) GTEST_SKIP() << "ThreadSanitizer does not follow a fork";
  trace_start();
  { const TraceSpan span("parent"); }
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    if (trace_running() || !events(written(), "X").empty()) _exit(1);
    trace_start();
    { const TraceSpan span("child"); }
    const std::vector<json> spans = events(written(), "X");
    _exit(spans.size() == 1 && spans[0]["name"] == "child" ? 42 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 42);
  EXPECT_TRUE(trace_running());
}

}  // namespace
}  // namespace weft
