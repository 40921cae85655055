// SPDX-License-Identifier: MIT

#include "finalize/protection.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include "sys/file.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::finalize {
namespace {

using layer::XattrNamespace;

bool has_flags(const Attr& attr) {
  return S_ISREG(attr.mode) || S_ISDIR(attr.mode);
}

bool has_no_flags(const Error& error) {
  return error.code() == ENOTTY || error.code() == EOPNOTSUPP ||
         error.code() == ENOSYS || error.code() == EINVAL;
}

}  // namespace

const unsigned kProtectionFlags = FS_IMMUTABLE_FL | FS_APPEND_FL;

bool is_own_xattr(XattrNamespace own, std::string_view name) {
  for (const auto ns : {XattrNamespace::kTrusted, XattrNamespace::kUser}) {
    const bool counts = own == XattrNamespace::kNone || own == ns;
    if (counts && !layer::shown_name(ns, name)) return true;
  }
  return false;
}

unsigned set_protection_of(const Attr& attr) {
  if (!has_flags(attr)) return 0;
  unsigned flags = 0;
  if ((attr.attributes & STATX_ATTR_IMMUTABLE) != 0) flags |= FS_IMMUTABLE_FL;
  if ((attr.attributes & STATX_ATTR_APPEND) != 0) flags |= FS_APPEND_FL;
  return flags;
}

Result<unsigned> protection_of(XattrNamespace own, const Spot& object,
                               const Attr& attr) {
  if (!has_flags(attr)) return 0U;
  unsigned flags = set_protection_of(attr);
  for (const auto ns : {XattrNamespace::kTrusted, XattrNamespace::kUser}) {
    if (own != XattrNamespace::kNone && own != ns) continue;
    const std::string name = layer::own_name(ns, layer::kProtattr);
    const auto value = sys::get_xattr_at(object.dir, object.name, name.c_str());
    if (!value && value.error().code() == EOPNOTSUPP) continue;
    if (!value) return value.error();
    if (*value) flags |= protection_from_letters(**value);
  }
  return flags;
}

Result<bool> lift_protection(const Spot& object) {
  const auto found = sys::find_at(object.dir, object.name);
  if (!found) return found.error();
  if (!*found || set_protection_of(**found) == 0) return false;
  TRY_ASSIGN(
      const sys::UniqueFd fd,
      sys::open_at(object.dir, object.name_to_open(), O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const unsigned flags, sys::get_flags(fd.get()));
  TRY(sys::set_flags(fd.get(), flags & ~kProtectionFlags));
  return true;
}

Result<void> protect(int root, const std::string& path, unsigned flags) {
  TRY_ASSIGN(const sys::UniqueFd fd,
             sys::open_beneath(root, path, O_RDONLY | O_NONBLOCK));
  const auto now = sys::get_flags(fd.get());
  if (!now && has_no_flags(now.error())) return {};
  if (!now) return now.error();
  if ((*now & flags) == flags) return {};
  auto set = sys::set_flags(fd.get(), *now | flags);
  // EPERM: these two are root's to give.
  if (!set && (has_no_flags(set.error()) || set.error().code() == EPERM)) {
    return {};
  }
  return set;
}

std::string protection_letters(unsigned flags) {
  return layer::encode_protection((flags & FS_IMMUTABLE_FL) != 0,
                                  (flags & FS_APPEND_FL) != 0);
}

unsigned protection_from_letters(std::string_view letters) {
  unsigned flags = 0;
  if (letters.find('i') != letters.npos) flags |= FS_IMMUTABLE_FL;
  if (letters.find('a') != letters.npos) flags |= FS_APPEND_FL;
  return flags;
}

}  // namespace veneer::finalize
