// SPDX-License-Identifier: MIT
//
// The digest that fs-verity gives to a file, computed here.
//
// SHA-256, blocks of 4096 bytes, no salt: the digest of a 256-byte descriptor
// that holds the file's size and the root of the hash tree over its blocks. The
// kernel's ioctl FS_IOC_MEASURE_VERITY answers the same for a file that has it.
// In the kernel: fs/verity/.
//
// Memory: one block for each level of the tree, nine at most.
//
// Threads: a hasher is thread-compatible.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/digest.h"

namespace veneer {

class VerityHasher {
 public:
  void update(std::span<const std::byte> bytes);
  /// The digest of all so far; the hasher starts anew.
  Digest256 finish();

 private:
  static constexpr std::size_t kBlock = 4096;
  struct Level {
    std::array<std::byte, kBlock> block;
    std::size_t used = 0;
    std::uint64_t hashes = 0;  ///< that came to this level
  };

  Digest256 hash_padded(Level& level);
  void add_hash(std::size_t index, const Digest256& hash);
  Digest256 root();

  Sha256 hasher_;
  Level data_;
  std::vector<Level> levels_;
  std::uint64_t size_ = 0;
};

Digest256 verity_digest(std::span<const std::byte> bytes);

}  // namespace veneer
