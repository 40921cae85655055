// SPDX-License-Identifier: MIT
//
// Reading from a layer's files what was asked for.

#include "layerfs/one_layer.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "sys/file.h"
#include "sys/open.h"

namespace veneer::layerfs {
namespace {

// What a directory is read by; and longer than any entry.
constexpr std::size_t kDirStep = std::size_t{1} << 20;

Error bad(std::string what) { return Error(EIO, "read", std::move(what)); }

}  // namespace

Error OneLayer::about(const Error& error, const std::string& name) const {
  std::string subject = path_ + "/" + name;
  if (!error.subject().empty()) {
    subject.append(": ").append(error.subject());
  }
  // Its own files are there, and files, or it is no layer.
  const int code =
      error.code() == ENOENT || error.code() == ELOOP || error.code() == ENXIO
          ? EIO
          : error.code();
  return Error(code, "read", std::move(subject));
}

OneLayer::OneLayer(std::string path, sys::UniqueFd dir, Super super,
                   std::optional<VeneerHeader> header,
                   const Digest256& identity, const std::uint64_t (&sizes)[3])
    : path_(std::move(path)),
      dir_(std::move(dir)),
      super_(std::move(super)),
      header_(std::move(header)),
      identity_(identity),
      file_table_(kFileTable, Section::kInodeChunks, sizes[0]),
      attributes_(kAttributesTable, Section::kAttributeChunks, sizes[1]),
      inline_(kInlineData, Section::kInlineChunks, sizes[2]) {}

// --- Files -------------------------------------------------------------------

Result<sys::SharedFd> OneLayer::open_file(File& file) {
  std::uint64_t size = 0;
  auto fd = open_regular(dir_.get(), file.name, size);
  if (!fd) return about(fd.error(), file.name);
  if (file.section != Section::kInlineChunks) {
    std::byte header[kTableHeader];
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full(fd->get(), header, sizeof(header), 0));
    if (auto sound = check_table_header(std::span(header).first(got)); !sound) {
      return about(sound.error(), file.name);
    }
  }
  return sys::share(*std::move(fd));
}

Result<const sys::SharedFd*> OneLayer::fd_of(File& file) {
  return file.fd.get([&] { return open_file(file); });
}

Result<std::vector<std::byte>> OneLayer::read_section(Section section) {
  if (!header_) return std::vector<std::byte>();
  const VeneerHeader::Place& place = header_->section(section);
  const auto read = [&]() -> Result<std::vector<std::byte>> {
    std::uint64_t size = 0;
    TRY_ASSIGN(const sys::UniqueFd fd,
               open_regular(dir_.get(), kVeneerFile, size));
    // The file may have shrunk since its header was read.
    if (place.offset > size || place.size > size - place.offset) {
      return bad("it is cut short");
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(place.size));
    TRY_ASSIGN(
        const std::size_t got,
        sys::pread_full(fd.get(), bytes.data(), bytes.size(), place.offset));
    if (got < bytes.size() || blake3(bytes) != place.digest) {
      return bad(fmt::format("offset {}: {} bytes do not have their digest",
                             place.offset, place.size));
    }
    return bytes;
  };
  auto bytes = read();
  if (!bytes) return about(bytes.error(), kVeneerFile);
  return bytes;
}

Result<const std::vector<Digest256>*> OneLayer::digests_of(File& file) {
  return file.digests.get([&]() -> Result<std::vector<Digest256>> {
    if (!header_) return std::vector<Digest256>();
    TRY_ASSIGN(const auto bytes, read_section(file.section));
    auto digests = decode_digests(bytes);
    if (!digests) return about(digests.error(), kVeneerFile);
    if (digests->size() != chunks_of(file.size)) {
      return about(
          bad(fmt::format("{} digests for {}", digests->size(), file.name)),
          kVeneerFile);
    }
    return digests;
  });
}

