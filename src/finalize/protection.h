// SPDX-License-Identifier: MIT
//
// Immutable and append-only: the two flags that keep root, too, from changing
// an object, and so stand in the way of a commit.
//
// An overlay keeps those of its upper's objects in an xattr (`protattr`), since
// it could not work with them itself. Objects of the base have them for real.
// Where they are in the way they are taken off; what is to have them gets them
// after everything else.

#pragma once

#include <string>

#include "finalize/dir_cursor.h"
#include "layer/host/overlay_xattrs.h"
#include "veneer/attr.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// FS_IMMUTABLE_FL and FS_APPEND_FL.
extern const unsigned kProtectionFlags;

/// Whether the overlay's own xattr `name` (as stored), not one of a user or of
/// a nested overlay. `own`: the upper's namespace; kNone: either.
bool is_own_xattr(layer::XattrNamespace own, std::string_view name);

/// Those of the two flags that the object has.
unsigned set_protection_of(const Attr& attr);
/// Those that the upper's object is to have.
Result<unsigned> protection_of(layer::XattrNamespace own, const Spot& object,
                               const Attr& attr);

/// Takes both off; false: there was none.
Result<bool> lift_protection(const Spot& object);
/// Puts `flags` of them on, where the file system has such.
Result<void> protect(int root, const std::string& path, unsigned flags);

/// Does `change`. If protection of one of `objects` refuses it, takes that off
/// and does it again.
template <typename Change, typename... Objects>
Result<void> lifting(Change&& change, const Objects&... objects) {
  auto done = change();
  if (done || done.error().code() != EPERM) return done;
  bool any = false;
  for (const Spot& object : {objects...}) {
    TRY_ASSIGN(const bool lifted, lift_protection(object));
    any = any || lifted;
  }
  return any ? change() : std::move(done);
}

/// protection_of() as letters, for a name that keeps it over a crash.
std::string protection_letters(unsigned flags);
unsigned protection_from_letters(std::string_view letters);

}  // namespace veneer::finalize
