// SPDX-License-Identifier: MIT

#include "sys/loop_device.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

#include "sys/call.h"

namespace veneer::sys {
namespace {

// Between asking for a free one and taking it another process may take it.
constexpr int kAttempts = 16;
constexpr unsigned kBlock = 4096;

Result<UniqueFd> open_device(const std::string& path, int flags) {
  const int fd = retry_interrupted(
      [&] { return ::open(path.c_str(), flags | O_CLOEXEC); });
  if (fd < 0) return Error(errno, "open", path);
  return UniqueFd(fd);
}

}  // namespace

Result<LoopDevice> attach_loop_device(int file) {
  TRY_ASSIGN(const UniqueFd control, open_device("/dev/loop-control", O_RDWR));
  loop_config config = {};
  config.fd = static_cast<unsigned>(file);
  config.block_size = kBlock;
  config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
  for (int i = 0; i < kAttempts; ++i) {
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return last_error("LOOP_CTL_GET_FREE");
    LoopDevice device;
    device.path = fmt::format("/dev/loop{}", number);
    TRY_ASSIGN(device.fd, open_device(device.path, O_RDONLY));
    if (::ioctl(device.fd.get(), LOOP_CONFIGURE, &config) == 0) return device;
    if (errno != EBUSY) return Error(errno, "LOOP_CONFIGURE", device.path);
  }
  return Error(EBUSY, "LOOP_CONFIGURE");
}

}  // namespace veneer::sys
