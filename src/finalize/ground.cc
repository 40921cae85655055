// SPDX-License-Identifier: MIT

#include "finalize/ground.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "finalize/metadata_copy.h"
#include "layer/host/overlay_xattrs.h"
#include "sys/credentials.h"
#include "sys/file.h"
#include "sys/open.h"
#include "sys/remove_tree.h"
#include "sys/xattr.h"

namespace veneer::finalize {

namespace {

Result<sys::UniqueFd> open_readable(const std::string& path) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(path));
  auto readable = sys::reopen(dir.get(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!readable) return readable.error().about(path);
  return readable;
}

// How the upper says things: in which namespace, and whether by whiteouts that
// the kernel knows.
struct Form {
  layer::XattrNamespace ns = layer::XattrNamespace::kNone;
  bool is_kernels = false;
};
Form form_of(int upper) {
  for (const auto ns :
       {layer::XattrNamespace::kTrusted, layer::XattrNamespace::kUser}) {
    const auto has = [&](std::string_view mark) {
      const auto value =
          sys::get_xattr_fd(upper, layer::own_name(ns, mark).c_str());
      return value && *value;
    };
    const auto form =
        sys::get_xattr_fd(upper, layer::own_name(ns, layer::kForm).c_str());
    if (form && *form) return {ns, **form == "kernel"};
    if (has(layer::kOrigin) || has(layer::kImpure) || has(layer::kUuid)) {
      return {ns, true};
    }
  }
  return {};
}

// Also when its marks are gone already.
layer::XattrNamespace own_of(int upper) {
  const layer::XattrNamespace ns = form_of(upper).ns;
  if (ns != layer::XattrNamespace::kNone) return ns;
  return sys::have_capability(CAP_SYS_ADMIN) ? layer::XattrNamespace::kTrusted
                                             : layer::XattrNamespace::kUser;
}

Result<void> remove_root_marks(int upper, layer::XattrNamespace own) {
  const auto names = sys::list_xattrs_fd(upper);
  if (!names) return {};  // no attributes, no marks
  Result<void> removed;
  layer::for_each_name(*names, [&](std::string_view name) {
    if (removed && !layer::shown_name(own, name)) {
      removed = sys::remove_xattr_fd(upper, std::string(name).c_str());
    }
  });
  return removed;
}

}  // namespace

Site Ground::site(int base_dir, int staging) const {
  Site site{.base = base_dir, .upper = upper.get(), .staging = staging};
  site.index = index.get();
  site.open_data = open_data;
  for (const sys::UniqueFd& dir : below) site.below.push_back(dir.get());
  const Form form = form_of(upper.get());
  site.own = form.ns;
  site.markers_in_base = !form_of(base.get()).is_kernels;
  if (!below.empty() && form.is_kernels) {
    site.marks = form.ns;
    site.mknod_whiteouts = true;
  }
  return site;
}

