// SPDX-License-Identifier: MIT
//
// Bytes from a layer's xattrs, given to everything that reads such bytes. What
// is accepted must hold what the headers promise; else the process aborts.
//
// Run by the fuzzer, and on its corpus by a unit test.

#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "layer/host/acl.h"
#include "layer/host/origin_record.h"
#include "layer/host/overlay_xattrs.h"
#include "require.h"

namespace veneer::fuzz {

inline void check_redirect(std::string_view bytes) {
  if (!layer::is_valid_redirect(bytes)) return;
  require(!bytes.empty() && bytes.find('\0') == bytes.npos);
  const bool absolute = bytes.starts_with('/');
  require(absolute || bytes.find('/') == bytes.npos);
  if (absolute) bytes.remove_prefix(1);
  for (bool more = true; more;) {
    const std::size_t slash = bytes.find('/');
    const std::string_view name = bytes.substr(0, slash);
    require(!name.empty() && name != "." && name != ".." && name.size() <= 255);
    more = slash != bytes.npos;
    if (more) bytes.remove_prefix(slash + 1);
  }
}

inline void check_marks(std::string_view bytes) {
  constexpr std::array kSuffixes = {
      layer::kOpaque, layer::kRedirect, layer::kMetacopy,
      layer::kOrigin, layer::kImpure,   layer::kNlink,
      layer::kNumber, layer::kBase,     layer::kProtattr};
  Marks marks;
  for (const std::string_view suffix : kSuffixes) {
    require(layer::decode_mark(suffix, bytes, marks));
  }
  require(!marks.whiteout);
  require(marks.origin == bytes);
  require(!marks.redirect || *marks.redirect == bytes);
  require(!marks.number || layer::encode_number(*marks.number) == bytes);
  if (marks.nlink) {
    require(marks.nlink->delta >= -2147483648 &&
            marks.nlink->delta <= 2147483647);
    const auto again = layer::decode_nlink(layer::encode_nlink(*marks.nlink));
    require(again && again->delta == marks.nlink->delta &&
            again->of_upper == marks.nlink->of_upper);
  }
  // As a suffix it is a mark only if it is one of those.
  Marks none;
  const bool is_mark = layer::decode_mark(bytes, "y", none);
  require(is_mark == (std::ranges::find(kSuffixes, bytes) != kSuffixes.end()));
}

inline void check_names(std::string_view bytes) {
  const std::string name(bytes.substr(0, bytes.find('\0')));
  for (const auto ns :
       {layer::XattrNamespace::kNone, layer::XattrNamespace::kTrusted,
        layer::XattrNamespace::kUser}) {
    require(layer::shown_name(ns, layer::stored_name(ns, name)) == name);
    const std::string shown = layer::shown_names(ns, bytes);
    require(shown.size() <= bytes.size() + 1);
    require(shown.empty() || shown.back() == '\0');
  }
}

inline void check_origin(std::string_view bytes) {
  const auto origin = layer::decode_origin(bytes);
  if (!origin) return;
  require(bytes.size() == layer::kOriginHeader + origin->fid.size());
  require(layer::to_hex(bytes).size() == 2 * bytes.size());
  const std::string again = layer::encode_origin(*origin);
  require(origin->type == 0 ? again.empty()
                            : layer::decode_origin(again)->fid == origin->fid);
}

inline void check_acl(std::string_view bytes) {
  for (const mode_t mode : {0U, 0640U, 0107777U}) {
    const auto inherited = layer::inherit_acl(bytes, mode);
    if (!inherited) continue;
    // Rights only ever go, and nothing but rights.
    require((inherited->mode & ~mode) == 0);
    require((inherited->mode & ~mode_t{0777}) == (mode & ~mode_t{0777}));
    require(!inherited->access || inherited->access->size() == bytes.size());
  }
}

inline void check_overlay_marks(std::string_view bytes) {
  check_redirect(bytes);
  check_marks(bytes);
  check_names(bytes);
  check_origin(bytes);
  check_acl(bytes);
}

}  // namespace veneer::fuzz
