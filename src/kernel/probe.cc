// SPDX-License-Identifier: MIT

#include "kernel/probe.h"

#include <cerrno>

#include "kernel/overlay_mount.h"
#include "sys/fs_context.h"
#include "sys/open.h"
#include "sys/temporary_dir.h"

namespace veneer::kernel {
namespace {

class Prober {
 public:
  Prober(int lower, int second, OverlayAbilities& found)
      : lower_(lower), second_(second), found_(found) {}

  bool works(const OverlaySpec& spec) {
    const auto mount = OverlayMount::make_detached(spec);
    if (mount) {
      if (found_.form.empty()) found_.form = mount->form();
      return true;
    }
    if (found_.reason.empty()) found_.reason = mount.error().message();
    return false;
  }

  void run() {
    found_.overlay = works({.lowers = {lower_, second_}, .read_only = true});
    if (!found_.overlay) return;
    found_.data_layers = works(composefs_overlay(lower_, {second_}, false));
    found_.data_layers_userxattr =
        works(composefs_overlay(lower_, {second_}, true));
    OverlaySpec verity =
        composefs_overlay(lower_, {second_}, !found_.data_layers);
    verity.verity = OverlayVerity::kRequire;
    found_.verity = works(verity);
  }

 private:
  const int lower_;
  const int second_;
  OverlayAbilities& found_;
};

}  // namespace

Result<OverlayAbilities> probe_overlay(const std::string& place) {
  TRY_ASSIGN(const sys::TemporaryDir lower, sys::TemporaryDir::make(place));
  TRY_ASSIGN(const sys::TemporaryDir second, sys::TemporaryDir::make(place));
  TRY_ASSIGN(const sys::UniqueFd lower_fd, sys::open_dir(lower.path()));
  TRY_ASSIGN(const sys::UniqueFd second_fd, sys::open_dir(second.path()));
  OverlayAbilities found;
  Prober(lower_fd.get(), second_fd.get(), found).run();
  return found;
}

bool may_mount_erofs() {
  auto context = sys::FsContext::open("erofs");
  if (!context) return false;
  // The right to mount is asked for first, then what is to be mounted.
  const auto created = context->create();
  return !created && created.error().code() != EPERM;
}

}  // namespace veneer::kernel
