// SPDX-License-Identifier: MIT

#include "bench/macro/subject.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "bench/macro/machine.h"
#include "sys/fd.h"

namespace veneer::bench {
namespace {

// Layers are given one by one, for which the mount(2) data page is too small.
Result<void> mount_kernel(const Place& place) {
  const sys::UniqueFd fs(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!fs) return failed("fsopen");
  const auto set = [&](const char* key, const std::string& value) {
    return ::fsconfig(fs.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) ==
           0;
  };
  const char* const key = place.lowers.size() > 1 ? "lowerdir+" : "lowerdir";
  for (const std::string& lower : place.lowers) {
    if (!set(key, lower)) return failed("lowerdir", lower);
  }
  if (!set("upperdir", place.upper)) return failed("upperdir", place.upper);
  if (!set("workdir", place.work)) return failed("workdir", place.work);
  for (const char* option : {"index", "redirect_dir", "metacopy", "xino"}) {
    if (!set(option, "on")) return failed("option", option);
  }
  if (::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return failed("mount", "overlay");
  }
  const sys::UniqueFd mounted(::fsmount(fs.get(), FSMOUNT_CLOEXEC, 0));
  if (!mounted || ::move_mount(mounted.get(), "", AT_FDCWD, place.at.c_str(),
                               MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    return failed("mount", place.at);
  }
  return {};
}

Result<void> run_mounter(const std::vector<std::string>& argv) {
  const Finished finished = run(argv);
  if (finished.status == 0) return {};
  return Error(
      0, "",
      fmt::format("{} ended with {}: {}", argv.front(), finished.status,
                  finished.err.substr(0, finished.err.find('\n'))));
}

Subject veneer_with(std::string name, const std::string& program,
                    std::vector<std::string> options) {
  Subject subject;
  subject.name = std::move(name);
  subject.is_veneer = true;
  if (::access(program.c_str(), X_OK) != 0) {
    subject.missing = "VENEER_BIN does not name it";
  }
  subject.mount = [program, options = std::move(options)](const Place& place) {
    std::vector<std::string> argv{program, "mount"};
    for (const std::string& lower : place.lowers) {
      argv.insert(argv.end(), {"--lower", lower});
    }
    argv.insert(argv.end(), {"--upper", place.upper, "--work", place.work});
    argv.insert(argv.end(), options.begin(), options.end());
    argv.push_back(place.at);
    return run_mounter(argv);
  };
  return subject;
}

Subject fuse_overlayfs() {
  Subject subject;
  subject.name = kFuseOverlayfs;
  const std::string program = find_program("fuse-overlayfs");
  if (program.empty()) subject.missing = "not installed";
  subject.mount = [program](const Place& place) {
    return run_mounter(
        {program, "-o",
         fmt::format("lowerdir={},upperdir={},workdir={}",
                     fmt::join(place.lowers, ":"), place.upper, place.work),
         place.at});
  };
  return subject;
}

Subject unionfs_fuse() {
  Subject subject;
  subject.name = "unionfs-fuse";
  const std::string program = find_program("unionfs");
  if (program.empty()) subject.missing = "not installed";
  subject.mount = [program](const Place& place) {
    std::string branches = place.upper + "=RW";
    for (const std::string& lower : place.lowers) {
      branches += ":" + lower + "=RO";
    }
    return run_mounter({program, "-o", "cow", branches, place.at});
  };
  return subject;
}

}  // namespace

std::vector<Subject> all_subjects(const std::string& program) {
  std::vector<Subject> subjects;
  subjects.push_back({.name = kNative});
  subjects.push_back({.name = kKernel, .mount = mount_kernel});
  subjects.push_back(veneer_with(kVeneer, program, {"--io-uring", "off"}));
  subjects.push_back(veneer_with("veneer writeback", program,
                                 {"--io-uring", "off", "--writeback", "on"}));
  subjects.push_back(
      veneer_with("veneer io_uring", program, {"--io-uring", "on"}));
  if (first_line("/sys/module/fuse/parameters/enable_uring") != "Y") {
    subjects.back().missing =
        "switched off in the kernel "
        "(echo Y > /sys/module/fuse/parameters/enable_uring)";
  }
  subjects.push_back(fuse_overlayfs());
  subjects.push_back(unionfs_fuse());
  return subjects;
}

Result<void> unmount(const std::string& at) {
  const double deadline = now() + 5;
  while (::umount2(at.c_str(), 0) != 0) {
    if (errno != EBUSY || now() > deadline) {
      const int code = errno;
      ::umount2(at.c_str(), MNT_DETACH);
      reap_daemons();
      return Error(code, "umount", at);
    }
  }
  reap_daemons();
  return {};
}

}  // namespace veneer::bench
