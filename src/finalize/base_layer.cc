// SPDX-License-Identifier: MIT
//
// The base directory as a layer over others: directories, what they hide, and
// whiteouts. Without layers below there are directories alone.

#include <fcntl.h>
#include <sys/stat.h>

#include "finalize/applier.h"
#include "finalize/protection.h"
#include "layer/host/host_reads.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/xattr.h"

namespace veneer::finalize {
namespace {

constexpr mode_t kMarkerMode = 0600;

}  // namespace

Result<void> Applier::make_dir(const Step& step) {
  TRY_ASSIGN(const Spot at, base_.find(step.path));
  TRY(uncover(at));
  const auto make = [&] {
    return lifting([&] { return sys::make_dir_at(at.dir, at.name, 0700); },
                   Spot{at.dir, ""});
  };
  auto made = make();
  if (!made && made.error().code() == EEXIST) {
    TRY_ASSIGN(const Attr there, sys::stat_at(at.dir, at.name));
    if (S_ISDIR(there.mode)) {
      made = {};
    } else if (is_whiteout(there)) {
      TRY(sys::unlink_at(at.dir, at.name));
      made = make();
    }
  }
  TRY(std::move(made));
  return set_marks(at, step);
}

Result<void> Applier::set_marks(const Spot& dir, const Step& step) const {
  if (site_.below.empty() || (!step.opaque && step.redirect.empty())) return {};
  if (site_.marks == layer::XattrNamespace::kNone) {
    if (!step.redirect.empty()) return Error(EOPNOTSUPP, "redirect");
    TRY_ASSIGN(const sys::UniqueFd inside,
               sys::open_at(dir.dir, dir.name_to_open(), O_PATH | O_DIRECTORY));
    auto marker =
        sys::open_at(inside.get(), std::string(layer::kOpaqueMarker).c_str(),
                     O_WRONLY | O_CREAT | O_EXCL, kMarkerMode);
    if (!marker && marker.error().code() != EEXIST) return marker.error();
    return {};
  }
  const auto set = [&](std::string_view suffix,
                       const std::string& value) -> Result<void> {
    const std::string name = layer::own_name(site_.marks, suffix);
    TRY_ASSIGN(const auto now,
               sys::get_xattr_at(dir.dir, dir.name, name.c_str()));
    if (now == value) return {};
    return lifting(
        [&] {
          return sys::set_xattr_at(dir.dir, dir.name, name.c_str(), value);
        },
        dir);
  };
  if (step.opaque) TRY(set(layer::kOpaque, "y"));
  if (!step.redirect.empty()) TRY(set(layer::kRedirect, step.redirect));
  return {};
}

Result<void> Applier::whiteout(const Step& step) {
  TRY_ASSIGN(const Spot at, base_.find(step.path));
  if (!site_.mknod_whiteouts) {
    const std::string marker = std::string(layer::kMarkerPrefix) + at.name;
    const auto made = [&]() -> Result<void> {
      TRY(sys::open_at(at.dir, marker.c_str(), O_WRONLY | O_CREAT | O_EXCL,
                       kMarkerMode));
      return {};
    };
    auto done = lifting(made, Spot{at.dir, ""});
    if (!done && done.error().code() != EEXIST) return done;
    return {};
  }
  TRY_ASSIGN(const auto there, sys::find_at(at.dir, at.name));
  if (there && is_whiteout(*there)) return {};
  const auto make = [](const Spot& name) {
    return lifting(
        [&] { return sys::make_node_at(name.dir, name.name, S_IFCHR, 0); },
        Spot{name.dir, ""});
  };
  if (!there) return make(at);
  const std::string aside = temporary('w');
  auto made = make({.dir = site_.staging, .name = aside.c_str()});
  // One that has been left there is as good.
  if (!made && made.error().code() != EEXIST) return made;
  return publish(aside, step);
}

Result<void> Applier::uncover(const Spot& name) const {
  // Elsewhere a name that begins with .wh. is a name like any other.
  if (site_.below.empty() || !site_.markers_in_base) return {};
  const std::string marker = std::string(layer::kMarkerPrefix) + name.name;
  auto gone = lifting([&] { return sys::unlink_at(name.dir, marker.c_str()); },
                      Spot{name.dir, ""});
  // Of a name that is nearly as long as names can be there is no marker.
  if (!gone && !is_absence(gone.error()) &&
      gone.error().code() != ENAMETOOLONG) {
    return gone;
  }
  return {};
}

bool Applier::is_whiteout(const Attr& attr) const {
  return !site_.below.empty() && S_ISCHR(attr.mode) && attr.rdev == 0;
}

}  // namespace veneer::finalize
