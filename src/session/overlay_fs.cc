// SPDX-License-Identifier: MIT
//
// OverlayFS, thin over the session.

#include "veneer/overlay_fs.h"

#include <mutex>
#include <utility>

#include "session/discard.h"
#include "session/options.h"
#include "session/overlay_session.h"
#include "session/unmount.h"

namespace veneer {
namespace {

overlay::InodeMode to_overlay(InodeMode mode) {
  switch (mode) {
    case InodeMode::kLayer:
      return overlay::InodeMode::kLayer;
    case InodeMode::kVirtual:
      return overlay::InodeMode::kVirtual;
    case InodeMode::kPersistent:
      return overlay::InodeMode::kPersistent;
  }
  return overlay::InodeMode::kLayer;
}

}  // namespace

// The mutex is held through whole calls, mounting and unmounting included; it
// is above every other lock, as nothing below knows this object.
class OverlayFS::Impl {
 public:
  explicit Impl(const std::filesystem::path& lower) {
    config_.make_missing = true;
    config_.lowers.push_back(session::to_absolute(lower.string()));
  }

  template <typename Change>
  Result<void> set(Change change) {
    const std::lock_guard lock(mu_);
    if (is_mounted_locked()) {
      return session::sentence(EBUSY,
                               "the overlay is mounted (umount() first)");
    }
    return change(config_);
  }

  Result<void> mount() {
    const std::lock_guard lock(mu_);
    if (is_mounted_locked()) {
      return session::sentence(EBUSY, "the overlay is mounted already");
    }
    TRY_ASSIGN(session_, session::OverlaySession::start(
                             config_, session::ServerKind::kLibrary));
    plan_ = session_->plan();
    return {};
  }

  bool is_mounted() {
    const std::lock_guard lock(mu_);
    return is_mounted_locked();
  }

  OverlayHandle handle() {
    const std::lock_guard lock(mu_);
    if (!is_mounted_locked()) plan_ = plan_to_be();
    return {plan_.mount_point.path, plan_.upper.path, plan_.lowers.front()};
  }

  Result<std::string> status() {
    const std::lock_guard lock(mu_);
    if (!is_mounted_locked()) {
      return session::sentence(ENOTCONN, "the overlay is not mounted");
    }
    return session::fetch_status(plan_.mount_point.path);
  }

  Result<void> umount() {
    const std::lock_guard lock(mu_);
    return umount_locked();
  }

  Result<void> act(OverlayAction action) {
    const std::lock_guard lock(mu_);
    if (action == OverlayAction::Commit ||
        action == OverlayAction::CommitAtomic) {
      return session::sentence(
          EOPNOTSUPP,
          "merging the changes into the lower directory is not "
          "supported yet by this version (keep them: Preserve)");
    }
    TRY(umount_locked());
    if (action == OverlayAction::Preserve) return {};
    const session::Plan plan = plan_to_be();
    if (plan.upper.path.empty()) return {};
    return session::discard(plan.upper.path, plan.work.path);
  }

 private:
  // What mount() would do now.
  session::Plan plan_to_be() const {
    auto plan = session::name_places(config_);
    return plan ? *std::move(plan) : session::Plan();
  }

  bool is_mounted_locked() const {
    return session_ != nullptr && session_->is_mounted();
  }

  Result<void> umount_locked() {
    if (session_ == nullptr) return {};
    auto done = session_->unmount();
    if (!session_->is_mounted()) session_.reset();
    return done;
  }

  std::mutex mu_;
  session::Config config_;
  session::Plan plan_;  // of the latest mount
  std::unique_ptr<session::OverlaySession> session_;
};

OverlayFS::OverlayFS(std::filesystem::path lower)
    : impl_(std::make_unique<Impl>(lower)) {}
OverlayFS::~OverlayFS() = default;
OverlayFS::OverlayFS(OverlayFS&&) noexcept = default;
OverlayFS& OverlayFS::operator=(OverlayFS&&) noexcept = default;

Result<void> OverlayFS::set_upper(std::filesystem::path upper) {
  return impl_->set([&](session::Config& config) -> Result<void> {
    config.upper = session::to_absolute(upper.string());
    return {};
  });
}

Result<void> OverlayFS::set_work(std::filesystem::path work) {
  return impl_->set([&](session::Config& config) -> Result<void> {
    config.work = session::to_absolute(work.string());
    return {};
  });
}

Result<void> OverlayFS::set_mount(std::filesystem::path mount_point) {
  return impl_->set([&](session::Config& config) -> Result<void> {
    config.mount_point = session::to_absolute(mount_point.string());
    return {};
  });
}

Result<void> OverlayFS::add_lower(std::filesystem::path lower) {
  return impl_->set([&](session::Config& config) -> Result<void> {
    config.lowers.push_back(session::to_absolute(lower.string()));
    return {};
  });
}

Result<void> OverlayFS::set_read_only(bool read_only) {
  return impl_->set([&](session::Config& config) -> Result<void> {
    config.read_only = read_only;
    return {};
  });
}

Result<void> OverlayFS::set_inode_mode(InodeMode mode) {
  return impl_->set([&](session::Config& config) -> Result<void> {
    config.options.inode_mode = to_overlay(mode);
    config.given.emplace("inode-mode");
    return {};
  });
}

Result<void> OverlayFS::set_option(std::string_view option) {
  return impl_->set([&](session::Config& config) {
    return session::apply_option_string(option, config);
  });
}

Result<void> OverlayFS::mount() { return impl_->mount(); }
bool OverlayFS::is_mounted() const { return impl_->is_mounted(); }
OverlayHandle OverlayFS::handle() const { return impl_->handle(); }
Result<std::string> OverlayFS::status() const { return impl_->status(); }
Result<void> OverlayFS::umount() { return impl_->umount(); }

Result<void> OverlayFS::overlay_action(OverlayAction action) {
  return impl_->act(action);
}

}  // namespace veneer
