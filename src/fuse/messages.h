// SPDX-License-Identifier: MIT
//
// How many messages of each kind the kernel has sent.
//
// On this transport the number of messages is the cost, so it is what `veneer
// status` shows and what the tests check: a warm open and read must add
// nothing here. A message that libfuse answers by itself (INIT, INTERRUPT) is
// not seen.
//
// Threads: relaxed atomics; a reader sees each count as it was a moment ago.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace veneer::fuse {

enum class Message : std::uint8_t {
  kLookup,
  kForget,
  kBatchForget,
  kGetAttr,
  kStatx,
  kSetAttr,
  kReadLink,
  kSymlink,
  kMknod,
  kMkdir,
  kUnlink,
  kRmdir,
  kRename,
  kLink,
  kOpen,
  kRead,
  kWrite,
  kStatFs,
  kRelease,
  kFsync,
  kSetXattr,
  kGetXattr,
  kListXattr,
  kRemoveXattr,
  kFlush,
  kOpenDir,
  kReadDir,
  kReadDirPlus,
  kReleaseDir,
  kFsyncDir,
  kCreate,
  kTmpFile,
  kIoctl,
  kFallocate,
  kLseek,
  kCopyFileRange,
};
inline constexpr std::size_t kMessageKinds =
    static_cast<std::size_t>(Message::kCopyFileRange) + 1;

/// "LOOKUP", "READDIRPLUS": as the protocol calls it.
std::string_view message_name(Message message);

class MessageCounts {
 public:
  void add(Message message) {
    at(message).fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t get(Message message) const {
    return at(message).load(std::memory_order_relaxed);
  }

 private:
  using Count = std::atomic<std::uint64_t>;

  Count& at(Message message) {
    return counts_[static_cast<std::size_t>(message)];
  }
  const Count& at(Message message) const {
    return counts_[static_cast<std::size_t>(message)];
  }

  std::array<Count, kMessageKinds> counts_{};
};

}  // namespace veneer::fuse
