// SPDX-License-Identifier: MIT

#include "kernel/erofs_mount.h"

#include <cerrno>
#include <string>

#include "sys/call.h"
#include "sys/fs_context.h"
#include "sys/loop_device.h"

namespace veneer::kernel {
namespace {

Result<sys::UniqueFd> mount_from(const std::string& source, bool has_acl) {
  TRY_ASSIGN(sys::FsContext context, sys::FsContext::open("erofs"));
  TRY(context.set_string("source", source));
  TRY(context.set_flag("ro"));
  // A kernel without ACLs does not know the flag, and needs it as little.
  if (!has_acl) ignore_error(context.set_flag("noacl"));
  TRY(context.create());
  return context.mount(true);
}

}  // namespace

Result<sys::UniqueFd> mount_erofs(int image, bool has_acl) {
  auto mount = mount_from(sys::ProcFdPath(image).c_str(), has_acl);
  if (mount || mount.error().code() != ENOTBLK) return mount;
  TRY_ASSIGN(const sys::LoopDevice device, sys::attach_loop_device(image));
  return mount_from(device.path, has_acl);
}

}  // namespace veneer::kernel
