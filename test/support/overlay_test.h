// SPDX-License-Identifier: MIT
//
// The fixture of every test that works through a real mount.
//
// A test says what is in the layers, mounts, acts by paths relative to the
// mount point, and looks at the merged tree and at the layers:
//
//   mount({.lower = {{{"a", File("1")}}}, .upper = {}});
//   EXPECT_THAT(unlink("a"), Succeeds());
//   EXPECT_THAT(upper(), TreeIs(Tree{{"a", Whiteout()}}));
//
// Each test runs once on our server and once on the kernel's overlayfs, so a
// wrong expectation fails by itself. However the test ends, the lower layers
// must be exactly as they were, access times included; tear-down checks it.
// A mount that stops answering is aborted after a minute, so that the test
// fails instead of hanging.

#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "test/support/disk.h"
#include "test/support/fd.h"
#include "test/support/outcome.h"
#include "test/support/process.h"
#include "test/support/tree.h"

namespace veneer::testing {

/// What serves the merged tree.
enum class Target : std::uint8_t {
  kVeneer,
  kKernel,     ///< index, redirect_dir, metacopy, xino on
  kKernelNfs,  ///< index, redirect_dir, xino, nfs_export on
  kHost,       ///< no overlay: the merged tree in a plain directory
};

std::string target_name(Target target);

/// Skips the running test because of what is missing; fails it if CI=true.
#define VENEER_SKIP_WITHOUT(missing)                      \
  do {                                                    \
    if (::veneer::testing::skips_are_failures())          \
      GTEST_FAIL() << "this machine lacks " << (missing); \
    GTEST_SKIP() << "this machine lacks " << (missing);   \
  } while (false)

bool skips_are_failures();

/// Layers and how to mount them.
struct Mount {
  std::vector<Tree> lower;  ///< topmost first
  Tree upper = {};
  bool read_only = false;            ///< no upper at all
  DiskKind disk = DiskKind::kTmpfs;  ///< where the upper and the lowers are
  bool apart = false;                ///< the lowers on a tmpfs of their own
  std::string upper_size = {};  ///< limit of the upper's tmpfs; implies apart
  std::vector<std::string> veneer_options = {};  ///< for `veneer mount`
};

/// Mounts kernel overlayfs; `options` are key=value or flags. Layers topmost
/// first; `upper` may be empty.
Outcome mount_kernel(const std::vector<std::string>& lower,
                     const std::string& upper, const std::string& work,
                     const std::string& at,
                     const std::vector<std::string>& options);

/// The program under test, or empty if there is none.
std::string veneer_program();

class OverlayTest : public ::testing::TestWithParam<Target> {
 protected:
  OverlayTest();
  ~OverlayTest() override;
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] Target target() const { return target_; }
  [[nodiscard]] bool is_veneer() const { return target_ == Target::kVeneer; }
  [[nodiscard]] bool is_kernel() const {
    return target_ == Target::kKernel || target_ == Target::kKernelNfs;
  }

  // --- the mount ---------------------------------------------------------

  /// Builds the layers and mounts them. Once per test, which ends here if that
  /// is impossible.
  void mount(Mount spec);
  /// Builds the layers without mounting them.
  void prepare(Mount spec);
  /// Mounts what prepare() built; returns instead of failing the test.
  Finished try_mount();
  void unmount();
  /// Unmounts and mounts again, as `target` if one is given.
  void remount();
  void remount_as(Target target);
  /// Looks at the lower layers again: what they are now must remain.
  void accept_lower_changes();

  // --- places ------------------------------------------------------------

  [[nodiscard]] std::string m(const std::string& path = "") const;
  [[nodiscard]] std::string u(const std::string& path = "") const;
  [[nodiscard]] std::string l(std::size_t i, const std::string& path) const;
  [[nodiscard]] std::string work_path() const;
  /// A fresh directory outside the layers.
  std::string make_dir(const std::string& name);
  /// The disk of the lowers, to look at without leaving a trace.
  [[nodiscard]] std::string quiet_disk_path() const {
    return lower_disk_->quiet();
  }

  /// What is there now.
  [[nodiscard]] Tree merged() const { return read_tree(m()); }
  [[nodiscard]] Tree upper() const;
  [[nodiscard]] Tree lower(std::size_t i) const;

  // --- system calls, by paths in the mount -------------------------------