Result<Ground> open_upper_ground(const Directories& directories) {
  Ground ground;
  ground.directories = directories;
  TRY_ASSIGN(ground.upper, open_readable(directories.upper));
  TRY_ASSIGN(ground.work, open_readable(directories.work));
  if (auto index = sys::open_at(ground.work.get(), "index",
                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
    ground.index = *std::move(index);
  } else if (index.error().code() != ENOENT) {
    return index.error().about(directories.work);
  }
  return ground;
}

Result<Ground> open_ground(const Directories& directories) {
  const stack::LowerName base = stack::parse_lower(directories.lowers.front());
  if (base.kind != stack::LowerKind::kDirectory) {
    return Error(
        EROFS, "",
        fmt::format("{0} is no directory but a {1}, which nothing is written "
                    "to (make a layer of the changes: veneer layer build "
                    "--upper {2}; or keep them: veneer export --oci FILE {2})",
                    base.path, stack::describe(base.kind), directories.upper));
  }
  TRY_ASSIGN(sys::UniqueFd base_dir, open_readable(base.path));
  TRY_ASSIGN(Ground ground, open_upper_ground(directories));
  ground.base = std::move(base_dir);
  for (std::size_t i = 1; i < directories.lowers.size(); ++i) {
    const stack::LowerName lower = stack::parse_lower(directories.lowers[i]);
    sys::UniqueFd dir;
    if (lower.kind == stack::LowerKind::kDirectory) {
      TRY_ASSIGN(dir, open_readable(lower.path));
    }
    ground.below.push_back(std::move(dir));
  }
  return ground;
}

Result<void> tell(const OnProgress& progress, std::string_view stage,
                  std::uint64_t done, std::uint64_t total) {
  if (progress && !progress({.stage = stage, .done = done, .total = total})) {
    return Error(ECANCELED, "stop");
  }
  return {};
}

std::string fresh_staging_name() {
  std::random_device random;
  return fmt::format(".veneer-{:08x}{:08x}", random(), random());
}

Result<void> apply_root_attrs(const Site& site,
                              const std::vector<Step>& steps) {
  std::vector<Step> root;
  std::ranges::copy_if(steps, std::back_inserter(root), [](const Step& step) {
    return step.kind == StepKind::kAttrs && step.path.empty();
  });
  return apply(site, root, Which::kOtherSteps, {});
}

namespace {

// An image has no more than these.
Result<void> give_attributes(int dir, const Attr& attr) {
  // Whoever is not root has directories of their own.
  ignore_error(sys::chown_fd(dir, attr.uid, attr.gid));
  TRY(sys::chmod_fd(dir, attr.mode & 07777));
  const timespec times[2] = {attr.atime, attr.mtime};
  return sys::utimens_fd(dir, times);
}

// With an empty upper the merged root has the upper's attributes: they are to
// be the base's. A base that is gone has none to give.
Result<void> give_base_attributes(const Ground& ground,
                                  layer::XattrNamespace own) {
  const std::string& lower = ground.base_path();
  if (stack::parse_lower(lower).kind != stack::LowerKind::kDirectory) {
    const auto image = stack::open_lower(lower, ground.directories.stores, {});
    if (!image) return {};
    return give_attributes(ground.upper.get(), (*image)->root().attr);
  }
  // Not ground.base, which after an exchange is the old one.
  const auto base = open_readable(lower);
  if (!base && base.error().code() == ENOENT) return {};
  if (!base) return base.error();
  TRY_ASSIGN(const Attr attr, sys::stat_fd(base->get()));
  const Metadata metadata = metadata_of(attr);
  return copy_metadata({.object = {.dir = base->get()},
                        .attr = attr,
                        .metadata = metadata,
                        .own = own,
                        .file = base->get()},
                       {.dir = ground.upper.get()}, ground.upper.get());
}

}  // namespace

Result<void> empty_upper(const Ground& ground) {
  if (auto gone = sys::remove_entries(ground.upper.get()); !gone) {
    return gone.error().about(ground.directories.upper);
  }
  const layer::XattrNamespace own = own_of(ground.upper.get());
  TRY(give_base_attributes(ground, own));
  TRY(remove_root_marks(ground.upper.get(), own));
  for (const char* const name : {"work", "index"}) {
    TRY(sys::remove_tree_at(ground.work.get(), name));
  }
  TRY(remove_journal(ground.work.get()));
  return sys::fsync_fd(ground.work.get());
}

Result<void> remove_staging(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const auto parent = sys::open_dir(slash == 0 ? "/" : path.substr(0, slash));
  if (!parent) {
    if (parent.error().code() == ENOENT) return {};
    return parent.error();
  }
  auto gone = sys::remove_tree_at(parent->get(), path.c_str() + slash + 1);
  if (!gone) return gone.error().about(path);
  return {};
}

Error interrupted(const Error& error, const Directories& directories) {
  return {error.code(), "",
          fmt::format("{} (nothing is lost; when that is put right: veneer "
                      "recover {})",
                      error.message(), directories.upper)};
}

}  // namespace veneer::finalize
