// SPDX-License-Identifier: MIT

#include "finalize/same_bytes.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "sys/file.h"

namespace veneer::finalize {

namespace {

constexpr std::size_t kPiece = 256 << 10;
// A thread costs as much as comparing a part of this.
constexpr std::uint64_t kSharePerThread = 16 << 20;
constexpr unsigned kMostThreads = 8;

// The rest of `data` from `offset`, up to the room there is; memory is not
// copied.
Result<std::span<const std::byte>> read_piece(const FileData& data,
                                              std::uint64_t offset,
                                              std::span<std::byte> room) {
  std::uint64_t most = room.size();
  const std::optional<std::uint64_t> length =
      data.fd < 0 ? data.bytes.size() : data.length;
  if (length) most = std::min(most, *length - std::min(*length, offset));
  if (data.fd < 0) {
    return data.bytes.subspan(std::min<std::uint64_t>(offset, *length), most);
  }
  TRY_ASSIGN(const std::size_t count,
             sys::pread_full(data.fd, room.data(), most, data.offset + offset));
  return room.first(count);
}

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
    TRY_ASSIGN(const auto ours, read_piece(a_, offset, {room.get(), piece}));
    TRY_ASSIGN(const auto theirs,
               read_piece(b_, offset, {room.get() + most, piece}));
    if (ours.size() != theirs.size() ||
        std::memcmp(ours.data(), theirs.data(), ours.size()) != 0) {
      differs_ = true;
    }
    // Both end here.
    if (ours.size() < piece) break;
  }
  return {};
}

}  // namespace

Result<bool> same_bytes(const FileData& a, const FileData& b,
                        std::uint64_t size) {
  Comparison comparison(a, b, size);
  const unsigned threads = static_cast<unsigned>(std::min<std::uint64_t>(
      {size / kSharePerThread, kMostThreads,
       std::max(1U, std::thread::hardware_concurrency())}));
  std::vector<Result<void>> results(std::max(1U, threads));
  {
    std::vector<std::jthread> others;
    try {
      for (std::size_t i = 1; i < results.size(); ++i) {
        others.emplace_back([&, i] { results[i] = comparison.work(); });
      }
    } catch (const std::system_error&) {
      // No more threads are to be had: those that run do all of it.
    }
    results[0] = comparison.work();
  }
  for (auto& result : results) TRY(std::move(result));
  return comparison.same();
}

}  // namespace veneer::finalize
