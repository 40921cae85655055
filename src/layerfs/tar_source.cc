// SPDX-License-Identifier: MIT

#include "layerfs/tar_source.h"

#include <absl/container/flat_hash_map.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <locale.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "layerfs/archive_feed.h"
#include "layerfs/entry_path.h"
#include "layerfs/markers.h"
#include "layerfs/tar_headers.h"

namespace veneer::layerfs {
namespace {

// libarchive translates the names in pax headers into the locale's characters.
// In this one they stay the bytes they are.
class BytesLocale {
 public:
  BytesLocale()
      : locale_(::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)),
        before_(locale_ != nullptr ? ::uselocale(locale_) : nullptr) {}
  ~BytesLocale() {
    if (locale_ == nullptr) return;
    ::uselocale(before_);
    ::freelocale(locale_);
  }
  BytesLocale(const BytesLocale&) = delete;
  BytesLocale& operator=(const BytesLocale&) = delete;

 private:
  locale_t locale_;
  locale_t before_;
};

// What an overlay's upper says of itself in xattrs, in a tar of it.
struct OverlayMarks {
  bool any_xattr = false;
  bool opaque = false;
  bool whiteout = false;
  bool redirected = false;  // or without its data
};

OverlayMarks read_marks(archive_entry* member) {
  OverlayMarks marks;
  marks.any_xattr = archive_entry_xattr_reset(member) > 0;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(member, &name, &value, &size) == ARCHIVE_OK) {
    std::string_view key(name != nullptr ? name : "");
    if (!key.starts_with("trusted.overlay.") &&
        !key.starts_with("user.overlay.")) {
      continue;
    }
    key.remove_prefix(key.rfind('.') + 1);
    const std::string_view text(static_cast<const char*>(value), size);
    marks.opaque |= key == "opaque" && text == "y";
    marks.whiteout |= key == "whiteout";
    marks.redirected |= key == "redirect" || key == "metacopy";
  }
  return marks;
}

class TarReader {
 public:
  TarReader(const ByteSource& tar, const TarOptions& options,
            const TarSink& sink, const OpenContent& open_content)
      : tar_(tar),
        options_(options),
        sink_(sink),
        open_content_(open_content),
        feed_(tar),
        archive_(archive_read_new()) {}

  Result<TarReport> run(const std::function<bool(std::uint64_t)>& see);

 private:
  // The member at hand.
  struct Member {
    archive_entry* entry = nullptr;
    std::uint64_t header = 0;  // offset
    std::uint64_t data = 0;    // offset
    TarHeaders headers;
    std::string path;
    OverlayMarks marks;
  };

  Result<bool> next(Member& member);
  Result<void> look_at_headers(Member& member);
  Result<void> see_member(Member& member);
  Result<void> see_object(Member& member);
  Result<void> see_link(const Member& member, std::string_view target);
  Result<void> see_file(const Member& member);
  Result<void> see_special(const Member& member);
  Result<void> hide(const Member& member, bool is_special);
  Result<EntryData> file_data(const Member& member, std::uint64_t size);
  Result<EntryData> copy_content(const Member& member, std::uint64_t size);
  Result<void> emit(const Member& member, EntryData data,
                    std::uint64_t size = 0);
  Result<void> emit_at(const Member& member, std::string path, EntryData data);

  Error bad(const Member& member, int code, std::string_view why) const {
    return tar_error(tar_, code, member.header, member.path, why);
  }

  const ByteSource& tar_;
  const TarOptions& options_;
  const TarSink& sink_;
  const OpenContent& open_content_;
  ArchiveFeed feed_;
  ArchiveReader archive_;  // reads from feed_, so it goes first
  // Where the next header must be, if the data of the last member are where we
  // said they are.
  std::optional<std::uint64_t> expected_;
  // Paths that have whiteouts now, and whether in the place of a device or
  // fifo.
  absl::flat_hash_map<std::string, bool> hidden_;
  TarReport report_;
};

Result<TarReport> TarReader::run(
    const std::function<bool(std::uint64_t)>& see) {
  if (archive_ == nullptr) return Error(ENOMEM, "read", tar_.name);
  if (tar_.size == 0) return tar_.bad(0, "no tar: the file is empty");
  archive_read_support_format_tar(archive_.get());
  if (feed_.open(archive_.get()) != ARCHIVE_OK) {
    if (feed_.error()) return *feed_.error();
    return tar_.bad(0, archive_complaint(archive_.get()));
  }
  Member member;
  for (;;) {
    TRY_ASSIGN(const bool more, next(member));
    if (!more) return report_;
    TRY(look_at_headers(member));
    TRY(see_member(member));
    if (see && !see(member.header)) return Error(ECANCELED, "read");
  }
}

