// SPDX-License-Identifier: MIT

#include "kernel/overlay_mount.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/log.h"
#include "sys/fs_context.h"
#include "sys/mount.h"
#include "sys/open.h"
#include "sys/temporary_dir.h"

namespace veneer::kernel {
namespace {

constexpr const char* kOverlay = "overlay";

Result<void> set(sys::FsContext& context, const OverlayParameter& parameter) {
  const char* key = parameter.key.c_str();
  if (parameter.fd) return context.set_fd(key, *parameter.fd);
  if (parameter.value.empty()) return context.set_flag(key);
  return context.set_string(key, parameter.value);
}

// Overlayfs before 6.5 takes any parameter in this form and trusts mount(2) to
// have them parsed.
Result<void> refuse_old_kernel(sys::FsContext& context) {
  if (context.set_string("veneer-no-such-option", "1")) {
    return Error(EOPNOTSUPP, "mount", "overlay in steps");
  }
  return {};
}

Result<sys::UniqueFd> mount_in_steps(const OverlaySpec& spec, LayerForm form) {
  {
    // A parameter that was refused makes the context useless.
    TRY_ASSIGN(sys::FsContext probe, sys::FsContext::open(kOverlay));
    TRY(refuse_old_kernel(probe));
  }
  TRY_ASSIGN(sys::FsContext context, sys::FsContext::open(kOverlay));
  for (const OverlayParameter& parameter : overlay_parameters(spec, form)) {
    const auto done = set(context, parameter);
    if (done) continue;
    if (!parameter.is_optional) return done.error();
    log_info("overlay goes without {}={}", parameter.key, parameter.value);
  }
  TRY(context.create());
  return context.mount(spec.read_only);
}

// What tells that this way is not known, or that another may be.
bool may_go_otherwise(const Error& error) {
  switch (error.code()) {
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
    case EBADF:
    case ENOENT:
    case ENOTDIR:
      return true;
    default:
      return false;
  }
}

}  // namespace

namespace {

// A mount that has a place for as long as the object lives. Overlayfs makes a
// copy of its layers' mounts for itself, so that is long enough.
class Attachment {
 public:
  static Result<std::unique_ptr<Attachment>> make(int mount) {
    TRY_ASSIGN(sys::TemporaryDir dir, sys::TemporaryDir::make());
    TRY_ASSIGN(const sys::UniqueFd place, sys::open_dir(dir.path()));
    TRY(sys::attach_mount(mount, place.get()));
    std::unique_ptr<Attachment> made(new Attachment(std::move(dir)));
    TRY_ASSIGN(made->root_, sys::open_dir(made->dir_.path()));
    return made;
  }
  ~Attachment() { ignore_error(sys::umount_at(dir_.path(), MNT_DETACH)); }
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  int root() const { return root_.get(); }

 private:
  explicit Attachment(sys::TemporaryDir dir) : dir_(std::move(dir)) {}

  sys::TemporaryDir dir_;
  sys::UniqueFd root_;
};

using Attachments = std::vector<std::unique_ptr<Attachment>>;

// The same with mounts that are attached somewhere.
Result<OverlaySpec> with_places(OverlaySpec spec, Attachments& attachments) {
  for (const int mount : std::exchange(spec.detached, {})) {
    TRY_ASSIGN(auto attachment, Attachment::make(mount));
    std::ranges::replace(spec.lowers, mount, attachment->root());
    std::ranges::replace(spec.data, mount, attachment->root());
    attachments.push_back(std::move(attachment));
  }
  return spec;
}

using FormedMount = std::pair<sys::UniqueFd, LayerForm>;

// Tries one form after the other.
Result<FormedMount> mount_in_any_form(const OverlaySpec& spec) {
  constexpr std::array kForms = {LayerForm::kDescriptors, LayerForm::kPaths,
                                 LayerForm::kOneString};
  std::optional<Error> first;
  for (const LayerForm form : kForms) {
    if (form < spec.newest_form) continue;
    auto mount = mount_in_steps(spec, form);
    if (mount) return FormedMount(*std::move(mount), form);
    log_debug("overlay by {}: {}", name_of(form), mount.error().message());
    if (!first) first = mount.error();
    if (!may_go_otherwise(mount.error())) break;
  }
  return *first;
}

Result<FormedMount> mount_with_places(const OverlaySpec& spec) {
  Attachments attachments;
  TRY_ASSIGN(const OverlaySpec attached, with_places(spec, attachments));
  return mount_in_any_form(attached);
}

}  // namespace

OverlayMount::OverlayMount(OverlayMount&& other) noexcept
    : mount_(std::move(other.mount_)),
      target_(std::exchange(other.target_, {})),
      form_(std::move(other.form_)) {}

OverlayMount& OverlayMount::operator=(OverlayMount&& other) noexcept {
  if (this != &other) {
    ignore_error(unmount());
    mount_ = std::move(other.mount_);
    target_ = std::exchange(other.target_, {});
    form_ = std::move(other.form_);
  }
  return *this;
}

Result<OverlayMount> OverlayMount::make_detached(const OverlaySpec& spec) {
  const bool is_newest = spec.newest_form == LayerForm::kDescriptors;
  const bool needs_places = !spec.detached.empty();
  auto mount = is_newest || !needs_places ? mount_in_any_form(spec)
                                          : mount_with_places(spec);
  if (!mount && is_newest && needs_places && may_go_otherwise(mount.error())) {
    auto again = mount_with_places(spec);
    if (again) mount = std::move(again);
  }
  if (!mount) return mount.error();
  OverlayMount made;
  made.mount_ = std::move(mount->first);
  made.form_ = name_of(mount->second);
  return made;
}

Result<OverlayMount> OverlayMount::make(const OverlaySpec& spec,
                                        const std::string& target) {
  auto made = make_detached(spec);
  if (made) {
    TRY(made->attach(target));
    return made;
  }
  const int code = made.error().code();
  if (code != ENOSYS && code != EOPNOTSUPP) return made;
  Attachments attachments;
  TRY_ASSIGN(const OverlaySpec attached, with_places(spec, attachments));
  TRY(sys::mount_at(spec.source, target, kOverlay, spec.read_only,
                    legacy_options(attached)));
  OverlayMount legacy;
  legacy.target_ = target;
  legacy.form_ = "mount(2)";
  return legacy;
}

Result<void> OverlayMount::attach(const std::string& target) {
  TRY_ASSIGN(const sys::UniqueFd place, sys::open_dir(target));
  const auto done = sys::attach_mount(mount_.get(), place.get());
  if (!done) return done.error().about(target);
  target_ = target;
  return {};
}

Result<void> OverlayMount::unmount() {
  const std::string target = std::exchange(target_, {});
  mount_.reset();
  if (target.empty()) return {};
  return sys::umount_at(target, MNT_DETACH);
}

void OverlayMount::release() {
  target_.clear();
  mount_.reset();
}

}  // namespace veneer::kernel
