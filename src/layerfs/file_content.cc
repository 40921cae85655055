// SPDX-License-Identifier: MIT

#include "layerfs/file_content.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "layerfs/store_content.h"
#include "sys/file_data.h"

namespace veneer::layerfs {
namespace {

constexpr std::size_t kPiece = 1 << 20;

using Sink = std::function<Result<void>(std::span<const std::byte>)>;

Error changed() { return Error(EBUSY, "", "it changed while it was read"); }

// All of it, and not a byte more or less.
Result<void> for_each_piece(const FileData& data, std::uint64_t size,
                            const Sink& sink) {
  std::vector<std::byte> buffer(
      static_cast<std::size_t>(std::min<std::uint64_t>(size, kPiece)));
  for (std::uint64_t at = 0; at < size;) {
    const std::size_t wanted =
        std::min<std::uint64_t>(size - at, buffer.size());
    TRY_ASSIGN(const auto piece,
               sys::read_data(data, at, std::span(buffer).first(wanted)));
    if (piece.size() != wanted) return changed();
    TRY(sink(piece));
    at += wanted;
  }
  std::byte more{};
  TRY_ASSIGN(const auto rest, sys::read_data(data, size, {&more, 1}));
  return rest.empty() ? Result<void>() : changed();
}

}  // namespace

Result<EntryData> make_content(const FileData& data, std::uint64_t size,
                               const ContentPolicy& policy) {
  if (size == 0) return Empty();
  if (size <= policy.inline_limit) {
    InlineBytes file;
    file.bytes.reserve(static_cast<std::size_t>(size));
    TRY(for_each_piece(data, size,
                       [&](std::span<const std::byte> piece) -> Result<void> {
                         file.bytes += as_text(piece);
                         return {};
                       }));
    return file;
  }
  const bool is_whole_file = data.fd >= 0 && data.offset == 0 && !data.length;
  if (policy.store != nullptr && is_whole_file) {
    TRY_ASSIGN(const auto blob, policy.store->add_fd(data.fd, policy.how));
    if (blob.size != size) return changed();
    return BlobRange{blob.sha256, 0, size};
  }
  std::unique_ptr<ContentWriter> content = open_digest_content();
  if (policy.store != nullptr) {
    TRY_ASSIGN(content, open_store_content(*policy.store));
  }
  std::uint64_t at = 0;
  const auto write = [&](std::span<const std::byte> piece) {
    const std::uint64_t offset = std::exchange(at, at + piece.size());
    return content->write(offset, piece);
  };
  TRY(for_each_piece(data, size, write));
  return content->finish(size);
}

}  // namespace veneer::layerfs
