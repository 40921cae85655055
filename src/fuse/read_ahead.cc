// SPDX-License-Identifier: MIT

#include "fuse/read_ahead.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <cstdlib>

#include "sys/file.h"
#include "sys/open.h"

namespace veneer::fuse {

namespace {

constexpr long kWideKiB = 512;

}  // namespace

Result<void> widen_read_ahead(const std::string& mount_point) {
  TRY_ASSIGN(const sys::UniqueFd root, sys::open_dir(mount_point));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(root.get()));
  const std::string setting = fmt::format("/sys/class/bdi/{}:{}/read_ahead_kb",
                                          major(attr.dev), minor(attr.dev));
  TRY_ASSIGN(const sys::UniqueFd file, sys::open_setting(setting, O_RDWR));

  char text[32] = {};
  TRY(sys::pread_full(file.get(), text, sizeof(text) - 1, 0));
  if (std::strtol(text, nullptr, 10) >= kWideKiB) return {};
  const std::string wide = fmt::format("{}\n", kWideKiB);
  TRY(sys::pwrite_full(file.get(), wide.data(), wide.size(), 0));
  return {};
}

}  // namespace veneer::fuse