Result<void> OneLayer::check_chunks(File& file, std::uint64_t begin,
                                    std::uint64_t end) {
  if (!header_ || begin >= end) return {};
  for (std::uint64_t chunk = begin / kChunkBytes; chunk * kChunkBytes < end;
       ++chunk) {
    if (file.marks.test(chunk)) continue;
    TRY_ASSIGN(const auto* digests, digests_of(file));
    TRY_ASSIGN(const auto* fd, fd_of(file));
    std::byte bytes[kChunkBytes];
    const std::uint64_t at = chunk * kChunkBytes;
    const auto wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(kChunkBytes, file.size - at));
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full((*fd)->get(), bytes, wanted, at));
    if (got < wanted || blake3(std::span(bytes).first(got)) !=
                            (*digests)[static_cast<std::size_t>(chunk)]) {
      return about(bad(fmt::format("offset {}: {} bytes do not have their "
                                   "digest",
                                   at, wanted)),
                   file.name);
    }
    file.marks.set(chunk);
  }
  return {};
}

Result<std::size_t> OneLayer::read(File& file, std::uint64_t offset,
                                   std::span<std::byte> into) {
  if (offset >= file.size) {
    return about(bad(fmt::format("offset {} is behind the end at {}", offset,
                                 file.size)),
                 file.name);
  }
  const auto wanted = static_cast<std::size_t>(
      std::min<std::uint64_t>(into.size(), file.size - offset));
  TRY(check_chunks(file, offset, offset + wanted));
  TRY_ASSIGN(const auto* fd, fd_of(file));
  TRY_ASSIGN(const std::size_t got,
             sys::pread_full((*fd)->get(), into.data(), wanted, offset));
  return got;
}

// --- Records -----------------------------------------------------------------

Result<InodeRecord> OneLayer::inode(std::uint32_t offset) {
  std::byte bytes[kLongestInode];
  const std::uint64_t at = position_of(offset);
  TRY_ASSIGN(const std::size_t got, read(file_table_, at, bytes));
  auto inode = decode_inode(std::span(bytes).first(got));
  if (!inode) {
    return about(bad(fmt::format("offset {}: {}", at, inode.error().subject())),
                 kFileTable);
  }
  return inode;
}

Result<AttributesRecord> OneLayer::attributes(std::uint64_t id) {
  // One beyond the file, so that adding to it is safe.
  const std::uint64_t at = position_of(std::min(id, attributes_.size + 1));
  std::byte bytes[kAttributesItem];
  TRY_ASSIGN(const std::size_t got, read(attributes_, at, bytes));
  auto attributes = decode_attributes(std::span(bytes).first(got));
  if (!attributes) {
    return about(
        bad(fmt::format("offset {}: {}", at, attributes.error().subject())),
        kAttributesTable);
  }
  return attributes;
}

// A file that claims to be long and is a hole is not believed step by step.
Result<std::vector<std::byte>> OneLayer::read_dir_bytes(
    const std::string& name) {
  std::uint64_t size = 0;
  TRY_ASSIGN(const sys::UniqueFd fd,
             open_regular(dir_.get(), name.c_str(), size));
  std::vector<std::byte> bytes;
  std::size_t item = 0;
  while (bytes.size() < size) {
    const std::size_t have = bytes.size();
    const auto step = static_cast<std::size_t>(
        std::min<std::uint64_t>(kDirStep, size - have));
    bytes.resize(have + step);
    TRY_ASSIGN(const std::size_t got,
               sys::pread_full(fd.get(), bytes.data() + have, step, have));
    bytes.resize(have + got);
    while (item + kPrefix <= bytes.size()) {
      const auto length = load_be<std::uint64_t>(bytes.data() + item);
      if (length == 0 || length > kDirStep) {
        return bad(fmt::format("offset {}: an item of {} bytes", item, length));
      }
      item += kPrefix + static_cast<std::size_t>(length);
    }
    if (got < step) break;
  }
  return bytes;
}

Result<DirFileRef> OneLayer::dir(std::uint32_t offset) {
  const std::string name = dir_file_name(offset);
  auto bytes = read_dir_bytes(name);
  if (!bytes) return about(bytes.error(), name);
  if (header_) {
    TRY_ASSIGN(const auto* dirs, this->dirs());
    const auto found =
        std::ranges::lower_bound(*dirs, offset, {}, &DirRecord::offset);
    if (found == dirs->end() || found->offset != offset) {
      return about(bad("it is not one of the layer's directories"), name);
    }
    if (blake3(*bytes) != found->digest) {
      return about(bad(fmt::format("its {} bytes do not have their digest",
                                   bytes->size())),
                   name);
    }
  }
  auto dir = DirFile::parse(*std::move(bytes), super_.layer_id);
  if (!dir) return about(dir.error(), name);
  return dir;
}

