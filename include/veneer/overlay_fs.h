// SPDX-License-Identifier: MIT
//
// OverlayFS: one overlay, from its first mount to the day its changes are kept
// or dropped, in one object.
//
//   veneer::OverlayFS overlay("/srv/base");
//   if (auto mounted = overlay.mount(); !mounted) {
//     std::cerr << mounted.error().message() << '\n';
//     return 1;
//   }
//   std::ofstream(overlay.handle().mount_point() / "hello.txt") << "world";
//   auto done = overlay.overlay_action(veneer::OverlayAction::Commit);
//
// The tree given as `lower` is never written while the overlay is mounted: what
// programs change under the mount point goes to the upper directory. Only a
// commit, which is asked for, writes to it.
//
// Paths that are not set follow from the first lower directory L, without
// slashes at its end: the upper is L.upper, the work directory L.work and the
// mount point L.mountpoint. If an upper U is set, the work directory is U.work.
// The upper and the work directory must be on one file system, and nothing else
// may write to either while the overlay is mounted.
//
// The mount is served by threads of this process: it ends when the process
// does, and whoever forks after mount() must not rely on it in the child. Do
// not touch the mount point from a thread that umount() waits for.
//
// Threads: every method may be called from any thread; calls on one object
// take turns. Errors are values; nothing is printed, nothing is thrown.

#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/change.h"
#include "veneer/result.h"

namespace veneer {

/// What is to become of the changes once nobody needs the mount any more.
enum class OverlayAction {
  Preserve,      ///< keep upper and work directory: mount again and go on
  Discard,       ///< drop the changes
  Commit,        ///< merge the changes into the lower directory
  CommitAtomic,  ///< the same, in one step that has happened or has not
};

/// What stat(2) shows as st_ino.
enum class InodeMode {
  kLayer,       ///< the number the object has in its layer, kept over copy-up
  kVirtual,     ///< counted from 1, for the life of one mount
  kPersistent,  ///< a hash of the first path, kept on the upper for good
};

/// Where an overlay is. A copy of the paths, valid for as long as it is held.
/// All are absolute.
class OverlayHandle {
 public:
  OverlayHandle(std::filesystem::path mount_point, std::filesystem::path upper,
                std::filesystem::path lower)
      : mount_point_(std::move(mount_point)),
        upper_(std::move(upper)),
        lower_(std::move(lower)) {}

  const std::filesystem::path& mount_point() const { return mount_point_; }
  /// Empty for a read-only overlay.
  const std::filesystem::path& upper() const { return upper_; }
  /// The topmost lower directory.
  const std::filesystem::path& lower() const { return lower_; }

 private:
  std::filesystem::path mount_point_;
  std::filesystem::path upper_;
  std::filesystem::path lower_;
};

class OverlayFS {
 public:
  /// Nothing is checked or made before mount(). Relative paths are taken from
  /// the directory that is current now, or when the setter is called.
  explicit OverlayFS(const std::filesystem::path& lower);

  /// Unmounts, and waits for it, if mounted; the changes are kept (Preserve).
  ~OverlayFS();

  OverlayFS(OverlayFS&&) noexcept;
  OverlayFS& operator=(OverlayFS&&) noexcept;

  // The setters
  //   Fail  EBUSY   the overlay is mounted; nothing is changed

  /// Where the changes go. Made by mount() if it does not exist.
  Result<void> set_upper(std::filesystem::path upper);

  /// Where changes are prepared. Empty, or used by an overlay before; on the
  /// same file system as the upper. Made by mount() if it does not exist.
  Result<void> set_work(std::filesystem::path work);

  /// Where the merged tree appears. A directory that is not a mount point; it
  /// may have entries, which are hidden while mounted and never touched. The
  /// lower directory itself will do. Made by mount() if it does not exist.
  Result<void> set_mount(std::filesystem::path mount_point);

  /// One more lower directory, below all there are.
  Result<void> add_lower(std::filesystem::path lower);

  /// Without an upper: everything that would write fails with EROFS.
  Result<void> set_read_only(bool read_only);

  /// kLayer, if never called.
  Result<void> set_inode_mode(InodeMode mode);

  /// Any option as veneer-mount(8) has it after -o: "fsync=volatile",
  /// "timeout=1", "allow_other".
  ///   Fails  EINVAL  no such option, or a value it does not take
  Result<void> set_option(std::string_view option);

  /// Mounts, and returns when the mount answers. After a failure everything is
  /// as it was before: directories that were made are gone again.
  ///
  ///   Fails  EBUSY   mounted already; another overlay has the upper or the
  ///                  work directory; something is mounted on the mount point
  ///          ENOENT, ENOTDIR  a lower directory is missing, or is none
  ///          EINVAL  directories that lie within each other
  ///          EXDEV   upper and work directory on different file systems
  ///          ENOTEMPTY  the work directory holds what is not ours
  ///          EPERM, EACCES, ENODEV  from the mount itself: see `veneer doctor`
  Result<void> mount();

  bool is_mounted() const;

  /// The paths as mount() will use, or has used, them.
  OverlayHandle handle() const;

  /// What `veneer status --json` prints.
  ///   Fails  ENOTCONN  not mounted
  Result<std::string> status() const;

  /// Unmounts. On return nobody writes to the upper any more, and the mount
  /// point is removed if mount() made it. Not mounted: nothing happens.
  ///   Fails  EBUSY   files under the mount point are in use; still mounted
  Result<void> umount();

  /// What is changed against the lower directories. While mounted: what has
  /// reached the upper directory by now. Costs as much as there are changes.
  ///   Fails  ENOENT  a lower directory, or the upper, is gone
  ///          EBUSY   mounted over the lower directory itself, which cannot be
  ///                  seen now
  ///          EINPROGRESS  an action was interrupted: call it again
  Result<std::vector<Change>> changes() const;

  /// Called now and then while overlay_action() and changes() work, on the
  /// thread that called them; false asks to stop, which fails with ECANCELED:
  /// nothing is lost, and the same action goes on. Must not call this object.
  void set_progress(std::function<bool(const Progress&)> on_progress);

  /// Unmounts if need be, then deals with the changes.
  ///
  /// Preserve  nothing more: upper and work directory stay as they are.
  /// Discard   drops the changes.
  /// Commit    merges them into the topmost lower directory, in place.
  /// CommitAtomic  builds a changed copy of the topmost lower directory beside
  ///           it and lets the two change places: at every instant the path
  ///           has the tree as it was or as it will be.
  ///
  /// After all but Preserve the upper has nothing in it: it, the work directory
  /// and the mount point are removed where Veneer made them, in this process or
  /// one before. What it did not make it does not remove. An action that was
  /// killed half-way is ended by the next one, or by mount().
  ///
  ///   Fails  EBUSY       as umount(); or another overlay uses the upper, or
  ///                      covers the lower directory
  ///          ENOTEMPTY   Discard: the upper had entries before its first
  ///                      mount, so not all in it are changes; nothing is done
  ///          ESTALE      Commit: somebody else changed the lower directory in
  ///                      the same places; names the first; nothing is done
  ///          EROFS, EACCES, ENOSPC  Commit: the lower directory cannot be
  ///                      written; names the path
  ///          EXDEV, EOPNOTSUPP  CommitAtomic: cannot be had here (the lower
  ///                      directory is a mount point, say); nothing is done
  ///          ENOENT      a lower directory, or the upper, is gone
  Result<void> overlay_action(OverlayAction action);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace veneer
