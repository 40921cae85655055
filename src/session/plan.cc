// SPDX-License-Identifier: MIT

#include "session/plan.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "session/manifest.h"
#include "sys/credentials.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/open.h"

namespace veneer::session {
namespace {

namespace fs = std::filesystem;

// What a directory is, however many paths lead to it.
struct Identity {
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  std::uint64_t mnt_id = 0;

  bool is_same_dir(const Identity& other) const {
    return dev == other.dev && ino == other.ino;
  }
};

struct KnownDir {
  std::string role;  // "upper directory"
  std::string path;  // as shown to the user
  bool exists = true;
  bool can_be_made = true;  // by mkdir(1)
  // What follows is about the directory, or about its parent if it is missing.
  std::string resolved;  // without symbolic links
  Identity identity;
  // It and the directories above, as far as its mount goes: what another mount
  // covers is not part of a layer.
  std::vector<Identity> chain;
};

std::string parent_of(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "/" : parent;
}

Result<Identity> identify(const std::string& path) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(path));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(dir.get()));
  return Identity{attr.dev, attr.ino, attr.mnt_id};
}

Error cannot_use(const KnownDir& dir, const Error& error) {
  switch (error.code()) {
    case ENOENT:
      if (!dir.can_be_made) {
        return sentence(ENOENT, fmt::format("{} {} does not exist (check the "
                                            "path)",
                                            dir.role, dir.path));
      }
      return sentence(ENOENT, fmt::format("{0} {1} does not exist (create it: "
                                          "mkdir -p {1})",
                                          dir.role, dir.path));
    case ENOTDIR:
      return sentence(ENOTDIR,
                      fmt::format("{} {} is not a directory (name a directory)",
                                  dir.role, dir.path));
    case EACCES:
      return sentence(EACCES,
                      fmt::format("{} {} may not be entered by this user "
                                  "(check the permissions of it and of the "
                                  "directories above it)",
                                  dir.role, dir.path));
    case ENOTCONN:
      return sentence(ENOTCONN,
                      fmt::format("{0} {1} is on a mount whose server is gone "
                                  "(clear it: veneer umount {1})",
                                  dir.role, dir.path));
    default:
      return sentence(error.code(),
                      fmt::format("{} {} cannot be used: {} (check the path)",
                                  dir.role, dir.path, reason_of(error.code())));
  }
}

// Looks at directories, each of those above them once.
class Survey {
 public:
  Result<KnownDir> look_at(std::string role, const Place& place) {
    KnownDir dir{
        .role = std::move(role), .path = place.path, .exists = !place.make};
    dir.can_be_made = dir.role != stack::describe(stack::LowerKind::kLayerfs);
    const std::string look = place.make ? parent_of(place.path) : place.path;
    const auto identity = identify(look);
    if (!identity) return cannot_use(dir, identity.error());
    dir.identity = *identity;
    std::error_code error;
    dir.resolved = fs::canonical(look, error).string();
    if (error) return cannot_use(dir, Error(error.value(), "realpath"));
    add_chain(dir);
    return dir;
  }

 private:
  void add_chain(KnownDir& dir) {
    dir.chain.push_back(dir.identity);
    for (std::string path = dir.resolved; path != "/";) {
      path = parent_of(path);
      auto [seen, is_new] = seen_.try_emplace(path);
      if (is_new) {
        if (const auto identity = identify(path)) seen->second = *identity;
      }
      // One that may not be seen hides no overlap we could know of.
      if (seen->second.mnt_id != dir.identity.mnt_id) return;
      dir.chain.push_back(seen->second);
    }
  }

  std::map<std::string, Identity> seen_;
};

bool is_within(const KnownDir& inner, const KnownDir& outer) {
  return outer.exists &&
         std::ranges::any_of(inner.chain, [&](const Identity& dir) {
           return dir.is_same_dir(outer.identity);
         });
}

