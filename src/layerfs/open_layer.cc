// SPDX-License-Identifier: MIT
//
// Opening a layer: its super block and the header of our own file are read and
// compared with what stands beside them, and no more.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "layerfs/one_layer.h"
#include "sys/file.h"
#include "sys/open.h"

namespace veneer::layerfs {
namespace {

constexpr std::uint64_t kMostSuperBytes = std::uint64_t{64} << 20;

Error bad(std::string what) { return Error(EIO, "read", std::move(what)); }

Result<std::uint64_t> size_at(int dir, const char* name) {
  TRY_ASSIGN(const Attr attr, sys::stat_at(dir, name));
  if (!S_ISREG(attr.mode)) return bad("it is no regular file");
  return attr.size;
}

Result<std::optional<VeneerHeader>> read_header(int dir) {
  std::uint64_t size = 0;
  auto fd = open_regular(dir, kVeneerFile, size);
  if (!fd && fd.error().code() == ENOENT) return std::optional<VeneerHeader>();
  if (!fd) return fd.error();
  std::vector<std::byte> bytes(kVeneerFixed);
  TRY_ASSIGN(std::size_t got,
             sys::pread_full(fd->get(), bytes.data(), bytes.size(), 0));
  bytes.resize(got);
  TRY_ASSIGN(const std::size_t wanted, veneer_header_size(bytes));
  bytes.resize(std::min<std::uint64_t>(wanted, size));
  TRY_ASSIGN(got, sys::pread_full(fd->get(), bytes.data(), bytes.size(), 0));
  bytes.resize(got);
  TRY_ASSIGN(VeneerHeader header, decode_veneer_header(bytes, size));
  return std::optional(std::move(header));
}

Result<Super> decode_brief(std::span<const std::byte> bytes) {
  TRY_ASSIGN(const std::uint32_t id, decode_layer_id(bytes));
  return Super{.layer_id = id, .lowers = {}};
}

// Of a layer without our own file: what costs nothing to see.
Digest256 foreign_identity(std::span<const std::byte> super,
                           const std::uint64_t (&sizes)[3]) {
  BeWriter out;
  out.raw(as_bytes("LayerFS"));
  out.raw(super);
  for (const std::uint64_t size : sizes) out.u64(size);
  return blake3(out.bytes());
}

Result<void> compare(const VeneerHeader& header, const Super& super,
                     std::span<const std::byte> super_bytes,
                     const std::uint64_t (&sizes)[3]) {
  if (header.layer_id != super.layer_id ||
      header.super != blake3(super_bytes)) {
    return bad(fmt::format("{} is another layer's", kSuperFile));
  }
  const std::uint64_t expected[3] = {
      header.file_table_size, header.attributes_size, header.inline_size};
  const char* const names[3] = {kFileTable, kAttributesTable, kInlineData};
  for (int i = 0; i < 3; ++i) {
    if (sizes[i] == expected[i]) continue;
    return bad(fmt::format("{} has {} bytes and should have {}", names[i],
                           sizes[i], expected[i]));
  }
  return {};
}

}  // namespace

// What takes no time to open whatever it is: no FIFO waits for a writer.
Result<sys::UniqueFd> open_regular(int dir, const char* name,
                                   std::uint64_t& size) {
  TRY_ASSIGN(sys::UniqueFd fd,
             sys::open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(fd.get()));
  if (!S_ISREG(attr.mode)) return bad("it is no regular file");
  size = attr.size;
  return fd;
}

Result<std::vector<std::byte>> read_whole(int dir, const char* name,
                                          std::uint64_t most) {
  std::uint64_t size = 0;
  TRY_ASSIGN(const sys::UniqueFd fd, open_regular(dir, name, size));
  if (size > most) return bad(fmt::format("it has {} bytes", size));
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  TRY_ASSIGN(const std::size_t got,
             sys::pread_full(fd.get(), bytes.data(), bytes.size(), 0));
  bytes.resize(got);
  return bytes;
}

Result<std::unique_ptr<OneLayer>> OneLayer::open(const std::string& path,
                                                 bool with_lowers) {
  TRY_ASSIGN(sys::UniqueFd dir, sys::open_dir(path));
  const auto about_file = [&](const Error& error, const char* name) {
    std::string subject = path + "/" + name;
    if (!error.subject().empty()) {
      subject.append(": ").append(error.subject());
    }
    return Error(
        error.code() == ELOOP || error.code() == ENXIO ? EIO : error.code(),
        "open", std::move(subject));
  };
  const auto bytes = read_whole(dir.get(), kSuperFile, kMostSuperBytes);
  if (!bytes) return about_file(bytes.error(), kSuperFile);
  auto super = with_lowers ? decode_super(*bytes) : decode_brief(*bytes);
  if (!super) return about_file(super.error(), kSuperFile);
  std::uint64_t sizes[3] = {};
  const char* const names[3] = {kFileTable, kAttributesTable, kInlineData};
  for (int i = 0; i < 3; ++i) {
    const auto size = size_at(dir.get(), names[i]);
    if (!size) return about_file(size.error(), names[i]);
    sizes[i] = *size;
  }
  auto header = read_header(dir.get());
  if (!header) return about_file(header.error(), kVeneerFile);
  Digest256 identity;
  if (*header) {
    if (auto same = compare(**header, *super, *bytes, sizes); !same) {
      return about_file(same.error(), kVeneerFile);
    }
    identity = (*header)->identity;
  } else {
    identity = foreign_identity(*bytes, sizes);
  }
  return std::unique_ptr<OneLayer>(
      new OneLayer(path, std::move(dir), *std::move(super), *std::move(header),
                   identity, sizes));
}

}  // namespace veneer::layerfs