Result<bool> TarReader::next(Member& member) {
  archive* const handle = archive_.get();
  const int status = archive_read_next_header(handle, &member.entry);
  if (feed_.error()) return *feed_.error();
  if (status == ARCHIVE_EOF) return false;
  member.path.clear();
  member.header =
      static_cast<std::uint64_t>(archive_read_header_position(handle));
  if (status < ARCHIVE_WARN) {
    return tar_.bad(member.header, archive_complaint(handle));
  }
  // Most warnings are about what a layer does not keep. This one means that a
  // name or a size may have been overlooked.
  if (status == ARCHIVE_WARN &&
      archive_complaint(handle).find("malformed pax") != std::string::npos) {
    return tar_.bad(member.header, archive_complaint(handle));
  }
  member.data = static_cast<std::uint64_t>(archive_filter_bytes(handle, 0));
  if (expected_ && *expected_ != member.header) {
    return tar_.bad(
        member.header,
        fmt::format("the member before it ends at offset {}", *expected_));
  }
  expected_.reset();
  return true;
}

Result<void> TarReader::look_at_headers(Member& member) {
  const PeekAt peek = [this](std::uint64_t offset, std::uint64_t count) {
    return feed_.peek(offset, count);
  };
  TRY_ASSIGN(member.headers,
             walk_tar_headers(peek, member.header, member.data));
  const char* const name = archive_entry_pathname(member.entry);
  if (name == nullptr) return bad(member, EINVAL, "a member without a name");
  member.path = name;
  if (member.headers.has_nul) return bad(member, EINVAL, "a NUL in its name");
  if (member.headers.type == 'M') {
    return bad(member, EOPNOTSUPP,
               "the rest of a file from another volume (put the volumes "
               "together first)");
  }
  auto path = clean_path(name);
  if (!path) return bad(member, EINVAL, path.error().subject());
  member.path = *std::move(path);
  member.marks = read_marks(member.entry);
  if (member.marks.any_xattr) ++report_.with_xattrs;
  return {};
}

Result<void> TarReader::see_member(Member& member) {
  auto marker = decode_marker(member.path);
  if (!marker) return bad(member, EINVAL, marker.error().subject());
  switch (marker->kind) {
    case Marker::Kind::kIgnored:
      ++report_.ignored;
      return {};
    case Marker::Kind::kWhiteout:
      return emit_at(member, std::move(marker->path), WhiteoutEntry());
    case Marker::Kind::kOpaque:
      return emit_at(member, std::move(marker->path),
                     DirectoryEntry{.opaque = true, .implicit = true});
    case Marker::Kind::kNone:
      break;
  }
  return see_object(member);
}

Result<void> TarReader::see_object(Member& member) {
  if (member.marks.redirected) {
    return bad(member, EOPNOTSUPP,
               "an overlay's redirect or metacopy, which means nothing "
               "without its lower layers (make the tar from the mounted "
               "overlay, or by veneer export)");
  }
  const char* const hard_link = archive_entry_hardlink(member.entry);
  if (hard_link != nullptr) return see_link(member, hard_link);
  switch (archive_entry_filetype(member.entry)) {
    case AE_IFREG:
      return see_file(member);
    case AE_IFDIR:
      return emit(member, DirectoryEntry{.opaque = member.marks.opaque});
    case AE_IFLNK: {
      const char* const target = archive_entry_symlink(member.entry);
      SymlinkEntry link{target != nullptr ? target : ""};
      const auto checked = check_link_target(link.target);
      if (!checked) return bad(member, EINVAL, checked.error().subject());
      return emit(member, std::move(link));
    }
    default:
      return see_special(member);
  }
}

Result<void> TarReader::see_link(const Member& member,
                                 std::string_view target) {
  auto path = clean_path(target);
  if (!path) {
    return bad(member, EINVAL,
               fmt::format("a hard link to {}: {}", printable(target),
                           path.error().subject()));
  }
  if (*path == member.path) return {};
  // One more name of a device is hidden as the first one was.
  const auto hidden = hidden_.find(*path);
  if (hidden != hidden_.end()) return hide(member, hidden->second);
  return emit(member, HardLinkEntry{*std::move(path)});
}

Result<void> TarReader::see_special(const Member& member) {
  const bool is_whiteout = archive_entry_filetype(member.entry) == AE_IFCHR &&
                           archive_entry_rdevmajor(member.entry) == 0 &&
                           archive_entry_rdevminor(member.entry) == 0;
  if (!is_whiteout && options_.specials == Specials::kRefuse) {
    return bad(member, EOPNOTSUPP,
               "a device or fifo, which a layer cannot hold");
  }
  return hide(member, !is_whiteout);
}