Result<void> refuse_overlap(const KnownDir& a, const KnownDir& b) {
  const bool both = a.exists && b.exists;
  if ((both && a.identity.is_same_dir(b.identity)) || a.path == b.path) {
    return sentence(EINVAL, fmt::format("{} {} is also the {} (name another "
                                        "directory for one of them)",
                                        a.role, a.path, b.role));
  }
  for (const auto& [inner, outer] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (is_within(*inner, *outer)) {
      return sentence(
          EINVAL,
          fmt::format("{} {} lies inside the {} {} (move it out)", inner->role,
                      inner->path, outer->role, outer->path));
    }
  }
  return {};
}

// Pairwise, but a stack of hundreds of lowers must not cost its square: lowers
// are compared by sorted paths and identities.
Result<void> refuse_overlapping_lowers(const std::vector<KnownDir>& lowers) {
  std::vector<const KnownDir*> sorted;
  sorted.reserve(lowers.size());
  for (const KnownDir& lower : lowers) sorted.push_back(&lower);
  std::ranges::sort(sorted, {}, [](const KnownDir* dir) {
    return std::pair(dir->identity.dev, dir->identity.ino);
  });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i]->identity.is_same_dir(sorted[i - 1]->identity)) {
      return sentence(EINVAL, fmt::format("{} {} was named twice "
                                          "(name each directory once)",
                                          sorted[i]->role, sorted[i]->path));
    }
  }
  std::ranges::sort(sorted, {},
                    [](const KnownDir* dir) { return dir->resolved + "/"; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const std::string above =
        sorted[i - 1]->resolved == "/" ? "/" : sorted[i - 1]->resolved + "/";
    if (sorted[i]->resolved.starts_with(above)) {
      TRY(refuse_overlap(*sorted[i], *sorted[i - 1]));
    }
  }
  return {};
}

// `dir` is the upper or the work directory.
Result<void> refuse_among(const KnownDir& dir,
                          const std::vector<KnownDir>& lowers,
                          const KnownDir& mount_point) {
  for (const KnownDir& lower : lowers) TRY(refuse_overlap(dir, lower));
  if (is_within(mount_point, dir)) {
    return sentence(EINVAL, fmt::format("mount point {} lies inside the {} {} "
                                        "(name another directory)",
                                        mount_point.path, dir.role, dir.path));
  }
  return {};
}

Result<void> refuse_foreign_work(const KnownDir& work) {
  TRY_ASSIGN(const sys::UniqueFd dir, sys::open_dir(work.path));
  const auto listable = sys::reopen(dir.get(), O_RDONLY | O_DIRECTORY);
  if (!listable) return cannot_use(work, listable.error());
  if (has_manifest(dir.get())) return {};
  std::string foreign;
  TRY(sys::read_dir(listable->get(),
                    [&](std::string_view name, std::uint64_t, std::uint8_t) {
                      if (!is_work_entry(name)) foreign = name;
                    }));
  if (foreign.empty()) return {};
  return sentence(ENOTEMPTY,
                  fmt::format("work directory {} holds files that are not an "
                              "overlay's, such as '{}' (name an empty "
                              "directory: --work)",
                              work.path, foreign));
}

Result<void> refuse_apart(const KnownDir& upper, const KnownDir& work) {
  const bool one_mount = upper.identity.mnt_id == work.identity.mnt_id;
  if (upper.identity.dev == work.identity.dev && one_mount) return {};
  return sentence(
      EXDEV,
      fmt::format(
          "work directory {} is not on the {} of the upper {} "
          "(name one beside the upper: --work {}.work)",
          work.path,
          upper.identity.dev == work.identity.dev ? "mount" : "file system",
          upper.path, upper.path));
}

