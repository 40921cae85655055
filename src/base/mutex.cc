// SPDX-License-Identifier: MIT
//
// The memory of debug builds: which ranks each thread holds.

#include "base/mutex.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace veneer {
namespace {

// A thread that renames across a deep tree holds a handful of directories; more
// than this is a leak of locks.
constexpr std::size_t kMostLocks = 64;

struct Held {
  std::array<Rank, kMostLocks> ranks;
  std::size_t count;
};
constinit thread_local Held held = {};

int number(Rank rank) { return static_cast<int>(rank); }

// No logging here: the log has locks of its own.
[[noreturn]] void die(const char* what, Rank rank) {
  std::fprintf(stderr, "veneer: %s: rank %d, while holding", what,
               number(rank));
  for (std::size_t i = 0; i < held.count; ++i) {
    std::fprintf(stderr, " %d", number(held.ranks[i]));
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

}  // namespace

void HeldRanks::check(Rank rank) {
  const bool may_repeat = rank == Rank::kDir || rank == Rank::kCopy;
  for (std::size_t i = 0; i < held.count; ++i) {
    const Rank other = held.ranks[i];
    if (other > rank || (other == rank && !may_repeat)) {
      die("lock taken out of order", rank);
    }
  }
}

void HeldRanks::push(Rank rank) {
  if (held.count == kMostLocks) die("too many locks held", rank);
  held.ranks[held.count++] = rank;
}

void HeldRanks::pop(Rank rank) {
  // Usually the last one, but locks may be given back in any order.
  for (std::size_t i = held.count; i-- > 0;) {
    if (held.ranks[i] != rank) continue;
    const auto begin = held.ranks.begin() + static_cast<std::ptrdiff_t>(i);
    std::copy(begin + 1,
              held.ranks.begin() + static_cast<std::ptrdiff_t>(held.count),
              begin);
    --held.count;
    return;
  }
  die("lock given back that is not held", rank);
}

}  // namespace veneer
