// SPDX-License-Identifier: MIT

#include "composefs/xattr_view.h"

#include <string>

#include "composefs/format.h"

namespace veneer::composefs {
namespace {

std::string joined(std::string_view prefix, std::string_view rest) {
  return std::string(prefix).append(rest);
}

// The name with `from` in front of it replaced.
std::optional<std::string> moved(std::string_view name, std::string_view from,
                                 std::string_view to) {
  if (!name.starts_with(from)) return std::nullopt;
  return joined(to, name.substr(from.size()));
}

// What a kernel overlay must find to follow composefs into the object store.
bool is_for_overlay(std::string_view stored) {
  return stored == kMetacopyName || stored == kRedirectName ||
         stored == kOpaqueName;
}

// Written beside the escaped ones for overlays that know only user.overlay.*.
bool is_twin(std::string_view stored) {
  return stored == kUserWhiteout || stored == kUserWhiteouts;
}

std::string_view prefix_of(OwnXattrs own) {
  return own == OwnXattrs::kTrusted ? kTrustedOverlay : kUserOverlay;
}

std::string_view escaped_prefix_of(OwnXattrs own) {
  return own == OwnXattrs::kTrusted ? kTrustedEscaped : kUserEscaped;
}

std::optional<std::string> shown_to_user_overlay(std::string_view stored) {
  if (is_for_overlay(stored)) {
    return moved(stored, kTrustedOverlay, kUserOverlay);
  }
  if (auto name = moved(stored, kUserOverlay, kUserEscaped)) return name;
  return logical_name(stored);
}

std::optional<std::string> stored_for_user_overlay(std::string_view asked) {
  if (auto name = moved(asked, kUserEscaped, kUserOverlay)) return name;
  if (auto name = moved(asked, kUserOverlay, kTrustedOverlay)) {
    return is_for_overlay(*name) ? name : std::nullopt;
  }
  if (auto name = moved(asked, kTrustedOverlay, kTrustedEscaped)) return name;
  return std::string(asked);
}

}  // namespace

std::optional<std::string> logical_name(std::string_view stored) {
  if (auto name = moved(stored, kTrustedEscaped, kTrustedOverlay)) return name;
  if (stored.starts_with(kTrustedOverlay)) return std::nullopt;
  return std::string(stored);
}

std::optional<std::string> XattrNames::shown(std::string_view stored) const {
  switch (view) {
    case XattrView::kPlain:
    case XattrView::kForTrusted:
      return std::string(stored);
    case XattrView::kLogical:
      return logical_name(stored);
    case XattrView::kForUser:
      return shown_to_user_overlay(stored);
    case XattrView::kOverlaid:
      break;
  }
  if (is_composefs && is_twin(stored)) return std::nullopt;
  auto name = is_composefs ? logical_name(stored) : std::string(stored);
  if (!name || !name->starts_with(prefix_of(own))) return name;
  return moved(*name, escaped_prefix_of(own), prefix_of(own));
}

bool XattrNames::is_shown(std::string_view stored) const {
  // Most names are of no overlay.
  if (!stored.starts_with(kTrustedOverlay) &&
      !stored.starts_with(kUserOverlay)) {
    return true;
  }
  return shown(stored).has_value();
}

std::optional<std::string> XattrNames::stored(std::string_view asked) const {
  switch (view) {
    case XattrView::kPlain:
    case XattrView::kForTrusted:
      return std::string(asked);
    case XattrView::kForUser:
      return stored_for_user_overlay(asked);
    case XattrView::kLogical:
    case XattrView::kOverlaid:
      break;
  }
  std::string name(asked);
  if (view == XattrView::kOverlaid) {
    if (auto escaped = moved(name, prefix_of(own), escaped_prefix_of(own))) {
      name = *std::move(escaped);
    }
    if (!is_composefs) return name;
    if (is_twin(name)) return std::nullopt;
  }
  if (auto escaped = moved(name, kTrustedOverlay, kTrustedEscaped)) {
    return escaped;
  }
  return name;
}

}  // namespace veneer::composefs
