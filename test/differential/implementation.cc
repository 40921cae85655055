// SPDX-License-Identifier: MIT
//
// mount(2) for one, fork and exec for the other.

#include "test/differential/implementation.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace veneer::testing::differential {
namespace {

std::optional<std::string> complaint(const char* call) {
  return std::string(call) + ": " + std::strerror(errno);
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A program built with a sanitizer shall write what it finds where it is looked
// for: beside the mount point. The order of two directories may turn round when
// one is moved below the other; the ranks of locks know, a lock graph does not.
void send_reports_to(const std::string& prefix) {
  for (const char* name :
       {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}) {
    const char* before = std::getenv(name);
    const std::string value = std::string(before != nullptr ? before : "") +
                              ":detect_deadlocks=0:log_path=" + prefix;
    setenv(name, value.c_str(), 1);
  }
}

std::optional<std::string> report_at(const std::string& prefix) {
  glob_t found{};
  std::optional<std::string> text;
  if (glob((prefix + ".*").c_str(), 0, nullptr, &found) == 0) {
    text = "a sanitizer reports:\n" + contents(found.gl_pathv[0]);
  }
  globfree(&found);
  return text;
}

// Runs the program to its end; its words matter only if it failed.
std::optional<std::string> run(const std::vector<std::string>& command,
                               const std::string& place) {
  const std::string log = place + ".log";
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return complaint("fork");
  if (child == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    const int in = open("/dev/null", O_RDONLY);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    send_reports_to(place + ".report");
    execv(argv[0], argv.data());
    _exit(127);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  return command[0] + " " + command[1] + " ended with status " +
         std::to_string(WIFEXITED(status) ? WEXITSTATUS(status)
                                          : 128 + WTERMSIG(status)) +
         ":\n" + contents(log);
}

bool is_mount_point(const std::string& path) {
  struct stat self{};
  struct stat parent{};
  return stat(path.c_str(), &self) != 0 ||
         stat((path + "/..").c_str(), &parent) != 0 ||
         self.st_dev != parent.st_dev;
}

}  // namespace

std::optional<std::string> KernelOverlay::mount(const Site& site) const {
  std::string options = "index=on,redirect_dir=on,metacopy=on,xino=on";
  options += ",upperdir=" + site.upper + ",workdir=" + site.work;
  options += ",lowerdir=";
  for (std::size_t i = 0; i < site.lowers.size(); ++i) {
    options += (i == 0 ? "" : ":") + site.lowers[i];
  }
  if (::mount("overlay", site.mount_point.c_str(), "overlay", 0,
              options.c_str()) != 0) {
    return complaint("mount overlay");
  }
  return std::nullopt;
}

std::optional<std::string> KernelOverlay::unmount(const Site& site) const {
  if (umount2(site.mount_point.c_str(), 0) != 0) return complaint("umount");
  return std::nullopt;
}

VeneerProgram::VeneerProgram(std::string program,
                             std::vector<std::string> arguments,
                             Demands demands)
    : program_(std::move(program)),
      arguments_(std::move(arguments)),
      demands_(demands) {}

std::optional<std::string> VeneerProgram::mount(const Site& site) const {
  std::vector<std::string> command = {program_, "mount"};
  for (const std::string& lower : site.lowers) {
    command.insert(command.end(), {"--lower", lower});
  }
  command.insert(command.end(), {"--upper", site.upper, "--work", site.work});
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  command.push_back(site.mount_point);
  auto problem = run(command, site.mount_point);
  if (problem) return problem;
  if (!is_mount_point(site.mount_point)) {
    return "veneer mount said 0, but nothing is mounted";
  }
  return std::nullopt;
}

std::optional<std::string> VeneerProgram::unmount(const Site& site) const {
  auto problem = run({program_, "umount", site.mount_point}, site.mount_point);
  if (problem) return problem;
  if (is_mount_point(site.mount_point)) {
    return "veneer umount said 0, but the tree is still mounted";
  }
  return report_at(site.mount_point + ".report");
}

std::string veneer_program() {
  const char* given = std::getenv("VENEER_BIN");
#ifdef VENEER_BIN_DEFAULT
  const std::string path = given != nullptr ? given : VENEER_BIN_DEFAULT;
#else
  const std::string path = given != nullptr ? given : "";
#endif
  return access(path.c_str(), X_OK) == 0 ? path : "";
}

}  // namespace veneer::testing::differential
