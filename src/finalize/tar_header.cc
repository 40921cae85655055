// SPDX-License-Identifier: MIT

#include "finalize/tar_header.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace veneer::finalize {
namespace {

// The ustar header. Numbers are octal digits, and end with a NUL.
struct Ustar {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link_name[100];
  char magic[6];
  char version[2];
  char user_name[32];
  char group_name[32];
  char dev_major[8];
  char dev_minor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(Ustar) == kTarBlock);

// The greatest number that `Field` can hold.
template <std::size_t kSize>
constexpr std::uint64_t greatest(const char (&)[kSize]) {
  return (std::uint64_t{1} << 3 * (kSize - 1)) - 1;
}

// What does not fit becomes 0; a pax record says it then.
template <std::size_t kSize>
void put_number(char (&field)[kSize], std::uint64_t value) {
  if (value > greatest(field)) value = 0;
  const std::string digits = fmt::format("{:0{}o}", value, kSize - 1);
  std::memcpy(field, digits.data(), digits.size());
}

template <std::size_t kSize>
void put_text(char (&field)[kSize], std::string_view text) {
  text.copy(field, kSize);
}

std::string to_bytes(Ustar& header) {
  put_text(header.magic, std::string_view("ustar\0", 6));
  put_text(header.version, "00");
  std::memset(header.checksum, ' ', sizeof(header.checksum));
  std::string bytes(sizeof(header), '\0');
  std::memcpy(bytes.data(), &header, sizeof(header));
  std::uint32_t sum = 0;
  for (const char c : bytes) sum += static_cast<unsigned char>(c);
  const std::string digits = fmt::format("{:06o}", sum);
  // Six digits, NUL, and the space that is there.
  std::memcpy(bytes.data() + offsetof(Ustar, checksum), digits.c_str(), 7);
  return bytes;
}

// "<length> <key>=<value>\n", where the length counts its own digits.
void add_record(std::string& records, std::string_view key,
                std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) {
    length = std::to_string(length).size() + rest;
  }
  fmt::format_to(std::back_inserter(records), "{} {}={}\n", length, key, value);
}

bool fits(std::string_view name, std::size_t size) {
  return name.size() <= size && std::ranges::all_of(name, [](char c) {
           return static_cast<unsigned char>(c) < 0x80;
         });
}

// A record's key ends at the first "=": tar(1) writes one in a name as "%3D",
// and "%" as "%25", and reads only these two. Others read neither, so a "%"
// that cannot be mistaken stays.
std::string record_key(std::string_view xattr) {
  std::string key = "SCHILY.xattr.";
  for (std::size_t i = 0; i < xattr.size(); ++i) {
    const std::string_view next = xattr.substr(i + 1, 2);
    if (xattr[i] == '=') {
      key += "%3D";
    } else if (xattr[i] == '%' && (next == "25" || next == "3D")) {
      key += "%25";
    } else {
      key += xattr[i];
    }
  }
  return key;
}

