// SPDX-License-Identifier: MIT
//
// A mount of the kernel's overlayfs, for as long as the object lives.
//
//   TRY_ASSIGN(auto mount, kernel::OverlayMount::make(spec, target));
//
// It is made in the newest way that this kernel takes: in steps, with layers as
// descriptors; with their paths; with all of them in one string; by mount(2).
// What was taken is told by form(). A lower may be a mount that is attached
// nowhere; where the kernel does not take such a one it is attached to a
// temporary directory while the overlay is made.
//
// Needs CAP_SYS_ADMIN in the user namespace of the mounts. A FUSE server that
// is a lower must be answering already: the kernel looks at the lower's root.

#pragma once

#include <string>

#include "kernel/overlay_spec.h"
#include "sys/fd.h"
#include "veneer/result.h"

namespace veneer::kernel {

class OverlayMount {
 public:
  OverlayMount() = default;
  /// Takes the mount away, even if it is in use.
  ~OverlayMount() { ignore_error(unmount()); }
  OverlayMount(OverlayMount&& other) noexcept;
  OverlayMount& operator=(OverlayMount&& other) noexcept;

  /// A mount that is seen nowhere.
  /// Fails  EINVAL, ...  with the kernel's words; of several ways that failed
  ///                     those about the first
  static Result<OverlayMount> make_detached(const OverlaySpec& spec);

  /// Mounts on `target`, a directory.
  static Result<OverlayMount> make(const OverlaySpec& spec,
                                   const std::string& target);

  /// Attaches a detached one. The object takes it away later.
  Result<void> attach(const std::string& target);

  /// Takes the mount away now; a busy one goes when it is no longer used.
  Result<void> unmount();
  /// Leaves the mount where it is.
  void release();

  /// The mount's root, an O_PATH descriptor; -1 if made by mount(2).
  int fd() const { return mount_.get(); }
  /// How it was made: "descriptors", "paths", "one string", "mount(2)".
  const std::string& form() const { return form_; }
  const std::string& target() const { return target_; }

 private:
  sys::UniqueFd mount_;
  std::string target_;
  std::string form_;
};

}  // namespace veneer::kernel