  [[nodiscard]] Fd open(const std::string& path, int flags = 0,
                        mode_t mode = 0644) const;
  [[nodiscard]] Outcome try_open(const std::string& path, int flags,
                                 mode_t mode = 0644) const;
  [[nodiscard]] Outcome unlink(const std::string& path) const;
  [[nodiscard]] Outcome rmdir(const std::string& path) const;
  [[nodiscard]] Outcome mkdir(const std::string& path,
                              mode_t mode = 0755) const;
  [[nodiscard]] Outcome rename(const std::string& from, const std::string& to,
                               unsigned flags = 0) const;
  [[nodiscard]] Outcome link(const std::string& from,
                             const std::string& to) const;
  [[nodiscard]] Outcome symlink(const std::string& target,
                                const std::string& path) const;
  [[nodiscard]] Outcome mknod(const std::string& path, mode_t mode,
                              dev_t device = 0) const;
  [[nodiscard]] Outcome chmod(const std::string& path, mode_t mode) const;
  [[nodiscard]] Outcome lchown(const std::string& path, uid_t uid,
                               gid_t gid) const;
  [[nodiscard]] Outcome truncate(const std::string& path, off_t size) const;
  [[nodiscard]] Outcome lutimes(const std::string& path, timespec atime,
                                timespec mtime) const;
  [[nodiscard]] Outcome setxattr(const std::string& path,
                                 const std::string& name,
                                 const std::string& value, int flags = 0) const;
  [[nodiscard]] Outcome removexattr(const std::string& path,
                                    const std::string& name) const;
  [[nodiscard]] Outcome getxattr_status(const std::string& path,
                                        const std::string& name) const;
  [[nodiscard]] std::optional<std::string> getxattr(
      const std::string& path, const std::string& name) const;
  [[nodiscard]] std::vector<std::string> listxattr(
      const std::string& path) const;
  [[nodiscard]] Outcome lstat_status(const std::string& path) const;
  [[nodiscard]] struct stat lstat(const std::string& path) const;
  [[nodiscard]] bool exists(const std::string& path) const;
  [[nodiscard]] std::string readlink(const std::string& path) const;
  /// Names without "." and "..", sorted.
  [[nodiscard]] std::vector<std::string> list(
      const std::string& path = "") const;

  /// Writes `content` with O_CREAT | O_TRUNC.
  [[nodiscard]] Outcome write_file(const std::string& path,
                                   const std::string& content) const;
  [[nodiscard]] Outcome append(const std::string& path,
                               const std::string& content) const;
  [[nodiscard]] std::string read_file(const std::string& path) const;

 private:
  struct Watchdog;

  void build_layers(Mount spec);
  void mount_or_end_test();
  [[nodiscard]] std::vector<std::string> lower_paths() const;
  Finished mount_veneer() const;
  Finished mount_overlayfs() const;
  Finished mount_host() const;
  void check_lower_unchanged();

  Target target_ = Target::kKernel;
  std::string place_;
  std::unique_ptr<Disk> lower_disk_;
  std::unique_ptr<Disk> upper_disk_;  // null if the upper is on lower_disk_
  Mount spec_;
  std::vector<Tree> lower_before_;
  bool is_mounted_ = false;
  std::unique_ptr<Watchdog> watchdog_;
};

/// For messages: the whole content from where the descriptor stands.
std::string read_all(const Fd& fd);
/// The content from the start, without moving the descriptor.
std::string pread_all(const Fd& fd);
struct stat fstat_of(const Fd& fd);
/// KiB that the file at `path` occupies.
std::int64_t kib_used(const std::string& path);

#define VENEER_ON_TARGETS(Suite, ...)                          \
  INSTANTIATE_TEST_SUITE_P(                                    \
      , Suite, ::testing::Values(__VA_ARGS__),                 \
      [](const ::testing::TestParamInfo<Target>& instance) {   \
        return ::veneer::testing::target_name(instance.param); \
      })

// Instantiates a suite on our server and on the kernel's overlayfs.
#define VENEER_ON_EVERY_TARGET(Suite) \
  VENEER_ON_TARGETS(Suite, Target::kVeneer, Target::kKernel)

// The same, and on a plain directory: what POSIX says of any file system.
#define VENEER_ON_EVERY_TARGET_AND_HOST(Suite) \
  VENEER_ON_TARGETS(Suite, Target::kVeneer, Target::kKernel, Target::kHost)

// On our server and on kernel overlayfs with nfs_export, which some rows need.
#define VENEER_WITH_KERNEL_NFS(Suite) \
  VENEER_ON_TARGETS(Suite, Target::kVeneer, Target::kKernelNfs)

// On our server alone, where the kernel's answer is another one on purpose.
// A comment above the suite cites the row and says what the kernel does.
#define VENEER_ONLY(Suite) VENEER_ON_TARGETS(Suite, Target::kVeneer)

}  // namespace veneer::testing
