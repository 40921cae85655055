// SPDX-License-Identifier: MIT

#include "sys/child.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include "sys/call.h"

namespace veneer::sys {
namespace {

constexpr std::array kRelayed = {SIGTERM, SIGINT,  SIGHUP,
                                 SIGQUIT, SIGUSR1, SIGUSR2};

sigset_t relayed_and_child() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kRelayed) sigaddset(&set, signal);
  sigaddset(&set, SIGCHLD);
  return set;
}

std::vector<std::string> environment_in(const std::string& directory) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("PWD=")) {
      result.emplace_back(*entry);
    }
  }
  result.push_back("PWD=" + directory);
  return result;
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const std::string& word : words) {
    result.push_back(const_cast<char*>(word.c_str()));
  }
  result.push_back(nullptr);
  return result;
}

// What posix_spawn is told, destroyed in the end.
class SpawnPlan {
 public:
  SpawnPlan(const std::string& directory, const sigset_t& mask) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str());
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigmask(&attributes_, &mask);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<SignalRelay> SignalRelay::start() {
  const sigset_t set = relayed_and_child();
  sigset_t before;
  const int error = ::pthread_sigmask(SIG_BLOCK, &set, &before);
  if (error != 0) return Error(error, "pthread_sigmask");
  // Whoever started us may have had no use for the ends of children.
  struct sigaction usual{};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &usual, nullptr);
  return SignalRelay(before);
}

SignalRelay::SignalRelay(SignalRelay&& other) noexcept
    : before_(other.before_), active_(std::exchange(other.active_, false)) {}

SignalRelay::~SignalRelay() {
  if (active_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

Result<ChildEnd> SignalRelay::run(const std::vector<std::string>& argv,
                                  const std::string& directory) {
  const SpawnPlan plan(directory, before_);
  const std::vector<std::string> environment = environment_in(directory);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, argv.front().c_str(), plan.actions(),
                                   plan.attributes(), pointers_to(argv).data(),
                                   pointers_to(environment).data());
  if (error != 0) return Error(error, "run", argv.front());
  return wait(child);
}

Result<ChildEnd> SignalRelay::wait(pid_t child) {
  const sigset_t set = relayed_and_child();
  ChildEnd end;
  for (;;) {
    int status = 0;
    const pid_t ended =
        retry_interrupted([&] { return ::waitpid(child, &status, WNOHANG); });
    if (ended < 0) return last_error("waitpid");
    if (ended == child) {
      end.status =
          WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      return end;
    }
    siginfo_t info{};
    const int signal =
        retry_interrupted([&] { return ::sigwaitinfo(&set, &info); });
    if (signal < 0) return last_error("sigwaitinfo");
    if (signal == SIGCHLD) continue;
    end.relayed = signal;
    if (info.si_code != SI_KERNEL) ::kill(child, signal);
  }
}

}  // namespace veneer::sys
