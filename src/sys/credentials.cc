// SPDX-License-Identifier: MIT
//
// setfsuid(2) and setfsgid(2) return the former id whether or not they took
// effect, so each change is followed by a question.

#include "sys/credentials.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "base/log.h"
#include "sys/call.h"
#include "sys/file.h"
#include "sys/open.h"

namespace veneer::sys {
namespace {

// No thread of ours ever has this id; asking to become it is refused and so
// only tells who we are.
constexpr unsigned kNobodyAtAll = static_cast<unsigned>(-1);

uid_t set_fsuid(uid_t uid) {
  return static_cast<uid_t>(::syscall(SYS_setfsuid, uid));
}
gid_t set_fsgid(gid_t gid) {
  return static_cast<gid_t>(::syscall(SYS_setfsgid, gid));
}

// The process's ids never change; its threads' filesystem ids do.
uid_t own_uid() {
  static const uid_t uid = ::geteuid();
  return uid;
}
gid_t own_gid() {
  static const gid_t gid = ::getegid();
  return gid;
}

struct Capabilities {
  __user_cap_header_struct header = {
      .version = _LINUX_CAPABILITY_VERSION_3,
      .pid = 0,  // this thread
  };
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

  Result<void> read() {
    return check(::syscall(SYS_capget, &header, data), "capget");
  }
  Result<void> write() {
    return check(::syscall(SYS_capset, &header, data), "capset");
  }
};

unsigned word(int capability) {
  return static_cast<unsigned>(CAP_TO_INDEX(capability));
}
unsigned bit(int capability) {
  return 1U << (static_cast<unsigned>(capability) & 31U);
}
bool is_known(int capability) {
  return capability >= 0 && word(capability) < _LINUX_CAPABILITY_U32S_3;
}

}  // namespace

ScopedCredentials::ScopedCredentials(uid_t uid, gid_t gid) noexcept {
  if (gid != own_gid()) {
    old_gid_ = set_fsgid(gid);
    changed_gid_ = old_gid_ != gid;
    failed_ = set_fsgid(kNobodyAtAll) != gid;
  }
  if (!failed_ && uid != own_uid()) {
    old_uid_ = set_fsuid(uid);
    changed_uid_ = old_uid_ != uid;
    failed_ = set_fsuid(kNobodyAtAll) != uid;
  }
  if (failed_) restore();
}

ScopedCredentials::~ScopedCredentials() { restore(); }

void ScopedCredentials::restore() noexcept {
  if (changed_uid_) set_fsuid(old_uid_);
  if (changed_gid_) set_fsgid(old_gid_);
  const bool is_back = (!changed_uid_ || set_fsuid(kNobodyAtAll) == old_uid_) &&
                       (!changed_gid_ || set_fsgid(kNobodyAtAll) == old_gid_);
  if (!is_back) {
    log_error("cannot return to uid {}, gid {}", old_uid_, old_gid_);
    std::abort();
  }
  changed_uid_ = changed_gid_ = false;
}

Result<void> ScopedCredentials::status() const {
  if (failed_) return Error(EPERM, "setfsuid");
  return {};
}

bool have_capability(int capability) {
  Capabilities now;
  if (!is_known(capability) || !now.read()) return false;
  return (now.data[word(capability)].effective & bit(capability)) != 0;
}

bool in_first_user_namespace() {
  constexpr std::uint32_t kAll = 0xFFFFFFFF;
  char text[256] = {};
  const auto file = open_setting("/proc/self/uid_map", O_RDONLY);
  if (!file || !pread_full(file->get(), text, sizeof(text) - 1, 0)) return true;
  std::istringstream map{std::string(text)};
  std::uint64_t inside = 0, outside = 0, count = 0;
  map >> inside >> outside >> count;
  return inside == 0 && outside == 0 && count == kAll;
}

Result<void> drop_thread_capability(int capability) {
  if (!is_known(capability)) return Error(EINVAL, "capset");
  Capabilities now;
  TRY(now.read());
  now.data[word(capability)].effective &= ~bit(capability);
  return now.write();
}

Result<void> raise_thread_capability(int capability) {
  if (!is_known(capability)) return Error(EINVAL, "capset");
  Capabilities now;
  TRY(now.read());
  now.data[word(capability)].effective |= bit(capability);
  return now.write();
}

}  // namespace veneer::sys
