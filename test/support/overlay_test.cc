// SPDX-License-Identifier: MIT
//
// Each test gets a directory below the scratch root: one disk for the layers
// (two when the upper is apart), and the mount point beside it. Kernel mounts
// go through fsopen(2), whose lowerdir+ takes paths of any length and number.

#include "test/support/overlay_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "test/support/isolation.h"

namespace veneer::testing {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

// Leaves the test's body from within a helper: what there is to say has been
// said, and the rest would act on a directory without a mount. GoogleTest
// takes this one exception as the end of the test and nothing more.
[[noreturn]] void end_test() {
  throw ::testing::AssertionException(::testing::TestPartResult(
      ::testing::TestPartResult::kSkip, __FILE__, __LINE__, ""));
}

std::string under(const std::string& root, const std::string& path) {
  return path.empty() ? root : root + "/" + path;
}

std::string context_message(const Fd& context) {
  char text[512];
  std::string all;
  while (true) {
    const ssize_t n = ::read(context.get(), text, sizeof(text));
    if (n <= 0) return all;
    all.append(text, static_cast<std::size_t>(n)).append("\n");
  }
}

}  // namespace

// Aborts the test's mount when it has not been told to stop in time, and
// meanwhile drops caches over and over if VENEER_TEST_DROP_CACHES is set.
struct OverlayTest::Watchdog {
  explicit Watchdog(std::string mount_point)
      : path(std::move(mount_point)), thread([this] { watch(); }) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    thread.join();
  }

  void watch() {
    const bool drops = ::getenv("VENEER_TEST_DROP_CACHES") != nullptr;
    const auto step = drops ? std::chrono::milliseconds(20)
                            : std::chrono::milliseconds(kPatience);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, step, [this] { return stop; })) {
      if (drops) drop_caches();
      if (std::chrono::steady_clock::now() < deadline) continue;
      std::fprintf(stderr, "no end after a minute: aborting %s\n",
                   path.c_str());
      ::umount2(path.c_str(), MNT_FORCE);
      return;
    }
  }

  std::string path;
  std::mutex mutex;
  std::condition_variable wake;
  bool stop = false;
  std::thread thread;
};

std::string target_name(Target target) {
  switch (target) {
    case Target::kVeneer:
      return "veneer";
    case Target::kKernel:
      return "kernel";
    case Target::kKernelNfs:
      return "kernel_nfs";
    case Target::kHost:
      return "host";
  }
  return "unknown";
}

bool skips_are_failures() {
  const char* ci = ::getenv("CI");
  return ci != nullptr && std::string(ci) == "true";
}

std::string veneer_program() {
  if (const char* path = ::getenv("VENEER_BIN")) return path;
#ifdef VENEER_BIN_DEFAULT
  if (::access(VENEER_BIN_DEFAULT, X_OK) == 0) return VENEER_BIN_DEFAULT;
#endif
  return "";
}

Outcome mount_kernel(const std::vector<std::string>& lower,
                     const std::string& upper, const std::string& work,
                     const std::string& at,
                     const std::vector<std::string>& options) {
  const Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.is_open()) return outcome(-1);
  std::vector<std::pair<std::string, std::string>> settings;
  for (const std::string& path : lower) settings.push_back({"lowerdir+", path});
  if (!upper.empty()) {
    settings.push_back({"upperdir", upper});
    settings.push_back({"workdir", work});
  }
  for (const std::string& option : options) {
    const auto equals = option.find('=');
    settings.push_back(
        {option.substr(0, equals),
         equals == std::string::npos ? "" : option.substr(equals + 1)});
  }
  for (const auto& [key, value] : settings) {
    const bool is_flag = value.empty();
    const Outcome set = outcome(::fsconfig(
        context.get(), is_flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING,
        key.c_str(), is_flag ? nullptr : value.c_str(), 0));
    if (!set.ok()) return set;
  }
  const Outcome made = outcome(
      ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0));
  if (!made.ok()) {
    std::fprintf(stderr, "%s", context_message(context).c_str());
    return made;
  }
  const Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!mount.is_open()) return outcome(-1);
  return outcome(::move_mount(mount.get(), "", AT_FDCWD, at.c_str(),
                              MOVE_MOUNT_F_EMPTY_PATH));
}

OverlayTest::OverlayTest() = default;
OverlayTest::~OverlayTest() = default;

void OverlayTest::SetUp() {
  target_ = GetParam();
  if (::geteuid() != 0) VENEER_SKIP_WITHOUT("root's rights, to mount");
  if (target_ == Target::kVeneer && veneer_program().empty()) {
    VENEER_SKIP_WITHOUT("the program veneer (build it, or set VENEER_BIN)");
  }
  if (scratch_root().empty()) {
    VENEER_SKIP_WITHOUT("a scratch directory (main() must run_isolated())");
  }
  static std::atomic<int> number = 0;
  place_ = scratch_root() + "/" + std::to_string(number++);
  ::mkdir(place_.c_str(), 0755);
  ::mkdir(m().c_str(), 0755);
}