// What is mounted exactly there, known by the table alone, since to ask a mount
// whose server hangs would hang us.
Result<void> refuse_mounted(const std::string& shown,
                            const std::string& resolved,
                            const std::vector<KnownDir>& lowers) {
  TRY_ASSIGN(const std::optional<sys::MountEntry> mounted,
             sys::find_mount(resolved));
  if (!mounted) return {};
  if (mounted->fs_type == "fuse.veneer") {
    return sentence(EBUSY,
                    fmt::format("mount point {0} is in use: an overlay is "
                                "mounted there (veneer umount {0})",
                                shown));
  }
  if (std::ranges::find(lowers, resolved, &KnownDir::resolved) !=
      lowers.end()) {
    return {};
  }
  return sentence(
      EBUSY, fmt::format("mount point {} is in use: a file system of type {} "
                         "is mounted there (unmount it, or name another "
                         "directory)",
                         shown, mounted->fs_type));
}

// Root reads lowers through private copies of their mounts, in which nothing is
// mounted. Others would find the overlay in itself, without end.
Result<void> refuse_inside_lower(const KnownDir& mount_point,
                                 const std::vector<KnownDir>& lowers) {
  if (sys::have_capability(CAP_SYS_ADMIN)) return {};
  for (const KnownDir& lower : lowers) {
    const bool is_lower =
        mount_point.exists && mount_point.identity.is_same_dir(lower.identity);
    if (is_within(mount_point, lower) && !is_lower) {
      return sentence(EINVAL,
                      fmt::format("mount point {} lies inside the lower "
                                  "directory {}, which works for root only "
                                  "(name another directory)",
                                  mount_point.path, lower.path));
    }
  }
  return {};
}

// It is a file, and opened as one later.
Result<void> check_image(const stack::LowerName& name) {
  const auto image = sys::open_file(name.path);
  if (image) return {};
  return sentence(image.error().code(),
                  fmt::format("{} {} cannot be opened: {} (check the path)",
                              stack::describe(name.kind), name.path,
                              reason_of(image.error().code())));
}

bool exists(const std::string& path) {
  const auto found = sys::find_at(AT_FDCWD, path.c_str());
  return !found || found->has_value();  // an error is for others to report
}

}  // namespace

std::string to_absolute(const std::string& path) {
  std::error_code error;
  std::string result = fs::absolute(path, error).string();
  if (error) return path;
  while (result.size() > 1 && result.back() == '/') result.pop_back();
  const fs::path last = fs::path(result).filename();
  if (last == "." || last == "..") {
    const fs::path resolved = fs::canonical(result, error);
    if (!error) return resolved.string();
  }
  return result;
}

std::string to_absolute_lower(const std::string& lower) {
  stack::LowerName name = stack::parse_lower(lower);
  name.path = to_absolute(name.path);
  return stack::to_text(name);
}

namespace {

stack::Stores to_absolute_stores(stack::Stores stores) {
  if (!stores.blobs.empty()) stores.blobs = to_absolute(stores.blobs);
  for (std::string& objects : stores.objects) objects = to_absolute(objects);
  return stores;
}

}  // namespace

void make_absolute(Config& config) {
  for (std::string& lower : config.lowers) lower = to_absolute_lower(lower);
  config.stores = to_absolute_stores(std::move(config.stores));
  for (std::string* const path :
       {&config.upper, &config.work, &config.mount_point}) {
    if (!path->empty()) *path = to_absolute(*path);
  }
}

Result<std::string> resolve_mount_point(const std::string& path) {
  std::string absolute = to_absolute(path);
  if (absolute == "/") return absolute;
  std::error_code error;
  const fs::path parent = fs::canonical(parent_of(absolute), error);
  if (error) {
    return Error(error.value(), "realpath", absolute);
  }
  std::string resolved = (parent / fs::path(absolute).filename()).string();
  TRY_ASSIGN(const std::optional<sys::MountEntry> mounted,
             sys::find_mount(resolved));
  if (mounted) return resolved;
  const auto target = sys::read_link_at(AT_FDCWD, resolved.c_str());
  if (!target) return resolved;  // no symbolic link
  const fs::path followed = fs::path(resolved).parent_path() / *target;
  const fs::path whole = fs::weakly_canonical(followed, error);
  return error ? followed.string() : whole.string();
}