Result<void> TarReader::hide(const Member& member, bool is_special) {
  if (member.path.empty()) {
    return bad(member, EINVAL, "the root is no directory");
  }
  if (is_special && report_.specials++ == 0) {
    report_.first_special = member.path;
  }
  TRY(emit(member, WhiteoutEntry()));
  hidden_.insert_or_assign(member.path, is_special);
  return {};
}

Result<void> TarReader::see_file(const Member& member) {
  if (member.path.empty()) {
    return bad(member, EINVAL, "the root is no directory");
  }
  if (archive_entry_size_is_set(member.entry) == 0 ||
      archive_entry_size(member.entry) < 0) {
    return bad(member, EUCLEAN, "a file without a size");
  }
  const auto size =
      static_cast<std::uint64_t>(archive_entry_size(member.entry));
  if (member.marks.whiteout && size == 0) {
    return emit(member, WhiteoutEntry());
  }
  TRY_ASSIGN(EntryData data, file_data(member, size));
  return emit(member, std::move(data), size);
}

Result<EntryData> TarReader::file_data(const Member& member,
                                       std::uint64_t size) {
  const bool is_in_one_piece =
      member.headers.is_complete && !member.headers.is_sparse;
  if (!is_in_one_piece) return copy_content(member, size);
  if (member.data > tar_.size || size > tar_.size - member.data) {
    return bad(member, EUCLEAN,
               fmt::format("cut short: {} bytes of data wanted, {} left", size,
                           tar_.size - std::min(tar_.size, member.data)));
  }
  expected_ = member.data + round_to_block(size);
  if (size == 0) return Empty();
  return BlobRange{kThisTar, member.data, size};
}

Result<EntryData> TarReader::copy_content(const Member& member,
                                          std::uint64_t size) {
  if (size == 0) return Empty();
  if (!open_content_) {
    return bad(member, EOPNOTSUPP,
               "a sparse file, which the tar has in pieces");
  }
  if (size > options_.largest_sparse) {
    return bad(member, EFBIG,
               fmt::format("a sparse file of {} bytes, the most are {}", size,
                           options_.largest_sparse));
  }
  TRY_ASSIGN(const auto content, open_content_());
  archive* const handle = archive_.get();
  std::uint64_t end = 0;
  for (;;) {
    const void* buffer = nullptr;
    std::size_t count = 0;
    la_int64_t offset = 0;
    const int status =
        archive_read_data_block(handle, &buffer, &count, &offset);
    if (feed_.error()) return *feed_.error();
    if (status == ARCHIVE_EOF) break;
    if (status < ARCHIVE_WARN) {
      return bad(member, EUCLEAN, archive_complaint(handle));
    }
    const auto at = static_cast<std::uint64_t>(offset);
    if (at < end || at > size || count > size - at) {
      return bad(member, EUCLEAN, "a sparse file with pieces out of order");
    }
    end = at + count;
    TRY(content->write(at, {static_cast<const std::byte*>(buffer), count}));
  }
  return content->finish(size);
}

Result<void> TarReader::emit(const Member& member, EntryData data,
                             std::uint64_t size) {
  ++report_.entries;
  if (!hidden_.empty()) hidden_.erase(member.path);
  return sink_(Entry{.path = member.path,
                     .size = size,
                     .mode = static_cast<std::uint32_t>(
                         archive_entry_perm(member.entry)),
                     .mtime = archive_entry_mtime(member.entry),
                     .data = std::move(data)},
               member.header);
}

// About another path than the member's own.
Result<void> TarReader::emit_at(const Member& member, std::string path,
                                EntryData data) {
  ++report_.entries;
  return sink_(Entry{.path = std::move(path), .data = std::move(data)},
               member.header);
}

}  // namespace

Error tar_error(const ByteSource& tar, int code, std::uint64_t offset,
                std::string_view path, std::string_view why) {
  return Error(code, "",
               fmt::format("{}: offset {}: {}: {}", tar.name, offset,
                           path.empty() ? "." : printable(path), why));
}

Result<TarReport> read_tar(const ByteSource& tar, const TarOptions& options,
                           const TarSink& sink, const OpenContent& open_content,
                           const std::function<bool(std::uint64_t)>& see) {
  const BytesLocale locale;
  return TarReader(tar, options, sink, open_content).run(see);
}

}  // namespace veneer::layerfs