void OverlayTest::TearDown() {
  if (place_.empty()) return;
  if (is_mounted_) unmount();
  watchdog_.reset();
  check_lower_unchanged();
  upper_disk_.reset();
  lower_disk_.reset();
  run({"rm", "-rf", "--one-file-system", place_});
}

void OverlayTest::prepare(Mount spec) {
  build_layers(std::move(spec));
  if (IsSkipped() || HasFatalFailure()) end_test();
}

void OverlayTest::build_layers(Mount spec) {
  spec_ = std::move(spec);
  // The kernel wants two lower layers where there is no upper.
  if (is_kernel() && spec_.read_only && spec_.lower.size() == 1) {
    spec_.lower.push_back({});
  }
  const bool apart = spec_.apart || !spec_.upper_size.empty();
  lower_disk_ = std::make_unique<Disk>(apart ? DiskKind::kTmpfs : spec_.disk,
                                       place_ + "/disk");
  if (apart) {
    upper_disk_ = std::make_unique<Disk>(spec_.disk, place_ + "/upper_disk",
                                         spec_.upper_size);
  }
  for (const Disk* disk : {lower_disk_.get(), upper_disk_.get()}) {
    if (disk != nullptr && !disk->missing().empty()) {
      VENEER_SKIP_WITHOUT(disk->missing());
    }
  }
  for (std::size_t i = 0; i < spec_.lower.size(); ++i) {
    ::mkdir(l(i, "").c_str(), 0755);
    build_tree(spec_.lower[i], l(i, ""));
  }
  if (!spec_.read_only) {
    ::mkdir(u().c_str(), 0755);
    ::mkdir(work_path().c_str(), 0755);
    build_tree(spec_.upper, u());
  }
  accept_lower_changes();
}

void OverlayTest::mount(Mount spec) {
  prepare(std::move(spec));
  mount_or_end_test();
}

void OverlayTest::mount_or_end_test() {
  const Finished mounted = try_mount();
  if (mounted.status == 0) return;
  ADD_FAILURE() << "mounting as " << target_name(target_) << ": "
                << mounted.err;
  end_test();
}

Finished OverlayTest::try_mount() {
  Finished result;
  if (target_ == Target::kVeneer) {
    result = mount_veneer();
  } else if (target_ == Target::kHost) {
    result = mount_host();
  } else {
    result = mount_overlayfs();
  }
  is_mounted_ = result.status == 0;
  if (is_mounted_) watchdog_ = std::make_unique<Watchdog>(m());
  return result;
}

Finished OverlayTest::mount_veneer() const {
  std::vector<std::string> argv = {veneer_program(), "mount"};
  for (const std::string& path : lower_paths()) {
    argv.insert(argv.end(), {"--lower", path});
  }
  if (!spec_.read_only) {
    argv.insert(argv.end(), {"--upper", u(), "--work", work_path()});
  }
  argv.insert(argv.end(), spec_.veneer_options.begin(),
              spec_.veneer_options.end());
  // To run every test another way: VENEER_TEST_OPTIONS="--writeback on".
  if (const char* more = ::getenv("VENEER_TEST_OPTIONS")) {
    std::istringstream words(more);
    for (std::string word; words >> word;) argv.push_back(word);
  }
  argv.push_back(m());
  return run(argv);
}

Finished OverlayTest::mount_overlayfs() const {
  std::vector<std::string> options = {"xino=on"};
  if (!spec_.read_only) {
    options.insert(options.end(), {"redirect_dir=on", "index=on"});
    options.push_back(target_ == Target::kKernelNfs ? "nfs_export=on"
                                                    : "metacopy=on");
  }
  const Outcome mounted = mount_kernel(
      lower_paths(), spec_.read_only ? "" : u(), work_path(), m(), options);
  return {mounted.ok() ? 0 : 1, "", error_name(mounted.error)};
}

// The merged tree without an overlay: what each layer adds, topmost first. A
// test that needs whiteouts to act does not run on this target.
Finished OverlayTest::mount_host() const {
  if (::mount("host", m().c_str(), "tmpfs", MS_STRICTATIME, "mode=0755") != 0) {
    return {1, "", error_name(errno)};
  }
  std::vector<std::string> layers;
  for (std::size_t i = spec_.lower.size(); i-- > 0;) {
    layers.push_back(lower_disk_->quiet() + "/l" + std::to_string(i));
  }
  if (!spec_.read_only) layers.push_back(u());
  for (const std::string& layer : layers) {
    const Finished copied = run({"cp", "-a", layer + "/.", m()});
    if (copied.status != 0) return copied;
  }
  return {};
}

