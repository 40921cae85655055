// SPDX-License-Identifier: MIT

#include "fuse/control.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys/ioctl_fd.h"
#include "sys/open.h"

namespace veneer::fuse {

namespace {

// Readers that keep displacing each other's snapshots give up some time.
constexpr int kAttempts = 100;

Result<std::string> read_once(int root) {
  StatusPage page;
  std::string text;
  do {
    page.offset = static_cast<std::uint32_t>(text.size());
    TRY(sys::ioctl_fd(root, kStatusIoctl, &page));
    const std::size_t left =
        page.total - std::min<std::size_t>(page.total, text.size());
    if (left == 0) break;
    text.append(page.text, std::min(left, sizeof(page.text)));
  } while (text.size() < page.total);
  return text;
}

}  // namespace

Result<void> StatusPages::answer(StatusPage& page) {
  if (!text_) return Error(ENOTTY, "status");

  Text text;
  if (page.snapshot == 0) {
    text = std::make_shared<const std::string>(text_());
    const MutexLock lock(mu_);
    current_ = text;
    page.snapshot = ++snapshot_;
    page.offset = 0;
  } else {
    const MutexLock lock(mu_);
    if (page.snapshot != snapshot_) return Error(ESTALE, "status");
    text = current_;
  }

  const std::size_t offset = std::min<std::size_t>(page.offset, text->size());
  const std::size_t size = std::min(text->size() - offset, sizeof(page.text));
  page.total = static_cast<std::uint32_t>(text->size());
  std::memset(page.text, 0, sizeof(page.text));
  std::memcpy(page.text, text->data() + offset, size);
  return {};
}

Result<std::string> read_status(const std::string& mount_point) {
  TRY_ASSIGN(const sys::UniqueFd path, sys::open_dir(mount_point));
  TRY_ASSIGN(const sys::UniqueFd root,
             sys::reopen(path.get(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int attempt = 1;; ++attempt) {
    Result<std::string> text = read_once(root.get());
    if (text || text.error().code() != ESTALE || attempt == kAttempts) {
      return text;
    }
  }
}

}  // namespace veneer::fuse
