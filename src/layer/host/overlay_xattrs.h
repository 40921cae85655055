// SPDX-License-Identifier: MIT
//
// The overlay's own xattrs: their names, their bytes, and what users see.
//
// The format is the kernel's (fs/overlayfs/overlayfs.h): `trusted.overlay.X`
// where the process may, `user.overlay.X` where not. One of the two is a
// layer's own namespace: users never see it, and when they store a name of it
// (as a nested overlay does) that name is escaped with one more "overlay.",
// which keeps the two apart. Ours beyond the kernel's: `veneer.ino`, the inode
// number the object was first seen with, `veneer.base`, what the lower object
// was like when it was copied up, and `veneer.form` on an upper's root.
//
// Everything here is pure: strings in, strings out. Values come from disk and
// are checked; what does not parse is as if it were not there.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "veneer/layer.h"

namespace veneer::layer {

enum class XattrNamespace : std::uint8_t { kNone, kTrusted, kUser };

inline constexpr std::string_view kTrustedPrefix = "trusted.overlay.";
inline constexpr std::string_view kUserPrefix = "user.overlay.";

inline constexpr std::string_view kOpaque = "opaque";
inline constexpr std::string_view kWhiteout = "whiteout";
inline constexpr std::string_view kRedirect = "redirect";
inline constexpr std::string_view kMetacopy = "metacopy";
inline constexpr std::string_view kOrigin = "origin";
inline constexpr std::string_view kImpure = "impure";
inline constexpr std::string_view kNlink = "nlink";
inline constexpr std::string_view kUuid = "uuid";
inline constexpr std::string_view kUpper = "upper";
inline constexpr std::string_view kProtattr = "protattr";
inline constexpr std::string_view kNumber = "veneer.ino";
inline constexpr std::string_view kForm = "veneer.form";
/// Where the work directory is, if it is not beside the upper.
inline constexpr std::string_view kWork = "veneer.work";
inline constexpr std::string_view kBase = "veneer.base";

/// "trusted.overlay.", "user.overlay." or "".
std::string_view prefix_of(XattrNamespace ns);
/// prefix + suffix. Requires ns != kNone.
std::string own_name(XattrNamespace ns, std::string_view suffix);

/// How a name that a user asks for is stored.
std::string stored_name(XattrNamespace ns, std::string_view user_name);
/// How a stored name is shown; nullopt: not at all.
std::optional<std::string> shown_name(XattrNamespace ns,
                                      std::string_view stored);
/// Applies shown_name to a list of NUL-ended names.
std::string shown_names(XattrNamespace ns, std::string_view stored_list);

/// Calls `f` with each name of a NUL-separated list.
template <typename F>
void for_each_name(std::string_view list, F&& f) {
  while (!list.empty()) {
    const std::size_t end = list.find('\0');
    const std::string_view name = list.substr(0, end);
    if (!name.empty()) f(name);
    if (end == std::string_view::npos) return;
    list.remove_prefix(end + 1);
  }
}

/// True if a redirect may be followed: a plain name, or an absolute path of
/// plain names. Never "..", never empty components, never NUL.
bool is_valid_redirect(std::string_view redirect);

std::string encode_nlink(Marks::Nlink nlink);
std::optional<Marks::Nlink> decode_nlink(std::string_view value);
std::string encode_protection(bool immutable, bool append_only);
std::string encode_number(std::uint64_t number);
std::optional<std::uint64_t> decode_number(std::string_view value);
/// What tells that a lower object was changed since: its time of modification,
/// size, mode and owner. Not the time of change, which a link alters.
std::string encode_state(const Attr& attr);

/// What a directory's `opaque` says besides yes and no.
enum class Opacity : std::uint8_t { kNone, kBlocks, kXattrWhiteouts };
Opacity decode_opaque(std::string_view value);

/// Sets in `marks` what the xattr `suffix` with `value` means. False for a
/// suffix that is no mark.
bool decode_mark(std::string_view suffix, std::string_view value, Marks& marks);

}  // namespace veneer::layer
