// SPDX-License-Identifier: MIT

#include "layerfs/tar_unpack.h"

#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "layerfs/archive_feed.h"

namespace veneer::layerfs {
namespace {

using namespace std::string_view_literals;

constexpr std::array kMagics = {"\x1f\x8b"sv, "BZh"sv,
                                "\xfd"
                                "7zXZ\0"sv,
                                "\x28\xb5\x2f\xfd"sv};

Result<void> unpack_data(
    archive* handle, const ByteSource& source, ArchiveFeed& feed,
    std::uint64_t most,
    const std::function<Result<void>(std::span<const std::byte>)>& sink,
    const std::function<bool(std::uint64_t)>& see) {
  std::uint64_t done = 0;
  for (;;) {
    const void* buffer = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(handle, &buffer, &size, &offset);
    if (feed.error()) return *feed.error();
    if (status == ARCHIVE_EOF) return {};
    if (status != ARCHIVE_OK) {
      return source.bad(feed.position(), archive_complaint(handle));
    }
    if (size > most - done) {
      return Error(EFBIG, "",
                   fmt::format("{}: it unpacks to more than {} bytes",
                               source.name, most));
    }
    done += size;
    TRY(sink({static_cast<const std::byte*>(buffer), size}));
    if (see && !see(feed.position())) return Error(ECANCELED, "unpack");
  }
}

}  // namespace

bool is_compressed(std::string_view beginning) {
  return std::ranges::any_of(kMagics, [&](std::string_view magic) {
    return beginning.starts_with(magic);
  });
}

Result<void> unpack(
    const ByteSource& source, std::uint64_t most,
    const std::function<Result<void>(std::span<const std::byte>)>& sink,
    const std::function<bool(std::uint64_t)>& see) {
  ArchiveFeed feed(source);
  const ArchiveReader handle(archive_read_new());
  if (handle == nullptr) return Error(ENOMEM, "unpack", source.name);
  archive_read_support_format_raw(handle.get());
  archive_read_support_filter_gzip(handle.get());
  archive_read_support_filter_bzip2(handle.get());
  archive_read_support_filter_xz(handle.get());
  archive_read_support_filter_zstd(handle.get());
  archive_entry* entry = nullptr;
  const bool opened =
      feed.open(handle.get()) == ARCHIVE_OK &&
      archive_read_next_header(handle.get(), &entry) == ARCHIVE_OK;
  if (feed.error()) return *feed.error();
  if (!opened) {
    return source.bad(feed.position(), archive_complaint(handle.get()));
  }
  return unpack_data(handle.get(), source, feed, most, sink, see);
}

}  // namespace veneer::layerfs
