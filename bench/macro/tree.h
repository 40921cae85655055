// SPDX-License-Identifier: MIT
//
// What the measurements work on: directories of small files and a big file, or
// many thin layers. The same bytes every time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "veneer/result.h"

namespace veneer::bench {

/// How much of everything.
struct Shape {
  int dirs = 60;
  int files = 100;                         ///< in each directory
  std::uint64_t big_bytes = 256ULL << 20;  ///< of the big file
  int layers = 500;                        ///< of the deep stack,
  int asked = 100;          ///< and how many of its files are looked at
  int nodes_per_dir = 500;  ///< of the tree for memory,
  int node_dirs = 100;      ///< and its directories
};

inline constexpr char kBigFile[] = "big";

std::string dir_name(int dir);
std::string file_name(int dir, int file);
/// A name in the same directory that no file has.
std::string absent_name(int dir, int file);
/// Between 200 and 4,000 bytes.
std::size_t file_size(int dir, int file);

/// Each makes the directory `at` and fills it.
Result<void> make_tree(const std::string& at, const Shape& shape);
Result<void> make_nodes_tree(const std::string& at, const Shape& shape);

/// One layer for each file of the directory "d" that all have; topmost first.
/// With `merged` there is one layer, which holds what the others show.
Result<std::vector<std::string>> make_stack(const std::string& at,
                                            const Shape& shape, bool merged);
std::string stack_file_name(int file);

}  // namespace veneer::bench
