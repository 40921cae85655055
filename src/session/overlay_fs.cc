// SPDX-License-Identifier: MIT
//
// OverlayFS, thin over the session.

#include "veneer/overlay_fs.h"

#include <sys/stat.h>

#include <mutex>
#include <optional>
#include <utility>

#include "session/find_session.h"
#include "session/finish.h"
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

ChangeKind to_public(finalize::ChangeKind kind) {
  switch (kind) {
    case finalize::ChangeKind::kNone:  // not asked for
    case finalize::ChangeKind::kMetadata:
      return ChangeKind::kMetadata;
    case finalize::ChangeKind::kAdded:
      return ChangeKind::kAdded;
    case finalize::ChangeKind::kContent:
      return ChangeKind::kContent;
    case finalize::ChangeKind::kDeleted:
      return ChangeKind::kDeleted;
    case finalize::ChangeKind::kRenamed:
      return ChangeKind::kRenamed;
    case finalize::ChangeKind::kType:
      return ChangeKind::kType;
    case finalize::ChangeKind::kReplaced:
      return ChangeKind::kReplaced;
  }
  return ChangeKind::kMetadata;
}

Change to_public(const finalize::Change& change) {
  const bool renamed = change.kind == finalize::ChangeKind::kRenamed;
  return {.kind = to_public(change.kind),
          .path = change.path,
          .old_path = renamed ? change.base_path : "",
          .mode = change.attr.mode,
          .size = S_ISREG(change.attr.mode) ? change.attr.size : 0,
          .content_differs = change.content_differs,
          .conflict = change.conflict};
}

}  // namespace

char letter_of(ChangeKind kind) {
  constexpr std::string_view kLetters = "AMmDRTO";
  return kLetters[static_cast<std::size_t>(kind)];
}

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

  Result<std::vector<Change>> changes() {
    const std::lock_guard lock(mu_);
    TRY_ASSIGN(const auto session, session_locked());
    std::vector<Change> result;
    if (!session) return result;
    TRY_ASSIGN(const finalize::Changes changes,
               session::list_changes(*session, progress()));
    for (const finalize::Change& change : changes) {
      result.push_back(to_public(change));
    }
    return result;
  }

  void set_progress(std::function<bool(const Progress&)> on_progress) {
    const std::lock_guard lock(mu_);
    on_progress_ = std::move(on_progress);
  }

  Result<void> act(OverlayAction action) {
    const std::lock_guard lock(mu_);
    TRY(umount_locked());
    if (action == OverlayAction::Preserve) return {};
    TRY_ASSIGN(const auto session, session_locked());
    if (!session) return {};  // never mounted: nothing has changed
    if (action == OverlayAction::Discard) {
      TRY(session::discard(*session, progress()));
      return {};
    }
    finalize::CommitOptions options;
    options.atomic = action == OverlayAction::CommitAtomic;
    options.progress = progress();
    TRY(session::commit(*session, options));
    return {};
  }

 private:
  // What mount() would do now.
  session::Plan plan_to_be() const {
    auto plan = session::name_places(config_);
    return plan ? *std::move(plan) : session::Plan();
  }

  Result<std::optional<session::FoundSession>> session_locked() const {
    const session::Plan plan = is_mounted_locked() ? plan_ : plan_to_be();
    return session::session_at(plan.upper.path, plan.work.path);
  }

  finalize::OnProgress progress() const {
    if (!on_progress_) return {};
    return [this](const finalize::Progress& now) {
      return on_progress_({now.stage, now.done, now.total});
    };
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
  std::function<bool(const Progress&)> on_progress_;
  session::Config config_;
  session::Plan plan_;  // of the latest mount
  std::unique_ptr<session::OverlaySession> session_;
};

OverlayFS::OverlayFS(const std::filesystem::path& lower)
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

Result<std::vector<Change>> OverlayFS::changes() const {
  return impl_->changes();
}

void OverlayFS::set_progress(std::function<bool(const Progress&)> on_progress) {
  impl_->set_progress(std::move(on_progress));
}

Result<void> OverlayFS::overlay_action(OverlayAction action) {
  return impl_->act(action);
}

}  // namespace veneer
