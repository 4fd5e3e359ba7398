#include <weft/data/prefetcher.h>

#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <system_error>
#include <utility>

#include <weft/core/trace.h>

namespace weft {

Prefetcher::Prefetcher(int workers, int capacity, LoaderCounters& counters)
    : capacity_(capacity),
      counters_(counters),
      process_(getpid()),
      ring_(static_cast<std::size_t>(capacity)),
      spare_(ring_.size()) {
  threads_.reserve(static_cast<std::size_t>(workers));
  try {
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error&) {
    // The batches are the same with the threads there are.
  }
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    run_.fetch_add(1, std::memory_order_relaxed);
  }
  claimable_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Prefetcher::begin_run(std::int64_t first, std::int64_t end, std::shared_ptr<const Decode> decode) {
  {
    const std::lock_guard lock(mutex_);
    active_ = true;
    next_claim_ = next_take_ = first;
    end_ = end;
    decode_ = std::move(decode);
  }
  claimable_.notify_all();
}

void Prefetcher::end_run() noexcept {
  std::shared_ptr<const Decode> finished;
  {
    const std::lock_guard lock(mutex_);
    active_ = false;
    run_.fetch_add(1, std::memory_order_relaxed);
    abandoned_ += decoding_;
    decoding_ = 0;
    ring_.swap(spare_);
    finished.swap(decode_);
  }
  claimable_.notify_all();
  for (Place& unwanted : spare_) unwanted = {};  // without the lock: it may free much
}

Decoded Prefetcher::take() {
  std::unique_lock lock(mutex_);
  Place& place = ring_[static_cast<std::size_t>(next_take_ % capacity_)];
  if (!place.filled) {
    const TraceSpan span("wait for batch", "data", next_take_, "batch");
    const auto begin = LoaderClock::now();
    taken_next_is_ready_.wait(lock, [&] { return place.filled; });
    add_since(counters_.consumer_wait, begin);
    counters_.waits.fetch_add(1, std::memory_order_relaxed);
  }
  Decoded decoded = std::exchange(place.decoded, {});
  place.filled = false;
  ++next_take_;
  lock.unlock();
  claimable_.notify_one();
  return decoded;
}

void Prefetcher::work(int number) {
  char name[16];
  std::snprintf(name, sizeof name, "weft-load-%d", number);
  pthread_setname_np(pthread_self(), name);

  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool something_to_do = active_ && next_claim_ < end_;
    if (!something_to_do || !has_room()) {
      const auto begin = LoaderClock::now();
      claimable_.wait(lock);
      if (something_to_do) add_since(counters_.worker_wait, begin);
      continue;
    }
    const std::int64_t batch = next_claim_++;
    const std::uint64_t run = run_.load(std::memory_order_relaxed);
    std::shared_ptr<const Decode> decode = decode_;
    ++decoding_;
    lock.unlock();

    const auto begin = LoaderClock::now();
    const auto ended = [&] { return run_.load(std::memory_order_relaxed) != run; };
    Decoded decoded = (*decode)(batch, ended);
    add_since(counters_.decode, begin);
    decode.reset();

    lock.lock();
    if (run_.load(std::memory_order_relaxed) == run) {
      --decoding_;
      Place& place = ring_[static_cast<std::size_t>(batch % capacity_)];
      place.decoded = std::move(decoded);
      place.filled = true;
      if (batch == next_take_) taken_next_is_ready_.notify_one();
      continue;
    }
    lock.unlock();
    decoded = {};  // its memory goes back before its place is free
    lock.lock();
    --abandoned_;
    claimable_.notify_one();
  }
}

}  // namespace weft
