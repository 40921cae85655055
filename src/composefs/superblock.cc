// SPDX-License-Identifier: MIT

#include "composefs/superblock.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace veneer::composefs {
namespace {

constexpr unsigned kMinBlockBits = 9;

template <typename T>
T load(std::span<const std::byte> from, std::size_t offset) {
  T value;
  std::memcpy(&value, from.data() + offset, sizeof(value));
  return value;
}

Error refuse(int code, std::string why) {
  return Error(code, "open image", std::move(why));
}

struct Feature {
  std::uint32_t bit;
  const char* name;
};

// For images without compression mkfs.erofs sets none of the others.
constexpr std::uint32_t kReadable = kIncompatChunkedFile | kIncompatZeroPadding;
constexpr std::array kFeatures = {
    Feature{kIncompatCompressionConfig, "compression"},
    Feature{kIncompatDeviceTable,
            "data on other devices or a second algorithm"},
    Feature{kIncompatTailPacking, "compressed tails"},
    Feature{kIncompatFragments, "fragments or deduplication"},
    Feature{kIncompatXattrPrefixes, "long xattr prefixes"},
};

Result<void> check_features(const Superblock& super) {
  std::uint32_t unknown = super.feature_incompat & ~kReadable;
  if (unknown == 0) return {};
  std::string names;
  for (const Feature& feature : kFeatures) {
    if ((unknown & feature.bit) == 0) continue;
    unknown &= ~feature.bit;
    names.append(names.empty() ? "" : ", ").append(feature.name);
  }
  if (unknown != 0) {
    names.append(names.empty() ? "" : ", ")
        .append(fmt::format("unknown features {:#x}", unknown));
  }
  return refuse(ENOTSUP, "offset 1104: the EROFS image uses " + names);
}

// Neither the start value nor the result is inverted here.
std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> bytes) {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) {
        value = value >> 1 ^ ((value & 1) != 0 ? 0x82f63b78 : 0);
      }
      table[i] = value;
    }
    return table;
  }();
  for (const std::byte byte : bytes) {
    crc = crc >> 8 ^ kTable[(crc ^ static_cast<std::uint8_t>(byte)) & 0xff];
  }
  return crc;
}

// Over the rest of the superblock's block.
Result<void> check_checksum(const Superblock& super,
                            std::span<const std::byte> head) {
  if ((super.feature_compat & kCompatChecksum) == 0) return {};
  const std::size_t block = std::size_t{1} << super.block_bits;
  const std::size_t size = block > kSuperOffset ? block - kSuperOffset : block;
  if (head.size() - kSuperOffset < size) {
    return refuse(EUCLEAN, "offset 1028: the block of the checksum is cut off");
  }
  Superblock without = super;
  without.checksum = 0;
  std::uint32_t crc = ~std::uint32_t{0};
  crc = crc32c(crc, std::as_bytes(std::span(&without, 1)));
  crc = crc32c(crc, head.subspan(kSuperOffset + sizeof(without),
                                 size - sizeof(without)));
  if (crc == super.checksum) return {};
  return refuse(EUCLEAN,
                fmt::format("offset 1028: the superblock's checksum is {:#010x}"
                            ", not {:#010x}",
                            crc, super.checksum));
}

Result<void> check_plain(const Superblock& super) {
  if (super.block_bits < kMinBlockBits || super.block_bits > kBlockBits) {
    return refuse(ENOTSUP,
                  fmt::format("offset 1036: blocks of 2^{} bytes are not read",
                              super.block_bits));
  }
  if (super.dir_block_bits != 0) {
    return refuse(ENOTSUP,
                  "offset 1114: directory blocks of a size of their "
                  "own are not read");
  }
  TRY(check_features(super));
  if (super.extra_devices != 0) {
    return refuse(ENOTSUP, "offset 1110: data on other devices are not read");
  }
  return {};
}

// What every writer of composefs leaves at zero.
Result<void> check_composefs(const ImageHeader& header,
                             const Superblock& super) {
  if (header.version != kContainerVersion) {
    return refuse(ENOTSUP, fmt::format("offset 4: version {} of the composefs "
                                       "header is not known",
                                       header.version));
  }
  if (super.block_bits != kBlockBits) {
    return refuse(EUCLEAN, "offset 1036: composefs has blocks of 4096 bytes");
  }
  const bool zeros = super.extension_slots == 0 && super.meta_block == 0 &&
                     (super.feature_incompat & ~kIncompatChunkedFile) == 0 &&
                     super.compression_algorithms == 0 &&
                     super.extra_devices == 0 && super.dir_block_bits == 0 &&
                     super.xattr_prefix_count == 0 && super.packed_nid == 0;
  if (!zeros) {
    return refuse(EUCLEAN,
                  "offset 1024: the superblock has values that "
                  "composefs does not use");
  }
  return {};
}

Error too_short(std::span<const std::byte> head) {
  return refuse(EINVAL,
                fmt::format("an image of {} bytes is too short", head.size()));
}

}  // namespace

Result<ImageInfo> read_superblock(std::span<const std::byte> head) {
  if (head.size() < kHeadSize) {
    return refuse(
        EINVAL, fmt::format("an image of {} bytes is too short", head.size()));
  }
  ImageInfo info;
  info.header = load<ImageHeader>(head, 0);
  info.super = load<Superblock>(head, kSuperOffset);
  info.is_composefs = info.header.magic == kImageMagic;
  if (!info.is_composefs) info.header = ImageHeader{.magic = 0, .version = 0};
  if (info.super.magic != kErofsMagic) {
    return refuse(EINVAL, "offset 1024: it is neither composefs nor EROFS");
  }
  if (info.is_composefs) {
    if (head.size() < kHeadSize) return too_short(head);
    TRY(check_composefs(info.header, info.super));
  }
  TRY(check_plain(info.super));
  TRY(check_checksum(info.super, head));
  return info;
}

}  // namespace veneer::composefs
