// SPDX-License-Identifier: MIT
//
// What many files have in common, kept once: digests, xattrs, sets of xattrs.
//
// A table gives equal values the same number. Numbers count from 1, so that 0
// can mean none, and index what else is to be known of a value. The index costs
// some ten bytes a value; the values are in the arena, or here.
//
// Threads: thread-compatible.

#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <string_view>

#include "base/digest.h"
#include "base/hash.h"
#include "composefs/arena.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// Byte strings in an arena, which outlives the table.
class InternedStrings {
 public:
  explicit InternedStrings(Arena& arena)
      : arena_(arena), index_(0, Hash{this}, Equal{this}) {}
  InternedStrings(const InternedStrings&) = delete;
  InternedStrings& operator=(const InternedStrings&) = delete;

  /// Fails  EFBIG  the arena is full
  Result<std::uint32_t> add(std::string_view text) {
    if (const auto found = index_.find(text); found != index_.end()) {
      return *found;
    }
    TRY_ASSIGN(const Arena::Ref ref, arena_.add(text));
    values_.push_back(ref);
    const auto id = static_cast<std::uint32_t>(values_.size());
    index_.insert(id);
    return id;
  }
  /// Requires an id that add() gave.
  std::string_view get(std::uint32_t id) const {
    return arena_.get(values_[id - 1]);
  }
  std::uint32_t size() const {
    return static_cast<std::uint32_t>(values_.size());
  }

 private:
  struct Hash {
    using is_transparent = void;
    const InternedStrings* table;
    std::size_t operator()(std::string_view text) const {
      return hash_name(text);
    }
    std::size_t operator()(std::uint32_t id) const {
      return hash_name(table->get(id));
    }
  };
  struct Equal {
    using is_transparent = void;
    const InternedStrings* table;
    bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
    bool operator()(std::uint32_t id, std::string_view text) const {
      return table->get(id) == text;
    }
    bool operator()(std::string_view text, std::uint32_t id) const {
      return table->get(id) == text;
    }
  };

  Arena& arena_;
  ChunkedVector<Arena::Ref> values_;
  absl::flat_hash_set<std::uint32_t, Hash, Equal> index_;
};

/// Digests. Equal ones are common, as equal files are.
class InternedDigests {
 public:
  InternedDigests() : index_(0, Hash{this}, Equal{this}) {}
  InternedDigests(const InternedDigests&) = delete;
  InternedDigests& operator=(const InternedDigests&) = delete;

  std::uint32_t add(const Digest256& digest) {
    if (const auto found = index_.find(digest); found != index_.end()) {
      return *found;
    }
    values_.push_back(digest);
    const auto id = static_cast<std::uint32_t>(values_.size());
    index_.insert(id);
    return id;
  }
  /// Requires an id that add() gave.
  const Digest256& get(std::uint32_t id) const { return values_[id - 1]; }
  std::uint32_t size() const {
    return static_cast<std::uint32_t>(values_.size());
  }

 private:
  static std::string_view text_of(const Digest256& digest) {
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
  }
  struct Hash {
    using is_transparent = void;
    const InternedDigests* table;
    // An input may choose its digests so that their bytes collide.
    std::size_t operator()(const Digest256& digest) const {
      return hash_name(text_of(digest));
    }
    std::size_t operator()(std::uint32_t id) const {
      return (*this)(table->get(id));
    }
  };
  struct Equal {
    using is_transparent = void;
    const InternedDigests* table;
    bool operator()(std::uint32_t a, std::uint32_t b) const { return a == b; }
    bool operator()(std::uint32_t id, const Digest256& digest) const {
      return table->get(id) == digest;
    }
    bool operator()(const Digest256& digest, std::uint32_t id) const {
      return table->get(id) == digest;
    }
  };

  ChunkedVector<Digest256> values_;
  absl::flat_hash_set<std::uint32_t, Hash, Equal> index_;
};

}  // namespace veneer::composefs
