// SPDX-License-Identifier: MIT
//
// How `veneer status` talks to a running mount: an ioctl on its root.
//
// Whoever can open the root of the mount can ask; there is no socket to find,
// to protect or to leave behind. The answer is a JSON text of any length, read
// page by page. The first call names no snapshot and gets a new one; the
// following calls name it, so that all pages are of one text. A snapshot that
// another reader has displaced meanwhile is ESTALE: start again.
//
// Threads: StatusPages is thread-safe.

#pragma once

#include <linux/ioctl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "veneer/result.h"

namespace veneer::fuse {

/// What the ioctl carries both ways.
struct StatusPage {
  std::uint64_t snapshot = 0;  ///< 0: a new one
  std::uint32_t offset = 0;    ///< of the first byte wanted
  std::uint32_t total = 0;     ///< answer: the length of the whole text
  char text[4080] = {};        ///< answer: from `offset` on
};
static_assert(sizeof(StatusPage) == 4096);

inline constexpr unsigned kStatusIoctl = _IOWR('V', 1, StatusPage);

/// The daemon's side.
class StatusPages {
 public:
  /// `text` is called for each new snapshot, from any thread.
  explicit StatusPages(std::function<std::string()> text)
      : text_(std::move(text)) {}

  /// Fills in the page that `page` asks for.
  /// Fails  ESTALE  that snapshot is no more
  ///        ENOTTY  this mount has no status
  Result<void> answer(StatusPage& page);

 private:
  using Text = std::shared_ptr<const std::string>;

  const std::function<std::string()> text_;
  Mutex mu_{Rank::kLeaf};
  std::uint64_t snapshot_ GUARDED_BY(mu_) = 0;
  Text current_ GUARDED_BY(mu_);
};

/// The asking side: the status text of the mount at `mount_point`.
/// Fails  ENOTTY  it is not a mount of ours
Result<std::string> read_status(const std::string& mount_point);

}  // namespace veneer::fuse
