// SPDX-License-Identifier: MIT
//
// Mounts as the command line does, and finds the daemon by its name: in the
// process namespace of the test program there are only its own.

#include "test/stress/stage.h"

#include <dirent.h>
#include <glob.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "test/support/isolation.h"
#include "test/support/process.h"

namespace veneer::testing {

namespace {

std::string text_of(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// A program built with a sanitizer shall write what it finds where it is looked
// for. The order of two directories may turn round when one is moved below the
// other; that this is safe is for the ranks to check, not for a lock graph.
void send_reports_to(const std::string& prefix) {
  static const char* const kNames[] = {"ASAN_OPTIONS", "TSAN_OPTIONS",
                                       "UBSAN_OPTIONS"};
  static const std::string kBefore[] = {text_of(kNames[0]), text_of(kNames[1]),
                                        text_of(kNames[2])};
  for (std::size_t i = 0; i < 3; ++i) {
    ::setenv(kNames[i],
             (kBefore[i] + ":detect_deadlocks=0:log_path=" + prefix).c_str(),
             1);
  }
}

std::string report_at(const std::string& prefix) {
  glob_t found{};
  std::string text;
  if (::glob((prefix + ".*").c_str(), 0, nullptr, &found) == 0) {
    std::ifstream file(found.gl_pathv[0]);
    text.assign(std::istreambuf_iterator<char>(file), {});
  }
  ::globfree(&found);
  return text;
}

}  // namespace

Stage::Stage(Target target, std::vector<std::string> options)
    : target_(target), options_(std::move(options)) {
  static std::atomic<int> number = 0;
  place_ = scratch_root() + "/stage" + std::to_string(number++);
  ::mkdir(place_.c_str(), 0755);
  ::mkdir(merged().c_str(), 0755);
  disk_ = std::make_unique<Disk>(DiskKind::kTmpfs, place_ + "/disk");
  for (const char* name : {"/lower", "/upper", "/work"}) {
    ::mkdir((disk_->path() + name).c_str(), 0755);
  }
}

Stage::~Stage() {
  if (is_mounted_) unmount();
  guard_ = {};
}

std::string Stage::mount(int seconds) {
  const std::string upper = disk_->path() + "/upper";
  const std::string work = disk_->path() + "/work";
  if (target_ == Target::kKernel) {
    const Outcome mounted =
        mount_kernel({lower()}, upper, work, merged(),
                     {"xino=on", "redirect_dir=on", "index=on", "metacopy=on"});
    if (!mounted.ok()) return "mount overlay: " + error_name(mounted.error);
  } else {
    std::vector<std::string> argv = {veneer_program(), "mount",   "--lower",
                                     lower(),          "--upper", upper,
                                     "--work",         work};
    argv.insert(argv.end(), options_.begin(), options_.end());
    argv.push_back(merged());
    send_reports_to(place_ + "/report");
    const Finished done = run(argv);
    if (done.status != 0) return "veneer mount: " + done.err;
  }
  is_mounted_ = true;
  guard_ = std::jthread(
      [this, seconds](const std::stop_token& stop) { guard(stop, seconds); });
  return "";
}

std::string Stage::unmount() {
  guard_ = {};
  is_mounted_ = false;
  std::string problem;
  if (target_ == Target::kKernel) {
    if (::umount2(merged().c_str(), 0) != 0) problem = error_name(errno);
  } else {
    const Finished done = run({veneer_program(), "umount", merged()});
    problem = done.status != 0 ? "veneer umount: " + done.err
                               : report_at(place_ + "/report");
  }
  if (!problem.empty()) ::umount2(merged().c_str(), MNT_FORCE | MNT_DETACH);
  return problem;
}

void Stage::guard(const std::stop_token& stop, int seconds) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!stop.stop_requested()) {
    if (std::chrono::steady_clock::now() > deadline) {
      std::fprintf(stderr, "no end after %d s: aborting the mount\n", seconds);
      ::umount2(merged().c_str(), MNT_FORCE);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

std::optional<pid_t> Stage::daemon() const {
  const std::string& program = veneer_program();
  const std::string name = program.substr(program.rfind('/') + 1);
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return std::nullopt;
  std::optional<pid_t> found;
  while (const dirent* entry = ::readdir(proc)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string comm;
    std::getline(file, comm);
    if (comm == name.substr(0, 15)) found = pid;
  }
  ::closedir(proc);
  return found;
}

std::string missing_for(Target target) {
  if (::geteuid() != 0) return "root's rights, to mount";
  if (target == Target::kVeneer && veneer_program().empty()) {
    return "the program veneer (build it, or set VENEER_BIN)";
  }
  return "";
}

bool is_sanitized() {
  std::ifstream file(veneer_program(), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  return bytes.find("__tsan_init") != std::string::npos ||
         bytes.find("__asan_init") != std::string::npos;
}

long setting(const char* name, long fallback) {
  const char* value = std::getenv(name);
  return value != nullptr ? std::atol(value) : fallback;
}

}  // namespace veneer::testing
