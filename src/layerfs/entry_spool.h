// SPDX-License-Identifier: MIT
//
// Entries put aside in little room, and given back in order, once.
//
// A tar is parsed while it is still being hashed, and what comes of it cannot
// be used before the digest is there. A path is kept as what differs from the
// one before, numbers as long as they need: some 40 bytes for an entry of a
// usual tar. Room is given back while draining.
//
// Threads: thread-compatible.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "layerfs/entry.h"
#include "veneer/result.h"

namespace veneer::layerfs {

class EntrySpool {
 public:
  /// `offset` comes back with the entry.
  void add(const Entry& entry, std::uint64_t offset);
  Result<void> drain(
      const std::function<Result<void>(Entry&&, std::uint64_t)>& sink);
  /// Memory it takes.
  std::size_t size() const { return size_; }

 private:
  void put_number(std::uint64_t value);
  void put_text(std::string_view text);
  void put_range(const BlobRange& range);

  std::deque<std::string> chunks_;
  std::size_t size_ = 0;
  std::string last_path_;
  std::uint64_t last_offset_ = 0;
};

}  // namespace veneer::layerfs