// Seconds as a decimal number, whose fraction counts away from zero.
std::string decimal_time(const timespec& time) {
  if (time.tv_nsec == 0) return std::to_string(time.tv_sec);
  if (time.tv_sec >= 0) {
    return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
  }
  return fmt::format("-{}.{:09}", -(time.tv_sec + 1),
                     1'000'000'000 - time.tv_nsec);
}

std::string stored_path(const TarEntry& entry) {
  if (entry.path.empty()) return "./";
  return S_ISDIR(entry.mode) ? entry.path + "/" : entry.path;
}

// NUL: tar has no word for it.
char type_of(const TarEntry& entry) {
  if (!entry.hard_link.empty()) return '1';
  switch (entry.mode & S_IFMT) {
    case S_IFREG:
      return '0';
    case S_IFLNK:
      return '2';
    case S_IFCHR:
      return '3';
    case S_IFBLK:
      return '4';
    case S_IFDIR:
      return '5';
    case S_IFIFO:
      return '6';
    default:
      return '\0';
  }
}

std::string records_of(const TarEntry& entry, std::string_view path,
                       std::string_view link, std::uint64_t size) {
  const Ustar limits = {};
  std::string records;
  if (!fits(path, sizeof(limits.name))) add_record(records, "path", path);
  if (!fits(link, sizeof(limits.link_name))) {
    add_record(records, "linkpath", link);
  }
  if (size > greatest(limits.size)) {
    add_record(records, "size", std::to_string(size));
  }
  if (entry.uid > greatest(limits.uid)) {
    add_record(records, "uid", std::to_string(entry.uid));
  }
  if (entry.gid > greatest(limits.gid)) {
    add_record(records, "gid", std::to_string(entry.gid));
  }
  const timespec& mtime = entry.mtime;
  if (mtime.tv_nsec != 0 || mtime.tv_sec < 0 ||
      static_cast<std::uint64_t>(mtime.tv_sec) > greatest(limits.mtime)) {
    add_record(records, "mtime", decimal_time(mtime));
  }
  auto xattrs = entry.xattrs;
  std::ranges::sort(xattrs);
  for (const auto& [name, value] : xattrs) {
    const bool access = name == "system.posix_acl_access";
    if (!access && name != "system.posix_acl_default") continue;
    if (const auto text = acl_text(value)) {
      add_record(records, access ? "SCHILY.acl.access" : "SCHILY.acl.default",
                 *text);
    }
  }
  for (const auto& [name, value] : xattrs) {
    add_record(records, record_key(name), value);
  }
  return records;
}

std::string extended_header(const std::string& records) {
  Ustar header = {};
  put_text(header.name, "PaxHeaders");
  put_number(header.mode, 0644);
  put_number(header.uid, 0);
  put_number(header.gid, 0);
  put_number(header.size, records.size());
  put_number(header.mtime, 0);
  header.type = 'x';
  std::string bytes = to_bytes(header) + records;
  bytes.resize((bytes.size() + kTarBlock - 1) / kTarBlock * kTarBlock);
  return bytes;
}

}  // namespace

Result<std::string> tar_header(const TarEntry& entry) {
  const std::string path = stored_path(entry);
  const char type = type_of(entry);
  if (type == '\0') return Error(EINVAL, "put into a tar", entry.path);
  const std::string_view link = type == '1'   ? entry.hard_link
                                : type == '2' ? entry.target
                                              : std::string_view();
  const std::uint64_t size = type == '0' ? entry.size : 0;

  Ustar header = {};
  put_text(header.name, path);
  put_number(header.mode, entry.mode & 07777);
  put_number(header.uid, entry.uid);
  put_number(header.gid, entry.gid);
  put_number(header.size, size);
  put_number(header.mtime, static_cast<std::uint64_t>(
                               std::max<time_t>(entry.mtime.tv_sec, 0)));
  header.type = type;
  put_text(header.link_name, link);
  if (type == '3' || type == '4') {
    put_number(header.dev_major, major(entry.rdev));
    put_number(header.dev_minor, minor(entry.rdev));
  }
  const std::string records = records_of(entry, path, link, size);
  std::string bytes;
  if (!records.empty()) bytes = extended_header(records);
  return bytes + to_bytes(header);
}

std::optional<std::string> acl_text(std::string_view bytes) {
  constexpr std::size_t kHead = 4;
  constexpr std::size_t kEntry = 8;
  if (bytes.size() < kHead || (bytes.size() - kHead) % kEntry != 0 ||
      load_le<std::uint32_t>(bytes.data()) != 2) {
    return std::nullopt;
  }
  std::string text;
  for (std::size_t at = kHead; at < bytes.size(); at += kEntry) {
    const auto tag = load_le<std::uint16_t>(&bytes[at]);
    const auto bits = load_le<std::uint16_t>(&bytes[at + 2]);
    const auto id = load_le<std::uint32_t>(&bytes[at + 4]);
    std::string who;
    switch (tag) {
      case 0x01:
        who = "user:";
        break;
      case 0x02:
        who = fmt::format("user:{}", id);
        break;
      case 0x04:
        who = "group:";
        break;
      case 0x08:
        who = fmt::format("group:{}", id);
        break;
      case 0x10:
        who = "mask:";
        break;
      case 0x20:
        who = "other:";
        break;
      default:
        return std::nullopt;
    }
    fmt::format_to(std::back_inserter(text), "{}{}:{}{}{}",
                   text.empty() ? "" : ",", who, (bits & 4) != 0 ? 'r' : '-',
                   (bits & 2) != 0 ? 'w' : '-', (bits & 1) != 0 ? 'x' : '-');
  }
  return text;
}

}  // namespace veneer::finalize
