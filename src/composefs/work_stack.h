// SPDX-License-Identifier: MIT
//
// Work that begets work, done by several threads: directories to be listed,
// files to be hashed.
//
// What came last is done first, so that what waits stays as small as a walk in
// depth keeps it. The first error ends it all.

#pragma once

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// As many as there are processors for us, unless `asked` says.
inline unsigned thread_count(unsigned asked) {
  return asked != 0 ? asked : std::max(1U, std::thread::hardware_concurrency());
}

template <typename Item>
class WorkStack {
 public:
  void push(Item item) {
    const MutexLock lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_one();
  }

  /// Calls `work(item)` on `threads` threads until nothing is left; it may
  /// push. Each thread has a worker of its own, from `make_worker()`.
  template <typename MakeWorker>
  Result<void> run(unsigned threads, const MakeWorker& make_worker) {
    std::vector<std::thread> others;
    for (unsigned i = 1; i < threads; ++i) {
      others.emplace_back([&] { drain(make_worker()); });
    }
    drain(make_worker());
    for (std::thread& other : others) other.join();
    const MutexLock lock(mutex_);
    if (error_) return *error_;
    return {};
  }

 private:
  template <typename Worker>
  void drain(Worker worker) {
    while (auto item = take()) {
      auto done = worker(*std::move(item));
      const MutexLock lock(mutex_);
      --busy_;
      if (!done && !error_) error_ = std::move(done).error();
      if (error_ || (busy_ == 0 && items_.empty())) changed_.notify_all();
    }
  }

  std::optional<Item> take() {
    const MutexLock lock(mutex_);
    while (items_.empty() && busy_ != 0 && !error_) changed_.wait(mutex_);
    if (items_.empty() || error_) return std::nullopt;
    std::optional<Item> item(std::move(items_.back()));
    items_.pop_back();
    ++busy_;
    return item;
  }

  Mutex mutex_{Rank::kLeaf};
  CondVar changed_;
  std::vector<Item> items_ GUARDED_BY(mutex_);
  unsigned busy_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> error_ GUARDED_BY(mutex_);
};

}  // namespace veneer::composefs
