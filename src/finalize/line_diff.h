// SPDX-License-Identifier: MIT
//
// Which lines of one text became which of another, and that as the hunks of a
// unified diff.
//
// The script is a shortest one (Myers 1986, in linear space), after lines at
// both ends that agree and lines that only one text has are set aside. Where
// two long texts have little in common a shortest script would cost the product
// of their lengths: the search then settles for a good one. Every script is
// right. Pure.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace veneer::finalize {

/// Lines of a text, each with its line feed; the last may be without.
std::vector<std::string_view> split_lines(std::string_view text);

/// Lines [begin, end) of the old text became [new_begin, new_end) of the new
/// one. At least one of the two is not empty.
struct Edit {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t new_begin = 0;
  std::size_t new_end = 0;
  friend bool operator==(const Edit&, const Edit&) = default;
};

/// In order, and with at least one common line between any two.
std::vector<Edit> diff_lines(const std::vector<std::string_view>& old_lines,
                             const std::vector<std::string_view>& new_lines);

/// Hunks with three lines of context, as `diff -u` writes them.
void write_hunks(const std::vector<std::string_view>& old_lines,
                 const std::vector<std::string_view>& new_lines,
                 const std::vector<Edit>& edits,
                 const std::function<void(std::string_view)>& sink);

}  // namespace veneer::finalize