void OverlayTest::unmount() {
  is_mounted_ = false;
  if (target_ == Target::kVeneer) {
    const Finished done = run({veneer_program(), "umount", m()});
    EXPECT_EQ(done.status, 0) << done.err;
    if (done.status != 0) ::umount2(m().c_str(), MNT_FORCE | MNT_DETACH);
    return;
  }
  const Outcome done = outcome(::umount2(m().c_str(), 0));
  EXPECT_THAT(done, Succeeds()) << "unmounting " << m();
  if (!done.ok()) ::umount2(m().c_str(), MNT_DETACH);
}

void OverlayTest::remount() { remount_as(target_); }

void OverlayTest::remount_as(Target target) {
  if (target == Target::kHost) return;  // a plain directory just stays
  watchdog_.reset();
  unmount();
  target_ = target;
  mount_or_end_test();
}

void OverlayTest::accept_lower_changes() {
  lower_before_.clear();
  for (std::size_t i = 0; i < spec_.lower.size(); ++i) {
    lower_before_.push_back(lower(i));
  }
}

void OverlayTest::check_lower_unchanged() {
  constexpr Compare kAll = {.ino = true, .atime = true, .ctime = true};
  for (std::size_t i = 0; i < lower_before_.size(); ++i) {
    EXPECT_EQ(differences(lower_before_[i], lower(i), kAll), "")
        << "lower layer " << i << " was changed";
  }
}

std::string OverlayTest::m(const std::string& path) const {
  return under(place_ + "/m", path);
}

std::string OverlayTest::u(const std::string& path) const {
  const Disk& disk = upper_disk_ ? *upper_disk_ : *lower_disk_;
  return under(disk.path() + "/u", path);
}

std::string OverlayTest::l(std::size_t i, const std::string& path) const {
  return under(lower_disk_->path() + "/l" + std::to_string(i), path);
}

std::string OverlayTest::work_path() const {
  const Disk& disk = upper_disk_ ? *upper_disk_ : *lower_disk_;
  return disk.path() + "/w";
}

std::vector<std::string> OverlayTest::lower_paths() const {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < spec_.lower.size(); ++i) {
    paths.push_back(l(i, ""));
  }
  return paths;
}

std::string OverlayTest::make_dir(const std::string& name) {
  const std::string path = lower_disk_->path() + "/" + name;
  EXPECT_THAT(::mkdir(path.c_str(), 0755), Succeeds());
  return path;
}

Tree OverlayTest::upper() const {
  const Disk& disk = upper_disk_ ? *upper_disk_ : *lower_disk_;
  return read_tree(disk.quiet() + "/u");
}

Tree OverlayTest::lower(std::size_t i) const {
  return read_tree(lower_disk_->quiet() + "/l" + std::to_string(i));
}

Fd OverlayTest::open(const std::string& path, int flags, mode_t mode) const {
  Fd fd(::open(m(path).c_str(), flags | O_CLOEXEC, mode));
  EXPECT_THAT(fd.get(), Succeeds()) << "open " << path;
  return fd;
}

Outcome OverlayTest::try_open(const std::string& path, int flags,
                              mode_t mode) const {
  const int fd = ::open(m(path).c_str(), flags | O_CLOEXEC, mode);
  const Outcome result = outcome(fd);
  const Fd closer(fd);
  return result;
}

Outcome OverlayTest::unlink(const std::string& path) const {
  return outcome(::unlink(m(path).c_str()));
}
Outcome OverlayTest::rmdir(const std::string& path) const {
  return outcome(::rmdir(m(path).c_str()));
}
Outcome OverlayTest::mkdir(const std::string& path, mode_t mode) const {
  return outcome(::mkdir(m(path).c_str(), mode));
}
Outcome OverlayTest::rename(const std::string& from, const std::string& to,
                            unsigned flags) const {
  return outcome(
      ::renameat2(AT_FDCWD, m(from).c_str(), AT_FDCWD, m(to).c_str(), flags));
}
Outcome OverlayTest::link(const std::string& from,
                          const std::string& to) const {
  return outcome(::link(m(from).c_str(), m(to).c_str()));
}
Outcome OverlayTest::symlink(const std::string& target,
                             const std::string& path) const {
  return outcome(::symlink(target.c_str(), m(path).c_str()));
}
Outcome OverlayTest::mknod(const std::string& path, mode_t mode,
                           dev_t device) const {
  return outcome(::mknod(m(path).c_str(), mode, device));
}
Outcome OverlayTest::chmod(const std::string& path, mode_t mode) const {
  return outcome(::chmod(m(path).c_str(), mode));
}
Outcome OverlayTest::lchown(const std::string& path, uid_t uid,
                            gid_t gid) const {
  return outcome(::lchown(m(path).c_str(), uid, gid));
}
Outcome OverlayTest::truncate(const std::string& path, off_t size) const {
  return outcome(::truncate(m(path).c_str(), size));
}
Outcome OverlayTest::lutimes(const std::string& path, timespec atime,
                             timespec mtime) const {
  const timespec times[2] = {atime, mtime};
  return outcome(
      ::utimensat(AT_FDCWD, m(path).c_str(), times, AT_SYMLINK_NOFOLLOW));
}
Outcome OverlayTest::setxattr(const std::string& path, const std::string& name,
                              const std::string& value, int flags) const {
  return outcome(::lsetxattr(m(path).c_str(), name.c_str(), value.data(),
                             value.size(), flags));
}
Outcome OverlayTest::removexattr(const std::string& path,
                                 const std::string& name) const {
  return outcome(::lremovexattr(m(path).c_str(), name.c_str()));
}
Outcome OverlayTest::getxattr_status(const std::string& path,
                                     const std::string& name) const {
  return outcome(::lgetxattr(m(path).c_str(), name.c_str(), nullptr, 0));
}