Result<sys::SharedFd> OneLayer::open_inline(const InlineRange& range) {
  if (range.offset > inline_.size ||
      range.length > inline_.size - range.offset) {
    return about(
        bad(fmt::format("{} bytes at offset {} reach behind the end at {}",
                        range.length, range.offset, inline_.size)),
        kInlineData);
  }
  TRY(check_chunks(inline_, range.offset, range.offset + range.length));
  TRY_ASSIGN(const auto* fd, fd_of(inline_));
  return *fd;
}

Result<std::string> OneLayer::read_inline(const InlineRange& range) {
  TRY_ASSIGN(const sys::SharedFd fd, open_inline(range));
  std::string bytes(static_cast<std::size_t>(range.length), '\0');
  TRY_ASSIGN(
      const std::size_t got,
      sys::pread_full(fd->get(), bytes.data(), bytes.size(), range.offset));
  if (got < bytes.size()) {
    return about(bad(fmt::format("offset {}: {} bytes wanted, {} left",
                                 range.offset, range.length, got)),
                 kInlineData);
  }
  return bytes;
}

// --- Our own file ------------------------------------------------------------

Result<const std::vector<Digest256>*> OneLayer::digests(Section section) {
  switch (section) {
    case Section::kInodeChunks:
      return digests_of(file_table_);
    case Section::kAttributeChunks:
      return digests_of(attributes_);
    default:
      return digests_of(inline_);
  }
}

Result<const std::vector<DirRecord>*> OneLayer::dirs() {
  return dirs_.get([&]() -> Result<std::vector<DirRecord>> {
    if (!header_) return std::vector<DirRecord>();
    TRY_ASSIGN(const auto bytes, read_section(Section::kDirs));
    auto dirs = decode_dirs(bytes);
    if (!dirs) return about(dirs.error(), kVeneerFile);
    return dirs;
  });
}

Result<const std::vector<LinkRecord>*> OneLayer::all_links() {
  return links_.get([&]() -> Result<std::vector<LinkRecord>> {
    if (!header_) return std::vector<LinkRecord>();
    TRY_ASSIGN(const auto bytes, read_section(Section::kLinks));
    auto links = decode_links(bytes);
    if (!links) return about(links.error(), kVeneerFile);
    return links;
  });
}

Result<const std::vector<std::uint32_t>*> OneLayer::all_implicit() {
  return implicit_.get([&]() -> Result<std::vector<std::uint32_t>> {
    if (!header_) return std::vector<std::uint32_t>();
    TRY_ASSIGN(const auto bytes, read_section(Section::kImplicit));
    auto offsets = decode_implicit(bytes);
    if (!offsets) return about(offsets.error(), kVeneerFile);
    return offsets;
  });
}

Result<std::optional<std::uint32_t>> OneLayer::links(std::uint32_t offset) {
  if (!header_) return std::optional<std::uint32_t>();
  TRY_ASSIGN(const auto* links, all_links());
  const auto found =
      std::ranges::lower_bound(*links, offset, {}, &LinkRecord::offset);
  const bool is_there = found != links->end() && found->offset == offset;
  return std::optional(is_there ? found->count : 1);
}

Result<std::optional<std::uint32_t>> OneLayer::subdirs(std::uint32_t offset) {
  if (!header_) return std::optional<std::uint32_t>();
  TRY_ASSIGN(const auto* dirs, this->dirs());
  const auto found =
      std::ranges::lower_bound(*dirs, offset, {}, &DirRecord::offset);
  if (found == dirs->end() || found->offset != offset) {
    return about(bad("it is not one of the layer's directories"),
                 dir_file_name(offset));
  }
  return std::optional(found->subdirs);
}

Result<bool> OneLayer::is_implicit(std::uint32_t offset) {
  if (offset == kRootOffset) return header_ && header_->root_implicit;
  TRY_ASSIGN(const auto* offsets, all_implicit());
  return std::ranges::binary_search(*offsets, offset);
}

}  // namespace veneer::layerfs
