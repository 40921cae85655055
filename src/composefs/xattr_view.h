// SPDX-License-Identifier: MIT
//
// Which xattrs of an image are seen, and under which name.
//
// composefs keeps what is its own (where a file's content is) in
// trusted.overlay.*, and the user's names of that kind escaped by one more
// "overlay.". Who asks decides what becomes of both:
//
//   kPlain      as stored: an image without the header of composefs
//   kLogical    the tree that went into the image: what is composefs' own is
//               hidden, what is escaped is unescaped
//   kOverlaid   the same as a layer of an overlay: names of the overlay's own
//               namespace are marks, and hidden; escaped ones are unescaped
//   kForUser    for a kernel overlay with `userxattr` on top: what is
//               composefs' own moves to user.overlay.*, the user's
//               user.overlay.* are escaped
//   kForTrusted for one without: as stored
//
// Seen through the kernel's overlay kForUser gives the xattrs that kernel EROFS
// below the kernel's overlay gives.
//
// Pure: names in, names out.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace veneer::composefs {

enum class XattrView : std::uint8_t {
  kPlain,
  kLogical,
  kOverlaid,
  kForUser,
  kForTrusted,
};

/// The overlay's own namespace, for kOverlaid.
enum class OwnXattrs : std::uint8_t { kTrusted, kUser };

struct XattrNames {
  XattrView view = XattrView::kLogical;
  OwnXattrs own = OwnXattrs::kTrusted;  ///< if kOverlaid
  bool is_composefs = true;  ///< names are escaped once, if kOverlaid

  /// How `stored` is shown; nothing: not at all.
  std::optional<std::string> shown(std::string_view stored) const;
  /// Whether it is, without making the name.
  bool is_shown(std::string_view stored) const;
  /// What to look for when `asked` is asked for; nothing: it is not there.
  std::optional<std::string> stored(std::string_view asked) const;
};

/// What a stored name is in the tree that went into the image; nothing if it is
/// composefs' own.
std::optional<std::string> logical_name(std::string_view stored);

}  // namespace veneer::composefs
