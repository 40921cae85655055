// SPDX-License-Identifier: MIT

#include "fuse/stop_signals.h"

#include <cerrno>

namespace veneer::fuse {

namespace {

constexpr std::array kSignals = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

}  // namespace

constinit std::atomic<StopSignals*> StopSignals::current{nullptr};

StopSignals::StopSignals(std::function<void()> on_first,
                         std::function<void()> on_second)
    : on_first_(std::move(on_first)), on_second_(std::move(on_second)) {
  sem_init(&wake_, 0, 0);
  current.store(this);
  thread_ = std::thread([this] { wait_for_first(); });
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action{};
    action.sa_handler = kSignals[i] == SIGPIPE ? SIG_IGN : &StopSignals::handle;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, &former_[i]);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &former_[i], nullptr);
  }
  ending_.store(true);
  sem_post(&wake_);
  thread_.join();
  current.store(nullptr);
  sem_destroy(&wake_);
}

void StopSignals::handle(int /*signal*/) {
  const int saved = errno;
  if (StopSignals* self = current.load()) {
    if (self->received_.fetch_add(1) == 0) {
      sem_post(&self->wake_);
    } else {
      self->on_second_();
    }
  }
  errno = saved;
}

void StopSignals::wait_for_first() {
  while (sem_wait(&wake_) != 0) {
  }
  if (!ending_.load()) on_first_();
}

}  // namespace veneer::fuse
