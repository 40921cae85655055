// SPDX-License-Identifier: MIT

#include "layer/host/acl.h"

#include <sys/stat.h>

#include <cstdint>

namespace veneer::layer {
namespace {

constexpr std::size_t kHeader = 4;
constexpr std::size_t kEntry = 8;

enum Tag : std::uint16_t {
  kUserObj = 0x01,
  kUser = 0x02,
  kGroupObj = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20,
};

std::uint16_t load16(const std::string& bytes, std::size_t at) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(bytes[at]) |
                                    static_cast<unsigned char>(bytes[at + 1])
                                        << 8);
}

// Masks the entry's permissions with the three bits of `mode` at `shift`, and
// those bits with the entry.
void mask_entry(std::string& acl, std::size_t entry, mode_t& mode, int shift) {
  const mode_t allowed = load16(acl, entry + 2) & (mode >> shift) & 7U;
  acl[entry + 2] = static_cast<char>(allowed);
  acl[entry + 3] = 0;
  mode = (mode & ~(mode_t{7} << shift)) | (allowed << shift);
}

}  // namespace

std::optional<InheritedAcl> inherit_acl(std::string_view default_acl,
                                        mode_t mode) {
  if (default_acl.size() < kHeader ||
      (default_acl.size() - kHeader) % kEntry != 0 ||
      !default_acl.starts_with(std::string_view("\x02\0\0\0", 4))) {
    return std::nullopt;
  }
  std::string acl(default_acl);
  bool extended = false;
  std::size_t group_class = 0;
  for (std::size_t at = kHeader; at < acl.size(); at += kEntry) {
    switch (load16(acl, at)) {
      case kUserObj:
        mask_entry(acl, at, mode, 6);
        break;
      case kOther:
        mask_entry(acl, at, mode, 0);
        break;
      case kUser:
      case kGroup:
        extended = true;
        break;
      case kGroupObj:
        if (group_class == 0) group_class = at;
        break;
      case kMask:
        extended = true;
        group_class = at;
        break;
      default:
        return std::nullopt;
    }
  }
  if (group_class == 0) return std::nullopt;
  mask_entry(acl, group_class, mode, 3);
  InheritedAcl result{.mode = mode, .access = std::nullopt};
  if (extended) result.access = std::move(acl);
  return result;
}

}  // namespace veneer::layer
