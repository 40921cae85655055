// SPDX-License-Identifier: MIT

#include "finalize/same_bytes.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.h"
#include "sys/file_data.h"

namespace veneer::finalize {

namespace {

constexpr std::size_t kPiece = 256 << 10;
// A thread costs as much as comparing a part of this.
constexpr std::uint64_t kSharePerThread = 16 << 20;
constexpr unsigned kMostThreads = 8;

class Comparison {
 public:
  Comparison(const FileData& a, const FileData& b, std::uint64_t size)
      : a_(a), b_(b), size_(size) {}

  // Takes pieces until there are none left or one differs.
  Result<void> work();
  bool same() const { return !differs_; }

 private:
  const FileData& a_;
  const FileData& b_;
  const std::uint64_t size_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> differs_{false};
};

Result<void> Comparison::work() {
  const std::size_t most = std::min<std::uint64_t>(kPiece, size_);
  const auto room = std::make_unique_for_overwrite<std::byte[]>(2 * most);
  while (!differs_) {
    const std::uint64_t offset = next_.fetch_add(most);
    if (offset >= size_) break;
    const std::size_t piece = std::min<std::uint64_t>(most, size_ - offset);
    TRY_ASSIGN(const auto ours,
               sys::read_data(a_, offset, {room.get(), piece}));
    TRY_ASSIGN(const auto theirs,
               sys::read_data(b_, offset, {room.get() + most, piece}));
    if (ours.size() != theirs.size() ||
        std::memcmp(ours.data(), theirs.data(), ours.size()) != 0) {
      differs_ = true;
    }
    // Both end here.
    if (ours.size() < piece) break;
  }
  return {};
}

std::size_t threads_for(std::uint64_t size) {
  const std::uint64_t worthwhile = size / kSharePerThread;
  const std::uint64_t possible =
      std::min(kMostThreads, std::thread::hardware_concurrency());
  return std::max<std::uint64_t>(1, std::min(worthwhile, possible));
}

}  // namespace

Result<bool> same_bytes(const FileData& a, const FileData& b,
                        std::uint64_t size) {
  Comparison comparison(a, b, size);
  std::vector<Result<void>> results(threads_for(size));
  {
    std::vector<std::jthread> others;
    try {
      for (std::size_t i = 1; i < results.size(); ++i) {
        others.emplace_back([&, i] { results[i] = comparison.work(); });
      }
    } catch (const std::system_error& none) {
      log_debug("fewer threads to compare with: {}", none.what());
    }
    results[0] = comparison.work();
  }
  for (auto& result : results) TRY(std::move(result));
  return comparison.same();
}

}  // namespace veneer::finalize
