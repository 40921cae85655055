// SPDX-License-Identifier: MIT

#include "base/verity_digest.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace veneer {
namespace {

// struct fsverity_descriptor of the kernel. What stands between these fields,
// the salt and its size among it, is zeros.
constexpr std::byte kVersion{1};
constexpr std::byte kSha256{1};
constexpr std::byte kLogBlock{12};
constexpr std::size_t kSizeAt = 8;
constexpr std::size_t kRootAt = 16;
constexpr std::size_t kDescriptor = 256;

}  // namespace

// What is not used of the block counts as zeros.
Digest256 VerityHasher::hash_padded(Level& level) {
  std::ranges::fill(std::span(level.block).subspan(level.used), std::byte{0});
  level.used = 0;
  hasher_.update(level.block);
  return hasher_.finish();
}

void VerityHasher::add_hash(std::size_t index, const Digest256& hash) {
  if (index == levels_.size()) levels_.emplace_back();
  Level& level = levels_[index];
  std::memcpy(level.block.data() + level.used, hash.data(), hash.size());
  level.used += hash.size();
  ++level.hashes;
  if (level.used == kBlock) add_hash(index + 1, hash_padded(level));
}

void VerityHasher::update(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (data_.used == 0 && bytes.size() >= kBlock) {
      hasher_.update(bytes.first(kBlock));
      add_hash(0, hasher_.finish());
      bytes = bytes.subspan(kBlock);
      continue;
    }
    const std::size_t more = std::min(kBlock - data_.used, bytes.size());
    std::memcpy(data_.block.data() + data_.used, bytes.data(), more);
    data_.used += more;
    bytes = bytes.subspan(more);
    if (data_.used == kBlock) add_hash(0, hash_padded(data_));
  }
}

// Closes the levels from below until one has seen a single hash. An empty file
// has none: its root is zeros.
Digest256 VerityHasher::root() {
  if (data_.used > 0) add_hash(0, hash_padded(data_));
  Digest256 found = {};
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    if (levels_[i].hashes == 1) {
      std::memcpy(found.data(), levels_[i].block.data(), found.size());
      break;
    }
    if (levels_[i].used > 0) add_hash(i + 1, hash_padded(levels_[i]));
  }
  return found;
}

Digest256 VerityHasher::finish() {
  const Digest256 top = root();
  std::array<std::byte, kDescriptor> descriptor = {};
  descriptor[0] = kVersion;
  descriptor[1] = kSha256;
  descriptor[2] = kLogBlock;
  store_le(&descriptor[kSizeAt], size_);
  std::memcpy(&descriptor[kRootAt], top.data(), top.size());
  hasher_.update(descriptor);

  // The levels' room is kept for the next file.
  for (Level& level : levels_) level.used = level.hashes = 0;
  data_.used = 0;
  size_ = 0;
  return hasher_.finish();
}

Digest256 verity_digest(std::span<const std::byte> bytes) {
  VerityHasher hasher;
  hasher.update(bytes);
  return hasher.finish();
}

}  // namespace veneer
