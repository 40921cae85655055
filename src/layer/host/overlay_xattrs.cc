// SPDX-License-Identifier: MIT

#include "layer/host/overlay_xattrs.h"

#include <fmt/format.h>

#include <charconv>

namespace veneer::layer {
namespace {

constexpr std::string_view kEscape = "overlay.";

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255;
}

}  // namespace

std::string_view prefix_of(XattrNamespace ns) {
  switch (ns) {
    case XattrNamespace::kTrusted:
      return kTrustedPrefix;
    case XattrNamespace::kUser:
      return kUserPrefix;
    case XattrNamespace::kNone:
      break;
  }
  return {};
}

std::string own_name(XattrNamespace ns, std::string_view suffix) {
  return std::string(prefix_of(ns)).append(suffix);
}

std::string stored_name(XattrNamespace ns, std::string_view user_name) {
  const std::string_view prefix = prefix_of(ns);
  if (prefix.empty() || !user_name.starts_with(prefix)) {
    return std::string(user_name);
  }
  return std::string(prefix).append(kEscape).append(
      user_name.substr(prefix.size()));
}

std::optional<std::string> shown_name(XattrNamespace ns,
                                      std::string_view stored) {
  const std::string_view prefix = prefix_of(ns);
  if (prefix.empty() || !stored.starts_with(prefix)) {
    return std::string(stored);
  }
  stored.remove_prefix(prefix.size());
  if (!stored.starts_with(kEscape)) return std::nullopt;
  return std::string(prefix).append(stored.substr(kEscape.size()));
}

std::string shown_names(XattrNamespace ns, std::string_view stored_list) {
  std::string shown;
  for_each_name(stored_list, [&](std::string_view stored) {
    if (const auto name = shown_name(ns, stored)) {
      shown.append(*name).push_back('\0');
    }
  });
  return shown;
}

bool is_valid_redirect(std::string_view redirect) {
  if (redirect.find('\0') != std::string_view::npos) return false;
  if (!redirect.starts_with('/')) {
    return is_plain_name(redirect) &&
           redirect.find('/') == std::string_view::npos;
  }
  if (redirect.size() > 4096) return false;
  while (!redirect.empty()) {
    redirect.remove_prefix(1);
    const std::size_t end = redirect.find('/');
    if (!is_plain_name(redirect.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    redirect.remove_prefix(end);
  }
  return false;
}

std::string encode_nlink(Marks::Nlink nlink) {
  std::string text(1, nlink.of_upper ? 'U' : 'L');
  if (nlink.delta >= 0) text.push_back('+');
  return text.append(std::to_string(nlink.delta));
}

std::optional<Marks::Nlink> decode_nlink(std::string_view value) {
  if (value.size() < 3 || (value[0] != 'U' && value[0] != 'L')) return {};
  if (value[1] != '+' && value[1] != '-') return {};
  if (value[2] < '0' || value[2] > '9') return {};
  const char* begin = value.data() + (value[1] == '+' ? 2 : 1);
  const char* end = value.data() + value.size();
  // An int, as in the kernel: sums of it and a link count do not overflow.
  std::int32_t delta = 0;
  const auto [stop, error] = std::from_chars(begin, end, delta);
  if (error != std::errc{} || stop != end) return {};
  return Marks::Nlink{.of_upper = value[0] == 'U', .delta = delta};
}

std::string encode_protection(bool immutable, bool append_only) {
  std::string value;
  if (append_only) value.push_back('a');
  if (immutable) value.push_back('i');
  return value;
}

std::string encode_number(std::uint64_t number) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>(number >> (8 * i)));
  }
  return bytes;
}

std::optional<std::uint64_t> decode_number(std::string_view value) {
  if (value.size() != 8) return {};
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    number |= std::uint64_t{static_cast<unsigned char>(value[i])} << (8 * i);
  }
  return number;
}

std::string encode_state(const Attr& attr) {
  return fmt::format("{}.{:09} {} {:o} {} {}", attr.mtime.tv_sec,
                     attr.mtime.tv_nsec, attr.size, attr.mode, attr.uid,
                     attr.gid);
}

Opacity decode_opaque(std::string_view value) {
  if (value == "y") return Opacity::kBlocks;
  if (value == "x") return Opacity::kXattrWhiteouts;
  return Opacity::kNone;
}

bool decode_mark(std::string_view suffix, std::string_view value,
                 Marks& marks) {
  if (suffix == kOpaque) {
    if (decode_opaque(value) == Opacity::kBlocks) marks.opaque = true;
  } else if (suffix == kRedirect) {
    if (is_valid_redirect(value)) marks.redirect = std::string(value);
  } else if (suffix == kMetacopy) {
    marks.metacopy = true;
  } else if (suffix == kOrigin) {
    marks.origin = std::string(value);
  } else if (suffix == kImpure) {
    marks.impure = value == "y";
  } else if (suffix == kNlink) {
    marks.nlink = decode_nlink(value);
  } else if (suffix == kNumber) {
    marks.number = decode_number(value);
  } else if (suffix == kBase) {
    marks.base_state = std::string(value);
  } else if (suffix == kProtattr) {
    marks.immutable = value.find('i') != std::string_view::npos;
    marks.append_only = value.find('a') != std::string_view::npos;
  } else {
    return false;
  }
  return true;
}

}  // namespace veneer::layer
