// SPDX-License-Identifier: MIT

#include "sys/fs_context.h"

#include <fmt/format.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/call.h"
#include "sys/fault.h"

namespace veneer::sys {
namespace {

// The kernel keeps as many messages for a context.
constexpr int kMostMessages = 8;

// "e overlay: text" is an error, "w ..." a warning, "i ..." information.
std::string read_messages(int context) {
  std::string text;
  for (int i = 0; i < kMostMessages; ++i) {
    char message[1024];
    const ssize_t size = retry_interrupted(
        [&] { return ::read(context, message, sizeof(message)); });
    if (size <= 2) break;
    std::string_view line(message, static_cast<std::size_t>(size));
    if (line.ends_with('\n')) line.remove_suffix(1);
    text.append(text.empty() ? "" : "; ").append(line.substr(2));
  }
  return text;
}

}  // namespace

Result<FsContext> FsContext::open(const char* fs_type) {
  if (fault::is_old_kernel()) return Error(ENOSYS, "fsopen", fs_type);
  UniqueFd fd(static_cast<int>(::syscall(SYS_fsopen, fs_type, FSOPEN_CLOEXEC)));
  if (!fd) return Error(errno, "fsopen", fs_type);
  return FsContext(std::move(fd), fs_type);
}

// Reads errno first: asking for the messages changes it.
Error FsContext::failure(const std::string& step) const {
  const int code = errno;
  const std::string messages = read_messages(fd_.get());
  std::string subject = fs_type_;
  if (!step.empty()) subject.append(" ").append(step);
  if (!messages.empty()) subject.append(" (").append(messages).append(")");
  return Error(code, "mount", std::move(subject));
}

Result<void> FsContext::configure(unsigned command, const char* key,
                                  const void* value, int aux) {
  const long done =
      ::syscall(SYS_fsconfig, fd_.get(), command, key, value, aux);
  if (done < 0) return failure(key == nullptr ? "" : key);
  return {};
}

Result<void> FsContext::set_flag(const char* key) {
  return configure(FSCONFIG_SET_FLAG, key, nullptr, 0);
}

Result<void> FsContext::set_string(const char* key, const std::string& value) {
  return configure(FSCONFIG_SET_STRING, key, value.c_str(), 0);
}

Result<void> FsContext::set_fd(const char* key, int fd) {
  return configure(FSCONFIG_SET_FD, key, nullptr, fd);
}

Result<void> FsContext::create() {
  return configure(FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
}

Result<UniqueFd> FsContext::mount(bool read_only) {
  const unsigned attributes = read_only ? MOUNT_ATTR_RDONLY : 0;
  UniqueFd mount(static_cast<int>(
      ::syscall(SYS_fsmount, fd_.get(), FSMOUNT_CLOEXEC, attributes)));
  if (!mount) return failure("fsmount");
  return mount;
}

Result<void> attach_mount(int mount, int target) {
  return check(::syscall(SYS_move_mount, mount, "", target, "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
               "move_mount");
}

Result<void> mount_at(const std::string& source, const std::string& target,
                      const char* fs_type, bool read_only,
                      const std::string& options) {
  const unsigned long flags = read_only ? MS_RDONLY : 0;
  if (::mount(source.c_str(), target.c_str(), fs_type, flags,
              options.c_str()) == 0) {
    return {};
  }
  return Error(errno, "mount", fmt::format("{} on {}", fs_type, target));
}

}  // namespace veneer::sys
