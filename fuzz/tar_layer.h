// SPDX-License-Identifier: MIT
//
// Bytes as a tar, plain or compressed. What is accepted must lie in the file,
// have paths that stay in the layer, and come out of the spool as it went in;
// else the process aborts.
//
// Run by the fuzzer, and on its corpus by a unit test.

#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "layerfs/entry_path.h"
#include "layerfs/entry_spool.h"
#include "layerfs/store_content.h"
#include "layerfs/tar_source.h"
#include "layerfs/tar_unpack.h"
#include "require.h"

namespace veneer::fuzz {

inline constexpr std::uint64_t kMostUnpacked = 1 << 20;

inline bool is_expected(const Error& error) {
  const int code = error.code();
  return code == EUCLEAN || code == EINVAL || code == EOPNOTSUPP ||
         code == EFBIG;
}

inline void check_entry(const layerfs::Entry& entry, std::uint64_t offset,
                        std::uint64_t size) {
  require(offset < size);
  const auto clean = layerfs::clean_path(entry.path);
  require(clean && *clean == entry.path);
  if (const auto* range = std::get_if<layerfs::BlobRange>(&entry.data)) {
    require(range->length == entry.size && range->length > 0);
    if (range->sha256 == layerfs::kThisTar) {
      require(range->offset <= size && range->length <= size - range->offset);
    }
  }
  if (const auto* link = std::get_if<layerfs::SymlinkEntry>(&entry.data)) {
    require(layerfs::check_link_target(link->target).has_value());
  }
  if (const auto* link = std::get_if<layerfs::HardLinkEntry>(&entry.data)) {
    const auto target = layerfs::clean_path(link->target);
    require(target && *target == link->target);
  }
}

/// What the tar has, as far as it could be read.
inline std::vector<std::pair<layerfs::Entry, std::uint64_t>> check_tar(
    std::string_view bytes) {
  const auto tar = layerfs::ByteSource::from_bytes(bytes, "t");
  std::vector<std::pair<layerfs::Entry, std::uint64_t>> entries;
  layerfs::EntrySpool spool;
  const auto report = layerfs::read_tar(
      tar, {.largest_sparse = kMostUnpacked},
      [&](layerfs::Entry&& entry, std::uint64_t offset) -> Result<void> {
        check_entry(entry, offset, bytes.size());
        spool.add(entry, offset);
        entries.emplace_back(std::move(entry), offset);
        return {};
      },
      []() -> Result<std::unique_ptr<layerfs::ContentWriter>> {
        return layerfs::open_digest_content();
      });
  if (report) {
    require(report->entries == entries.size());
  } else {
    require(is_expected(report.error()));
    require(report.error().message().starts_with("t: offset "));
  }
  std::size_t next = 0;
  const auto drained = spool.drain(
      [&](layerfs::Entry&& entry, std::uint64_t offset) -> Result<void> {
        require(entries[next++] == std::pair(std::move(entry), offset));
        return {};
      });
  require(drained && next == entries.size());
  return entries;
}

/// The same, unpacked first where it is compressed.
inline std::vector<std::pair<layerfs::Entry, std::uint64_t>> check_tar_layer(
    std::string_view bytes) {
  if (!layerfs::is_compressed(bytes)) return check_tar(bytes);
  const auto packed = layerfs::ByteSource::from_bytes(bytes, "t");
  std::string unpacked;
  const auto done = layerfs::unpack(
      packed, kMostUnpacked,
      [&](std::span<const std::byte> piece) -> Result<void> {
        unpacked.append(reinterpret_cast<const char*>(piece.data()),
                        piece.size());
        return {};
      },
      {});
  require(unpacked.size() <= kMostUnpacked);
  if (done) return check_tar(unpacked);
  require(is_expected(done.error()));
  return {};
}

}  // namespace veneer::fuzz