std::optional<std::string> OverlayTest::getxattr(
    const std::string& path, const std::string& name) const {
  std::vector<char> value(64 * 1024);
  const ssize_t n =
      ::lgetxattr(m(path).c_str(), name.c_str(), value.data(), value.size());
  if (n < 0) return std::nullopt;
  return std::string(value.data(), static_cast<std::size_t>(n));
}

std::vector<std::string> OverlayTest::listxattr(const std::string& path) const {
  std::vector<char> names(64 * 1024);
  const ssize_t length =
      ::llistxattr(m(path).c_str(), names.data(), names.size());
  EXPECT_THAT(length, Succeeds()) << "listxattr " << path;
  std::vector<std::string> result;
  for (ssize_t at = 0; at < length;) {
    result.emplace_back(names.data() + at);
    at += static_cast<ssize_t>(result.back().size()) + 1;
  }
  std::ranges::sort(result);
  return result;
}

Outcome OverlayTest::lstat_status(const std::string& path) const {
  struct stat status{};
  return outcome(::lstat(m(path).c_str(), &status));
}

struct stat OverlayTest::lstat(const std::string& path) const {
  struct stat status{};
  EXPECT_THAT(::lstat(m(path).c_str(), &status), Succeeds()) << path;
  return status;
}

bool OverlayTest::exists(const std::string& path) const {
  struct stat status{};
  return ::lstat(m(path).c_str(), &status) == 0;
}

std::string OverlayTest::readlink(const std::string& path) const {
  char target[PATH_MAX];
  const ssize_t n = ::readlink(m(path).c_str(), target, sizeof(target));
  EXPECT_THAT(n, Succeeds()) << "readlink " << path;
  return {target, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
}

std::vector<std::string> OverlayTest::list(const std::string& path) const {
  std::vector<std::string> names;
  DIR* dir = ::opendir(m(path).c_str());
  EXPECT_NE(dir, nullptr) << "opendir " << path << ": " << error_name(errno);
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  std::ranges::sort(names);
  return names;
}

Outcome OverlayTest::write_file(const std::string& path,
                                const std::string& content) const {
  const Fd fd(
      ::open(m(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd.is_open()) return outcome(-1);
  return outcome(::write(fd.get(), content.data(), content.size()));
}

Outcome OverlayTest::append(const std::string& path,
                            const std::string& content) const {
  const Fd fd(::open(m(path).c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  if (!fd.is_open()) return outcome(-1);
  return outcome(::write(fd.get(), content.data(), content.size()));
}

std::string OverlayTest::read_file(const std::string& path) const {
  const Fd fd(::open(m(path).c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_THAT(fd.get(), Succeeds()) << "open " << path;
  return read_all(fd);
}

std::string read_all(const Fd& fd) {
  std::string content;
  std::vector<char> buffer(128 * 1024);
  while (fd.is_open()) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    EXPECT_THAT(n, Succeeds()) << "read";
    if (n <= 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return content;
}

std::string pread_all(const Fd& fd) {
  std::string content;
  std::vector<char> buffer(128 * 1024);
  while (fd.is_open()) {
    const ssize_t n = ::pread(fd.get(), buffer.data(), buffer.size(),
                              static_cast<off_t>(content.size()));
    EXPECT_THAT(n, Succeeds()) << "pread";
    if (n <= 0) break;
    content.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return content;
}

struct stat fstat_of(const Fd& fd) {
  struct stat status{};
  EXPECT_THAT(::fstat(fd.get(), &status), Succeeds());
  return status;
}

std::int64_t kib_used(const std::string& path) {
  struct stat status{};
  EXPECT_THAT(::lstat(path.c_str(), &status), Succeeds()) << path;
  return status.st_blocks / 2;
}

}  // namespace veneer::testing
