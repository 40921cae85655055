// SPDX-License-Identifier: MIT

#include "layer/host/open_layers.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "layer/host/host_upper.h"
#include "sys/copy_data.h"
#include "sys/credentials.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/mount.h"
#include "sys/open.h"
#include "sys/process.h"
#include "sys/xattr.h"

namespace veneer::layer {
namespace {

// An upper without xattrs records its form by this file, which the prefix
// hides wherever markers are read.
constexpr const char* kFormMarker = ".wh..wh.veneer";

bool is_privileged() { return sys::have_capability(CAP_SYS_ADMIN); }

std::size_t cached_dirs() {
  // A quarter of what the process may open: files, pins and the caller's own
  // need the rest.
  const auto limit = sys::raise_open_files_limit();
  const std::size_t quarter = limit ? *limit / 4 : 256;
  return std::min<std::size_t>(std::max<std::size_t>(quarter, 64), 4096);
}

std::array<std::uint8_t, 16> uuid_of(int readable) {
  auto uuid = sys::fs_uuid(readable);
  return uuid ? *uuid : std::array<std::uint8_t, 16>{};
}

// What the layer says of itself: "kernel", "dotwh", or "" where nothing. One
// that the kernel has written to says so by its own marks on the root.
std::string recorded_form(int root, XattrNamespace ns) {
  if (ns != XattrNamespace::kNone) {
    const auto form = sys::get_xattr_fd(root, own_name(ns, kForm).c_str());
    if (form && *form) return **form;
    for (const std::string_view mark : {kOrigin, kImpure, kUuid}) {
      const auto value = sys::get_xattr_fd(root, own_name(ns, mark).c_str());
      if (value && *value) return "kernel";
    }
  }
  const auto marker = sys::find_at(root, kFormMarker);
  return marker && *marker ? "dotwh" : "";
}

XattrNamespace probe_xattrs(int file) {
  for (const auto ns : {XattrNamespace::kTrusted, XattrNamespace::kUser}) {
    if (ns == XattrNamespace::kTrusted && !is_privileged()) continue;
    if (sys::set_xattr_fd(file, own_name(ns, "veneer.probe").c_str(), "y")) {
      return ns;
    }
  }
  return XattrNamespace::kNone;
}

const char* name_of(XattrNamespace ns) {
  switch (ns) {
    case XattrNamespace::kTrusted:
      return "trusted";
    case XattrNamespace::kUser:
      return "user";
    case XattrNamespace::kNone:
      break;
  }
  return "";
}

// Tries each primitive for real, in `work` (readable, swept before and after).
Result<XattrNamespace> probe(int work, UpperReport& report) {
  TRY(sys::make_dir_at(work, "#probe", 0700));
  TRY_ASSIGN(const sys::UniqueFd dir,
             sys::open_at(work, "#probe", O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(const sys::UniqueFd file,
             sys::open_at(dir.get(), "file", O_RDWR | O_CREAT | O_EXCL, 0600));
  const XattrNamespace ns = probe_xattrs(file.get());
  report.xattrs = ns != XattrNamespace::kNone;
  report.xattr_namespace = name_of(ns);
  report.tmpfile = bool(sys::open_tmpfile(dir.get(), O_RDWR, 0600));
  report.file_handles = bool(sys::file_handle(dir.get(), ""));
  if (sys::make_node_at(dir.get(), "whiteout", S_IFCHR, 0)) {
    // Some file systems take the call and keep something else.
    const auto made = sys::stat_at(dir.get(), "whiteout");
    report.mknod_whiteout = made && S_ISCHR(made->mode) && made->rdev == 0;
  }
  report.rename_exchange = bool(sys::rename_at(dir.get(), "file", dir.get(),
                                               "whiteout", RENAME_EXCHANGE));
  const char* moved = report.rename_exchange ? "whiteout" : "file";
  report.rename_whiteout = bool(
      sys::rename_at(dir.get(), moved, dir.get(), "moved", RENAME_WHITEOUT));
  auto clone =
      sys::open_at(dir.get(), "clone", O_RDWR | O_CREAT | O_EXCL, 0600);
  if (clone && sys::pwrite_full(file.get(), "x", 1, 0)) {
    const auto copied = sys::copy_range(file.get(), clone->get(), 1);
    report.reflink = copied && copied->cloned;
  }
  return ns;
}

// The form to write, with the reasons for people.
Result<bool> choose_kernel_form(WhiteoutForm wanted,
                                const std::string& recorded,
                                UpperReport& report) {
  std::vector<std::string> missing;
  if (!report.mknod_whiteout) missing.emplace_back("a device 0:0 (mknod)");
  if (!report.xattrs) missing.emplace_back("extended attributes");
  if (!report.rename_whiteout) missing.emplace_back("RENAME_WHITEOUT");
  if (!report.rename_exchange) missing.emplace_back("RENAME_EXCHANGE");
  std::string lacks;
  for (const std::string& item : missing) {
    lacks.append(lacks.empty() ? "" : ", ").append(item);
  }
  if (!recorded.empty()) {
    const bool kernel = recorded == "kernel";
    const bool conflict = (wanted == WhiteoutForm::kDotWh && kernel) ||
                          (wanted == WhiteoutForm::kKernel && !kernel);
    if (conflict) {
      return Error(EINVAL, "whiteouts",
                   "the upper was written with --whiteouts " + recorded +
                       "; leave the option out, or use a new upper");
    }
    report.reasons.push_back("whiteouts: " + recorded +
                             ", as the upper was begun");
    return kernel;
  }
  if (wanted == WhiteoutForm::kDotWh) {
    report.reasons.emplace_back("whiteouts: dotwh, as asked for");
    return false;
  }
  if (missing.empty()) {
    report.reasons.emplace_back(
        "whiteouts: kernel form, the file system has all it needs");
    return true;
  }
  if (wanted == WhiteoutForm::kKernel) {
    return Error(EOPNOTSUPP, "whiteouts",
                 "the upper's file system (" + report.filesystem +
                     ") refuses " + lacks + "; use --whiteouts auto or dotwh");
  }
  report.reasons.push_back("whiteouts: dotwh, since " + report.filesystem +
                           " refuses " + lacks);
  return false;
}

Result<bool> is_empty_dir(int readable) {
  bool empty = true;
  TRY(sys::read_dir(readable, [&](std::string_view, std::uint64_t,
                                  std::uint8_t) { empty = false; }));
  return empty;
}

Result<sys::UniqueFd> open_and_lock(const std::string& path, int fd) {
  TRY_ASSIGN(sys::UniqueFd readable, sys::reopen(fd, O_RDONLY | O_DIRECTORY));
  auto locked = sys::lock_dir(readable.get());
  if (!locked && locked.error().code() == EBUSY) {
    return Error(EBUSY, "lock",
                 path +
                     " is in use by another mount; unmount that first, or "
                     "use another directory");
  }
  TRY(std::move(locked));
  return readable;
}

}  // namespace

Result<std::unique_ptr<Layer>> open_host_lower(const std::string& path,
                                               bool bottom) {
  HostOptions options;
  options.xattrs =
      is_privileged() ? XattrNamespace::kTrusted : XattrNamespace::kUser;
  options.bottom = bottom;
  options.cached_dirs = cached_dirs();
  sys::UniqueFd root;
  if (auto clone = sys::clone_tree(path)) {
    root = *std::move(clone);
    options.quiet = true;
  } else {
    TRY_ASSIGN(root, sys::open_dir(path));
  }
  auto attr = sys::stat_fd(root.get());
  if (!attr) return attr.error().about(path);
  if (!S_ISDIR(attr->mode)) return Error(ENOTDIR, "open", path);
  auto readable = sys::reopen(root.get(), O_RDONLY | O_DIRECTORY);
  if (!readable) return readable.error().about(path);
  options.uuid = uuid_of(readable->get());
  options.markers = recorded_form(root.get(), options.xattrs) != "kernel";
  return std::unique_ptr<Layer>(std::make_unique<HostLayer>(
      std::move(root), *std::move(readable), *attr, options));
}

Result<std::unique_ptr<UpperLayer>> open_host_upper(const UpperOptions& wanted,
                                                    UpperReport& report) {
  TRY_ASSIGN(sys::UniqueFd root, sys::open_dir(wanted.upper));
  TRY_ASSIGN(const sys::UniqueFd work_root, sys::open_dir(wanted.work));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(root.get()));
  TRY_ASSIGN(const Attr work_attr, sys::stat_fd(work_root.get()));
  if (attr.dev != work_attr.dev) {
    return Error(EXDEV, "open",
                 wanted.work + " is not on the file system of " + wanted.upper +
                     "; give a --work beside the upper");
  }
  std::vector<sys::UniqueFd> locks;
  TRY_ASSIGN(sys::UniqueFd upper_lock, open_and_lock(wanted.upper, root.get()));
  TRY_ASSIGN(sys::UniqueFd work_lock,
             open_and_lock(wanted.work, work_root.get()));
  TRY_ASSIGN(report.filesystem, sys::fs_type_name(upper_lock.get()));

  auto work = WorkDir::open(work_root.get(), false);
  if (!work) return work.error().about(wanted.work);
  auto probed = probe((*work)->fd(), report);
  (*work)->discard("#probe");
  if (!probed) return probed.error().about(wanted.work);

  HostOptions options;
  options.xattrs = *probed;
  options.changes = true;
  options.all_xattr_forms = false;
  options.cached_dirs = cached_dirs();
  options.uuid = uuid_of(upper_lock.get());
  const std::string recorded = recorded_form(root.get(), options.xattrs);
  TRY_ASSIGN(const bool kernel_form,
             choose_kernel_form(wanted.form, recorded, report));
  TRY_ASSIGN(const bool empty, is_empty_dir(upper_lock.get()));
  report.form = kernel_form ? "kernel" : "dotwh";
  options.markers = !(kernel_form && (recorded == "kernel" || empty));
  options.all_xattr_forms = recorded.empty() && !empty;
  if (recorded.empty() && empty) {
    if (options.xattrs != XattrNamespace::kNone) {
      TRY(sys::set_xattr_fd(root.get(), own_name(options.xattrs, kForm).c_str(),
                            report.form));
    } else {
      TRY(sys::open_at(root.get(), kFormMarker, O_WRONLY | O_CREAT, 0444));
    }
  }
  report.index = wanted.index && kernel_form && report.file_handles;
  if (wanted.index && kernel_form && !report.file_handles) {
    report.reasons.push_back("index: off, since " + report.filesystem +
                             " has no file handles");
  }
  TRY_ASSIGN(*work, WorkDir::open(work_root.get(), report.index));
  const UpperTraits traits{.kernel_form = kernel_form,
                           .tmpfile = report.tmpfile,
                           .privileged = sys::have_capability(CAP_CHOWN)};
  TRY_ASSIGN(sys::UniqueFd readable, sys::duplicate(upper_lock.get()));
  locks.push_back(std::move(upper_lock));
  locks.push_back(std::move(work_lock));
  return std::unique_ptr<UpperLayer>(std::make_unique<HostUpper>(
      std::move(root), std::move(readable), attr, options, traits,
      *std::move(work), std::move(locks)));
}

}  // namespace veneer::layer
