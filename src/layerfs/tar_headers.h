// SPDX-License-Identifier: MIT
//
// The blocks before a tar member's data, looked at once more.
//
// libarchive says where the headers of a member begin and where they end, and
// what they mean together. Three things it does not say, and they decide
// whether the data can be pointed at: whether the blocks really add up to that
// end, whether the data are a sparse file's (in pieces, with a map), and
// whether a name was cut at a NUL. Pure.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "veneer/result.h"

namespace veneer::layerfs {

inline constexpr std::uint64_t kTarBlock = 512;

/// `size` up to the next whole block. Requires size <= INT64_MAX.
constexpr std::uint64_t round_to_block(std::uint64_t size) {
  return (size + kTarBlock - 1) / kTarBlock * kTarBlock;
}

struct TarHeaders {
  char type = '\0';          ///< of the member itself: '0', '5', ...
  bool is_complete = false;  ///< its header ends where the data begin
  bool is_sparse = false;
  bool has_nul = false;  ///< in a path or a link target
};

/// `count` bytes from `offset` on, valid until the next call; fewer at the end.
using PeekAt = std::function<Result<std::string_view>(std::uint64_t offset,
                                                      std::uint64_t count)>;

/// Walks from the first header, at `begin`, to `end`, where the data are.
Result<TarHeaders> walk_tar_headers(const PeekAt& peek, std::uint64_t begin,
                                    std::uint64_t end);

}  // namespace veneer::layerfs
