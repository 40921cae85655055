// SPDX-License-Identifier: MIT

#include "layerfs/markers.h"

#include <cerrno>

namespace veneer::layerfs {
namespace {

constexpr std::string_view kPrefix = ".wh.";
constexpr std::string_view kOwnPrefix = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

}  // namespace

Result<Marker> decode_marker(std::string_view path) {
  std::size_t begin = 0;
  for (;;) {
    const std::size_t slash = path.find('/', begin);
    const std::string_view name = path.substr(begin, slash - begin);
    const bool is_last = slash == path.npos;
    if (name.starts_with(kPrefix)) {
      const std::string_view dir = path.substr(0, begin == 0 ? 0 : begin - 1);
      if (is_last && name == kOpaque) {
        return Marker{Marker::Kind::kOpaque, std::string(dir)};
      }
      if (name.starts_with(kOwnPrefix)) {
        return Marker{Marker::Kind::kIgnored, {}};
      }
      if (!is_last) return Error(EINVAL, "", "it is below a whiteout");
      if (name == kPrefix) {
        return Error(EINVAL, "", "a whiteout that names nothing");
      }
      std::string hidden(path);
      hidden.erase(begin, kPrefix.size());
      return Marker{Marker::Kind::kWhiteout, std::move(hidden)};
    }
    if (is_last) return Marker{};
    begin = slash + 1;
  }
}

}  // namespace veneer::layerfs
