// SPDX-License-Identifier: MIT

#include "session/machine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/cleanup.h"
#include "fuse/library.h"
#include "layer/host/open_layers.h"
#include "session/config.h"
#include "session/directories.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"
#include "sys/process.h"
#include "sys/service.h"

namespace veneer::session {
namespace {

using enum Standing;

constexpr char kUringSwitch[] = "/sys/module/fuse/parameters/enable_uring";
constexpr char kFuseConf[] = "/etc/fuse.conf";

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::pair<unsigned, unsigned> kernel_version() {
  const std::string release = first_line("/proc/sys/kernel/osrelease");
  const char* const end = release.data() + release.size();
  std::pair<unsigned, unsigned> version;
  const auto [dot, error] = std::from_chars(release.data(), end, version.first);
  if (error == std::errc() && dot != end) {
    std::from_chars(dot + 1, end, version.second);
  }
  return version;
}

bool runs(const std::vector<std::string>& argv) {
  const auto end = sys::run_program(argv);
  return end && end->status == 0;
}

// --- The kernel and FUSE ---

Finding check_kernel() {
  const std::string release = first_line("/proc/sys/kernel/osrelease");
  const auto version = kernel_version();
  if (version >= std::pair(5U, 12U)) {
    return {"kernel", "Kernel", kGood, "Linux " + release, ""};
  }
  return {"kernel", "Kernel", kLimited, "Linux " + release,
          "from Linux 5.12 on, lower directories are read through private "
          "read-only mounts"};
}

Result<void> open_fuse_device() {
  TRY_ASSIGN(const sys::UniqueFd dev, sys::open_dir("/dev"));
  TRY(sys::open_at(dev.get(), "fuse", O_RDWR));
  return {};
}

std::string fuse_remedy(int code) {
  return code == EACCES || code == EPERM
             ? "as root: chmod 666 /dev/fuse; in a container, allow the device"
             : "as root: modprobe fuse; in a container, pass the device in "
               "(--device /dev/fuse)";
}

Finding check_fuse_device() {
  const auto opened = open_fuse_device();
  if (opened) {
    return {"fuse_device", "FUSE device", kGood, "/dev/fuse can be opened", ""};
  }
  return {"fuse_device", "FUSE device", kMissing,
          "/dev/fuse: " + reason_of(opened.error().code()),
          fuse_remedy(opened.error().code())};
}

Finding check_library() {
  const std::string version = fuse::library_version();
  if (fuse::library_has_io_uring()) {
    return {"libfuse", "libfuse", kGood, "built with " + version, ""};
  }
  return {"libfuse", "libfuse", kLimited, "built with " + version,
          "3.18 or newer brings io_uring and birth times: run tools/deps and "
          "build again"};
}

Finding check_passthrough() {
  Finding finding{"passthrough", "Passthrough", kGood, "", ""};
  if (!fuse::library_has_passthrough()) {
    finding.standing = kLimited;
    finding.detail = "not in the libfuse this was built with";
    finding.remedy = "build with libfuse 3.17 or newer";
  } else if (kernel_version() < std::pair(6U, 9U)) {
    finding.standing = kLimited;
    finding.detail = "not in this kernel";
    finding.remedy = "Linux 6.9 or newer has it";
  } else if (geteuid() != 0) {
    finding.standing = kLimited;
    finding.detail = "the kernel allows it to root only";
    finding.remedy = "run as root where it is needed";
  } else {
    finding.detail = "this kernel and libfuse know it";
  }
  return finding;
}

Finding check_io_uring() {
  Finding finding{"io_uring", "FUSE over io_uring", kGood, "enabled", ""};
  if (is_fuse_io_uring_enabled()) return finding;
  finding.standing = kLimited;
  if (first_line(kUringSwitch).empty()) {
    finding.detail = "this kernel has no switch for it";
    finding.remedy = "Linux 6.14 or newer with CONFIG_FUSE_IO_URING has it";
  } else {
    finding.detail = "switched off";
    finding.remedy = fmt::format("as root: echo Y > {}", kUringSwitch);
  }
  return finding;
}

// --- Who may mount ---

Finding check_fusermount() {
  const Fusermount found = find_fusermount();
  if (found.path.empty()) {
    return {"fusermount3", "fusermount3", kMissing, "not found",
            "install the package fuse3; without it only root can mount"};
  }
  if (!found.is_setuid_root) {
    return {"fusermount3", "fusermount3", kLimited,
            found.path + " is not set-uid root",
            fmt::format("as root: chmod u+s {}; without it only root can mount",
                        found.path)};
  }
  return {"fusermount3", "fusermount3", kGood, found.path + ", set-uid root",
          ""};
}

Finding check_allow_other() {
  if (is_allow_other_allowed()) {
    return {"user_allow_other", "allow_other", kGood, "for everybody", ""};
  }
  return {"user_allow_other", "allow_other", kLimited, "for root only",
          fmt::format("to let other users into a user's mount, as root: echo "
                      "user_allow_other >> {}",
                      kFuseConf)};
}

Finding check_user_namespaces() {
  if (runs({"unshare", "--user", "--map-root-user", "true"})) {
    return {"user_namespaces", "User namespaces", kGood, "can be made", ""};
  }
  std::string remedy =
      "needed by rootless containers alone; as root: sysctl "
      "user.max_user_namespaces=15000";
  if (first_line("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
    remedy = "as root: sysctl kernel.unprivileged_userns_clone=1";
  } else if (first_line(
                 "/proc/sys/kernel/apparmor_restrict_unprivileged_userns") ==
             "1") {
    remedy = "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0";
  }
  return {"user_namespaces", "User namespaces", kLimited,
          "cannot be made by this user", remedy};
}

Finding check_kernel_overlayfs(const std::string& scratch) {
  // In namespaces of their own, on a tmpfs that goes with them.
  constexpr char kTry[] =
      "mount -t tmpfs t \"$0\" && cd \"$0\" && mkdir l u w m && "
      "mount -t overlay -o userxattr,lowerdir=l,upperdir=u,workdir=w o m";
  if (runs({"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", kTry,
            scratch})) {
    return {"overlayfs", "Kernel overlayfs", kGood, "in user namespaces too",
            ""};
  }
  return {"overlayfs", "Kernel overlayfs", kLimited,
          "not in user namespaces (needs Linux 5.11, and user namespaces)",
          "Veneer does not need it"};
}

Finding check_descriptors() {
  constexpr std::uint64_t kPlenty = 8192;
  const auto limit = sys::raise_open_files_limit();
  if (limit && *limit >= kPlenty) {
    return {"open_files", "Open files", kGood,
            fmt::format("{} for each process", *limit), ""};
  }
  return {"open_files", "Open files", kLimited,
          limit ? fmt::format("{} for each process", *limit) : "unknown",
          "raise the hard limit (ulimit -Hn, LimitNOFILE=) for large trees"};
}

Finding check_mount_helper() {
  for (const char* const path :
       {"/sbin/mount.fuse.veneer", "/usr/sbin/mount.fuse.veneer"}) {
    const auto found = sys::find_at(AT_FDCWD, path);
    if (found && *found) {
      return {"mount_helper", "mount -t fuse.veneer", kGood, path, ""};
    }
  }
  return {"mount_helper", "mount -t fuse.veneer", kLimited,
          "no mount.fuse.veneer in /sbin",
          "for fstab lines, as root after make install: ln -s "
          "/usr/local/sbin/mount.fuse.veneer /sbin/"};
}

// --- The upper's file system ---

struct Primitive {
  const char* key;
  const char* subject;
  bool layer::UpperReport::* has;
  const char* without;
};

constexpr auto kPrimitives = std::to_array<Primitive>({
    {"xattrs", "Extended attributes", &layer::UpperReport::xattrs,
     "deletions are written as .wh. files and directories cannot be renamed "
     "in one step; put the upper on ext4, xfs, btrfs or (from Linux 6.6) "
     "tmpfs"},
    {"mknod_whiteout", "Whiteout devices", &layer::UpperReport::mknod_whiteout,
     "deletions are written as .wh. files; Linux 5.8 or newer lets everybody "
     "make them on most file systems"},
    {"rename_whiteout", "RENAME_WHITEOUT", &layer::UpperReport::rename_whiteout,
     "deletions are written as .wh. files; use ext4, xfs, btrfs or tmpfs"},
    {"rename_exchange", "RENAME_EXCHANGE", &layer::UpperReport::rename_exchange,
     "deletions are written as .wh. files; use ext4, xfs, btrfs or tmpfs"},
    {"tmpfile", "O_TMPFILE", &layer::UpperReport::tmpfile,
     "temporary files have names in the work directory for a moment"},
    {"file_handles", "File handles", &layer::UpperReport::file_handles,
     "hard links of lower files are not kept over a copy-up"},
    {"reflink", "Reflink", &layer::UpperReport::reflink,
     "a copy-up copies all data; btrfs and xfs (reflink=1) share them"},
});

void check_upper(const std::string& dir, const std::string& scratch,
                 std::vector<Finding>& findings) {
  const std::string upper = scratch + "/upper";
  const std::string work = scratch + "/work";
  ignore_error(sys::make_dir_at(AT_FDCWD, upper.c_str(), 0700));
  ignore_error(sys::make_dir_at(AT_FDCWD, work.c_str(), 0700));
  layer::UpperReport report;
  const auto opened =
      layer::open_host_upper({.upper = upper, .work = work}, report);
  if (!opened) {
    findings.push_back({"upper", "Upper in " + dir, kMissing,
                        opened.error().message(),
                        "name a directory that can be written to"});
    return;
  }
  findings.push_back(
      {"upper", "Upper in " + dir, kGood,
       fmt::format("{}, whiteouts in the form '{}'{}", report.filesystem,
                   report.form,
                   report.xattr_namespace.empty()
                       ? ""
                       : ", attributes in " + report.xattr_namespace + ".*"),
       ""});
  for (const Primitive& primitive : kPrimitives) {
    const bool there = report.*primitive.has;
    findings.push_back({primitive.key, primitive.subject,
                        there ? kGood : kLimited, there ? "works" : "refused",
                        there ? "" : primitive.without});
  }
}

Result<std::string> make_scratch(const std::string& dir) {
  for (unsigned i = 0;; ++i) {
    std::string path = fmt::format("{}/veneer-doctor-{}-{}", dir, getpid(), i);
    const auto made = sys::make_dir_at(AT_FDCWD, path.c_str(), 0700);
    if (made) return path;
    if (made.error().code() != EEXIST) return made.error().about(dir);
  }
}

}  // namespace

std::vector<Finding> examine_machine(const std::string& dir) {
  std::vector<Finding> findings = {
      check_kernel(),          check_fuse_device(),  check_library(),
      check_io_uring(),        check_passthrough(),  check_fusermount(),
      check_allow_other(),     check_mount_helper(), check_descriptors(),
      check_user_namespaces(),
  };
  const auto scratch = make_scratch(dir);
  if (!scratch) {
    findings.push_back({"upper", "Upper in " + dir, kMissing,
                        scratch.error().message(),
                        "name a directory that can be written to"});
    return findings;
  }
  const Cleanup remove_scratch(
      [&] { ignore_error(remove_dir_tree(*scratch)); });
  findings.push_back(check_kernel_overlayfs(*scratch));
  check_upper(dir, *scratch, findings);
  return findings;
}

Result<void> check_fuse_is_there() {
  const auto opened = open_fuse_device();
  if (opened) return {};
  const int code = opened.error().code();
  return sentence(code, fmt::format("/dev/fuse cannot be opened: {} ({})",
                                    reason_of(code), fuse_remedy(code)));
}

bool is_fuse_io_uring_enabled() {
  const std::string value = first_line(kUringSwitch);
  return value == "Y" || value == "1";
}

bool is_allow_other_allowed() {
  std::ifstream file(kFuseConf);
  for (std::string line; std::getline(file, line);) {
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos) continue;
    const std::size_t end = line.find_last_not_of(" \t\r");
    if (line.substr(start, end - start + 1) == "user_allow_other") return true;
  }
  return false;
}

Fusermount find_fusermount() {
  for (const char* const path :
       {"/usr/bin/fusermount3", "/bin/fusermount3",
        "/usr/local/bin/fusermount3", "/run/wrappers/bin/fusermount3"}) {
    const auto found = sys::find_at(AT_FDCWD, path);
    if (!found || !*found) continue;
    const bool setuid = ((*found)->mode & S_ISUID) != 0 && (*found)->uid == 0;
    return {path, setuid};
  }
  return {};
}

}  // namespace veneer::session