Result<Plan> name_places(const Config& config) {
  if (config.lowers.empty()) {
    return sentence(EINVAL,
                    "no lower directory was named (veneer mount --lower DIR)");
  }
  Plan plan;
  for (const std::string& lower : config.lowers) {
    plan.lowers.push_back(to_absolute_lower(lower));
  }
  plan.stores = to_absolute_stores(config.stores);
  const std::string base = stack::parse_lower(plan.lowers.front()).path;
  const bool nothing_else = config.lowers.size() == 1 && config.upper.empty() &&
                            config.work.empty() && config.mount_point.empty() &&
                            !config.read_only;
  plan.read_only = config.read_only;

  if (!config.upper.empty()) {
    plan.upper.path = to_absolute(config.upper);
    plan.upper_reason = "asked for";
  } else if (nothing_else || (config.make_missing && !config.read_only)) {
    plan.upper.path = base + ".upper";
    plan.upper_reason = "by default beside the lower";
  } else {
    plan.upper_reason =
        config.read_only ? "read-only, as asked for" : "no upper was named";
  }

  if (config.read_only) {
    // Nothing will be prepared.
  } else if (!config.work.empty()) {
    plan.work.path = to_absolute(config.work);
  } else if (!config.upper.empty()) {
    plan.work.path = plan.upper.path + ".work";
  } else if (!plan.upper.path.empty()) {
    plan.work.path = base + ".work";
  }
  plan.mount_point.path = config.mount_point.empty()
                              ? base + ".mountpoint"
                              : to_absolute(config.mount_point);

  const auto may_make = [&](Place& place, const std::string& named) {
    place.make = !place.path.empty() &&
                 (named.empty() || config.make_missing) && !exists(place.path);
  };
  may_make(plan.upper, config.upper);
  may_make(plan.work, config.work);
  may_make(plan.mount_point, config.mount_point);
  return plan;
}

Result<Plan> make_plan(const Config& config) {
  TRY_ASSIGN(Plan plan, name_places(config));
  if (plan.upper.path.empty() && !config.work.empty() && !config.read_only) {
    return sentence(EINVAL,
                    "a work directory without an upper has no use "
                    "(name an upper: --upper DIR)");
  }

  Survey survey;
  std::vector<KnownDir> lowers;
  for (const std::string& text : plan.lowers) {
    const stack::LowerName name = stack::parse_lower(text);
    if (name.kind == stack::LowerKind::kComposefs) {
      TRY(check_image(name));
      continue;
    }
    TRY_ASSIGN(KnownDir lower,
               survey.look_at(stack::describe(name.kind), {name.path, false}));
    lowers.push_back(std::move(lower));
  }
  TRY(refuse_overlapping_lowers(lowers));

  // The mount table first: nothing may hang on a mount that is not answered.
  if (!plan.mount_point.make) {
    const auto resolved = resolve_mount_point(plan.mount_point.path);
    if (resolved) {
      TRY(refuse_mounted(plan.mount_point.path, *resolved, lowers));
    }
  }
  TRY_ASSIGN(const KnownDir mount_point,
             survey.look_at("mount point", plan.mount_point));
  if (!plan.mount_point.make) plan.mount_point.path = mount_point.resolved;

  TRY(refuse_inside_lower(mount_point, lowers));

  if (plan.upper.path.empty()) return plan;
  TRY_ASSIGN(const KnownDir upper,
             survey.look_at("upper directory", plan.upper));
  TRY(refuse_among(upper, lowers, mount_point));
  if (plan.work.path.empty()) return plan;
  TRY_ASSIGN(const KnownDir work, survey.look_at("work directory", plan.work));
  TRY(refuse_overlap(upper, work));
  TRY(refuse_among(work, lowers, mount_point));
  TRY(refuse_apart(upper, work));
  if (work.exists) TRY(refuse_foreign_work(work));
  return plan;
}

}  // namespace veneer::session
