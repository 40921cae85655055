// SPDX-License-Identifier: MIT
//
// A compressed file, unpacked once. Which compression it is, its first bytes
// say: gzip, bzip2, xz or zstd, several streams in a row included.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "layerfs/byte_source.h"
#include "veneer/result.h"

namespace veneer::layerfs {

/// `beginning`: at least kMagicSize bytes, if there are as many.
inline constexpr std::size_t kMagicSize = 6;
bool is_compressed(std::string_view beginning);

/// Gives the bytes to `sink` in order. `see`, unless empty, gets how much of
/// the compressed file has been read; false ends it.
/// Fails  EUCLEAN  it is damaged, or cut short
///        EFBIG    there is more than `most`
Result<void> unpack(
    const ByteSource& source, std::uint64_t most,
    const std::function<Result<void>(std::span<const std::byte>)>& sink,
    const std::function<bool(std::uint64_t)>& see);

}  // namespace veneer::layerfs
