// SPDX-License-Identifier: MIT

#include "finalize/myers.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace veneer::finalize {

namespace {

using Index = std::ptrdiff_t;

// Edits from either side after which a search settles for what it has.
constexpr Index kTooExpensive = 1024;

class Myers {
 public:
  Myers(std::span<const Symbol> a, std::span<const Symbol> b)
      : a_(a),
        b_(b),
        offset_(static_cast<Index>(b.size()) + 1),
        forward_(a.size() + b.size() + 3),
        backward_(a.size() + b.size() + 3),
        uncommon_{.a = std::vector<bool>(a.size()),
                  .b = std::vector<bool>(b.size())} {}

  Uncommon run();

 private:
  struct Box {
    Index a, a_end, b, b_end;
  };
  struct Point {
    Index a, b;
  };
  // The diagonals that a search has got to.
  struct Range {
    Index low, high;
    bool holds(Index d) const { return low <= d && d <= high; }
  };
  Point split(const Box& box);
  void widen(Range& range, const Box& box, std::vector<Index>& reached,
             Index worst);
  std::optional<Point> go_on(const Box& box, const Range& range,
                             const Range& others);
  std::optional<Point> go_back(const Box& box, const Range& range,
                               const Range& others);
  Point best_so_far(const Box& box, const Range& range, const Range& back);
  Index& forward(Index diagonal) { return at(forward_, diagonal); }
  Index& backward(Index diagonal) { return at(backward_, diagonal); }
  Index& at(std::vector<Index>& v, Index diagonal) const {
    return v[static_cast<std::size_t>(diagonal + offset_)];
  }
  bool same(Index i, Index j) const {
    return a_[static_cast<std::size_t>(i)] == b_[static_cast<std::size_t>(j)];
  }

  std::span<const Symbol> a_;
  std::span<const Symbol> b_;
  Index offset_;
  // By diagonal (a - b): the furthest a that is reached with so many edits from
  // the start, and the nearest that is from the end.
  std::vector<Index> forward_;
  std::vector<Index> backward_;
  Uncommon uncommon_;
};

Uncommon Myers::run() {
  std::vector<Box> boxes{
      {0, static_cast<Index>(a_.size()), 0, static_cast<Index>(b_.size())}};
  while (!boxes.empty()) {
    Box box = boxes.back();
    boxes.pop_back();
    while (box.a < box.a_end && box.b < box.b_end && same(box.a, box.b)) {
      ++box.a;
      ++box.b;
    }
    while (box.a < box.a_end && box.b < box.b_end &&
           same(box.a_end - 1, box.b_end - 1)) {
      --box.a_end;
      --box.b_end;
    }
    if (box.a == box.a_end || box.b == box.b_end) {
      const auto a = uncommon_.a.begin();
      const auto b = uncommon_.b.begin();
      std::fill(a + box.a, a + box.a_end, true);
      std::fill(b + box.b, b + box.b_end, true);
      continue;
    }
    const Point middle = split(box);
    boxes.push_back({box.a, middle.a, box.b, middle.b});
    boxes.push_back({middle.a, box.a_end, middle.b, box.b_end});
  }
  return std::move(uncommon_);
}

// One more edit: the range grows by one on each side, or shrinks at an edge.
void Myers::widen(Range& range, const Box& box, std::vector<Index>& reached,
                  Index worst) {
  if (range.low > box.a - box.b_end) {
    --range.low;
    at(reached, range.low - 1) = worst;
  } else {
    ++range.low;
  }
  if (range.high < box.a_end - box.b) {
    ++range.high;
    at(reached, range.high + 1) = worst;
  } else {
    --range.high;
  }
}

// One edit further from the start. The point where it meets the search from the
// end, if it can meet it after this many edits: on one of `others`.
std::optional<Myers::Point> Myers::go_on(const Box& box, const Range& range,
                                         const Range& others) {
  for (Index d = range.high; d >= range.low; d -= 2) {
    const Index left = forward(d - 1);
    const Index right = forward(d + 1);
    Index i = left < right ? right : left + 1;
    Index j = i - d;
    while (i < box.a_end && j < box.b_end && same(i, j)) ++i, ++j;
    forward(d) = i;
    if (others.holds(d) && backward(d) <= i) return Point{i, j};
  }
  return std::nullopt;
}

std::optional<Myers::Point> Myers::go_back(const Box& box, const Range& range,
                                           const Range& others) {
  for (Index d = range.high; d >= range.low; d -= 2) {
    const Index left = backward(d - 1);
    const Index right = backward(d + 1);
    Index i = left < right ? left : right - 1;
    Index j = i - d;
    while (i > box.a && j > box.b && same(i - 1, j - 1)) --i, --j;
    backward(d) = i;
    if (others.holds(d) && i <= forward(d)) return Point{i, j};
  }
  return std::nullopt;
}

// A point on a shortest path through `box`, whose corners do not match; it is
// not one of the corners.
Myers::Point Myers::split(const Box& box) {
  constexpr Index kUnset = -1;
  constexpr Range kNone{.low = 1, .high = 0};
  const Index start = box.a - box.b;
  const Index goal = box.a_end - box.b_end;
  const bool odd = ((start - goal) & 1) != 0;
  const Index beyond = box.a_end + box.b_end + 1;  // worse than any, backwards

  Range range{.low = start, .high = start};
  Range back{.low = goal, .high = goal};
  forward(start) = box.a;
  backward(goal) = box.a_end;
  for (Index cost = 1;; ++cost) {
    widen(range, box, forward_, kUnset);
    if (const auto met = go_on(box, range, odd ? back : kNone)) return *met;
    widen(back, box, backward_, beyond);
    if (const auto met = go_back(box, back, odd ? kNone : range)) return *met;
    if (cost >= kTooExpensive) return best_so_far(box, range, back);
  }
}

// Where the search has come furthest, from whichever side.
Myers::Point Myers::best_so_far(const Box& box, const Range& range,
                                const Range& back) {
  Index best = -1;
  Point from_start{box.a, box.b};
  for (Index d = range.high; d >= range.low; d -= 2) {
    Index i = std::min(forward(d), box.a_end);
    if (i - d > box.b_end) i = box.b_end + d;
    if (i + (i - d) <= best) continue;
    best = i + (i - d);
    from_start = {i, i - d};
  }
  Index back_best = box.a_end + box.b_end + 1;
  Point from_end{box.a_end, box.b_end};
  for (Index d = back.high; d >= back.low; d -= 2) {
    Index i = std::max(backward(d), box.a);
    if (i - d < box.b) i = box.b + d;
    if (i + (i - d) >= back_best) continue;
    back_best = i + (i - d);
    from_end = {i, i - d};
  }
  const Index gained = best - (box.a + box.b);
  const Index back_gained = (box.a_end + box.b_end) - back_best;
  return gained >= back_gained ? from_start : from_end;
}

}  // namespace

Uncommon shortest_script(std::span<const Symbol> a, std::span<const Symbol> b) {
  return Myers(a, b).run();
}

}  // namespace veneer::finalize
