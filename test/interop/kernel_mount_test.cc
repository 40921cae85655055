// SPDX-License-Identifier: MIT
//
// The kernel's overlayfs, mounted by us: over directories, over an image, as
// root and in a user namespace.

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "base/verity_digest.h"
#include "kernel/erofs_mount.h"
#include "kernel/overlay_mount.h"
#include "kernel/probe.h"
#include "sys/fault.h"
#include "sys/mount.h"
#include "sys/open.h"
#include "test/support/layer_tree.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"
#include "test/unit/composefs/from_dump.h"

namespace veneer::kernel {
namespace {

using testing::code_of;
using testing::ScratchDir;

class KernelMountTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made() && disk_.is_made());
    for (const char* dir : {"lower", "second", "upper", "work", "mnt"}) {
      std::filesystem::create_directory(path(dir));
    }
  }

  std::string path(std::string_view name) const { return scratch_.path(name); }
  void write(std::string_view name, std::string_view content) const {
    std::filesystem::create_directories(
        std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
  }
  std::string read(std::string_view name) const {
    std::ostringstream content;
    content << std::ifstream(path(name), std::ios::binary).rdbuf();
    return content.str();
  }
  sys::UniqueFd dir(std::string_view name) const {
    auto fd = sys::open_dir(path(name));
    EXPECT_TRUE(fd) << fd.error().message();
    return fd ? *std::move(fd) : sys::UniqueFd();
  }
  bool is_mounted(std::string_view name) const {
    const auto found = sys::find_mount(path(name));
    return found && *found;
  }
  // A file of the image whose content is an object in `second`.
  std::string external(const std::string& content) const {
    const std::string digest = to_hex(verity_digest(as_bytes(content)));
    const std::string object = digest.substr(0, 2) + "/" + digest.substr(2);
    write("second/" + object, content);
    return fmt::format("/file {} 100644 1 0 0 0 0.0 {} - {}\n", content.size(),
                       object, digest);
  }
  sys::UniqueFd image(const std::string& dump) const {
    std::ofstream(disk_.path("image"), std::ios::binary)
        << composefs::image_of(composefs::kDumpRoot + dump);
    auto fd = sys::open_file(disk_.path("image"));
    EXPECT_TRUE(fd);
    return fd ? *std::move(fd) : sys::UniqueFd();
  }

 private:
  ScratchDir scratch_;
  ScratchDir disk_{std::filesystem::temp_directory_path()};
};

TEST_F(KernelMountTest, DirectoriesAreMergedAndWritable) {
  write("lower/a", "from below");
  write("second/b", "from further below");
  const auto lower = dir("lower");
  const auto second = dir("second");
  const auto upper = dir("upper");
  const auto work = dir("work");

  auto mount = OverlayMount::make({.lowers = {lower.get(), second.get()},
                                   .upper = upper.get(),
                                   .work = work.get()},
                                  path("mnt"));

  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(read("mnt/a"), "from below");
  EXPECT_EQ(read("mnt/b"), "from further below");
  write("mnt/c", "new");
  EXPECT_EQ(read("upper/c"), "new");
}

TEST_F(KernelMountTest, MountGoesWithTheObject) {
  const auto lower = dir("lower");
  const auto second = dir("second");
  {
    auto mount = OverlayMount::make(
        {.lowers = {lower.get(), second.get()}, .read_only = true},
        path("mnt"));
    ASSERT_TRUE(mount) << mount.error().message();
    EXPECT_TRUE(is_mounted("mnt"));
    const OverlayMount moved = *std::move(mount);
    EXPECT_TRUE(is_mounted("mnt"));
  }
  EXPECT_FALSE(is_mounted("mnt"));

  auto mount = OverlayMount::make(
      {.lowers = {lower.get(), second.get()}, .read_only = true}, path("mnt"));
  ASSERT_TRUE(mount);
  mount->release();
  EXPECT_TRUE(is_mounted("mnt"));
  EXPECT_EQ(::umount(path("mnt").c_str()), 0);
}

TEST_F(KernelMountTest, DetachedMountIsSeenNowhereUntilItIsAttached) {
  write("lower/a", "x");
  const auto lower = dir("lower");
  const auto second = dir("second");

  auto mount = OverlayMount::make_detached(
      {.lowers = {lower.get(), second.get()}, .read_only = true});

  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_FALSE(is_mounted("mnt"));
  EXPECT_TRUE(sys::open_at(mount->fd(), "a", O_RDONLY));
  ASSERT_TRUE(mount->attach(path("mnt")));
  EXPECT_EQ(read("mnt/a"), "x");
  EXPECT_EQ(code_of(sys::open_at(mount->fd(), "b", O_RDWR | O_CREAT, 0644)),
            EROFS);
}

TEST_F(KernelMountTest, ErrorHasTheKernelsWords) {
  const auto lower = dir("lower");
  const auto second = dir("second");
  OverlaySpec spec{.lowers = {lower.get(), second.get()}, .read_only = true};
  spec.options.emplace_back("no_such_option", "on");

  const auto mount = OverlayMount::make(spec, path("mnt"));

  ASSERT_FALSE(mount);
  EXPECT_EQ(mount.error().code(), EINVAL);
  EXPECT_NE(mount.error().message().find("no_such_option"), std::string::npos)
      << mount.error().message();
  EXPECT_FALSE(is_mounted("mnt"));
}

TEST_F(KernelMountTest, OldKernelIsAskedByMount) {
  write("lower/a", "x");
  const auto lower = dir("lower");
  const auto upper = dir("upper");
  const auto work = dir("work");
  sys::fault::pretend_old_kernel(true);

  const auto mount = OverlayMount::make(
      {.lowers = {lower.get()}, .upper = upper.get(), .work = work.get()},
      path("mnt"));

  sys::fault::pretend_old_kernel(false);
  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(mount->form(), "mount(2)");
  EXPECT_EQ(read("mnt/a"), "x");
  write("mnt/b", "y");
  EXPECT_EQ(read("upper/b"), "y");
}

class EveryForm : public KernelMountTest,
                  public ::testing::WithParamInterface<LayerForm> {};

TEST_P(EveryForm, MountsDirectories) {
  write("lower/a", "x");
  write("second/ab/cd", "hello");
  const auto lower = dir("lower");
  const auto second = dir("second");
  const auto upper = dir("upper");
  const auto work = dir("work");

  const auto mount = OverlayMount::make({.lowers = {lower.get()},
                                         .data = {second.get()},
                                         .upper = upper.get(),
                                         .work = work.get(),
                                         .newest_form = GetParam()},
                                        path("mnt"));

  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(mount->form(), name_of(GetParam()));
  EXPECT_EQ(read("mnt/a"), "x");
  EXPECT_FALSE(std::filesystem::exists(path("mnt/ab")));
  write("mnt/b", "y");
  EXPECT_EQ(read("upper/b"), "y");
}

// Kernels that take paths only take no mounts that are attached nowhere.
TEST_P(EveryForm, MountsImages) {
  if (!may_mount_erofs()) GTEST_SKIP() << "there is no EROFS for us";
  const auto fd = image(external("content of the object"));
  auto erofs = mount_erofs(fd.get(), false);
  ASSERT_TRUE(erofs) << erofs.error().message();
  const auto objects = dir("second");
  OverlaySpec spec = composefs_overlay(erofs->get(), {objects.get()}, false);
  spec.detached = {erofs->get()};
  spec.read_only = true;
  spec.newest_form = GetParam();

  const auto mount = OverlayMount::make(spec, path("mnt"));

  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(read("mnt/file"), "content of the object");
  const auto mounts = sys::read_mounts();
  ASSERT_TRUE(mounts);
  for (const auto& entry : *mounts) {
    EXPECT_NE(entry.fs_type, "erofs") << entry.mount_point;
  }
}

std::string form_name(const ::testing::TestParamInfo<LayerForm>& form) {
  std::string name(name_of(form.param));
  std::erase(name, ' ');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Forms, EveryForm,
                         ::testing::Values(LayerForm::kDescriptors,
                                           LayerForm::kPaths,
                                           LayerForm::kOneString),
                         form_name);

TEST_F(KernelMountTest, ProbeSaysWhatWorks) {
  const auto found = probe_overlay(path(""));

  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(found->overlay) << found->reason;
  EXPECT_FALSE(found->form.empty());
  if (!found->data_layers || !found->data_layers_userxattr) {
    EXPECT_FALSE(found->reason.empty());
  }
  // Nothing is left behind.
  for (const auto& entry : std::filesystem::directory_iterator(path(""))) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("veneer-"));
  }
}

// --- Images ------------------------------------------------------------------

TEST_F(KernelMountTest, ImageBelowAnOverlayShowsItsContent) {
  if (!may_mount_erofs()) GTEST_SKIP() << "there is no EROFS for us";
  const auto fd = image(external("content of the object"));
  auto erofs = mount_erofs(fd.get(), false);
  ASSERT_TRUE(erofs) << erofs.error().message();
  const auto objects = dir("second");
  const auto upper = dir("upper");
  const auto work = dir("work");
  OverlaySpec spec = composefs_overlay(erofs->get(), {objects.get()}, false);
  spec.detached = {erofs->get()};
  spec.upper = upper.get();
  spec.work = work.get();

  auto mount = OverlayMount::make(spec, path("mnt"));

  ASSERT_TRUE(mount) << mount.error().message();
  erofs->reset();
  EXPECT_EQ(read("mnt/file"), "content of the object");
  std::ofstream(path("mnt/file"), std::ios::app) << " and more";
  EXPECT_EQ(read("mnt/file"), "content of the object and more");
  EXPECT_FALSE(std::filesystem::exists(path("mnt/00")));
}

TEST_F(KernelMountTest, WhatIsNoImageIsNotMounted) {
  if (!may_mount_erofs()) GTEST_SKIP() << "there is no EROFS for us";
  std::ofstream(path("nonsense")) << std::string(8192, 'x');
  const auto fd = sys::open_file(path("nonsense"));

  const auto erofs = mount_erofs(fd->get(), false);

  EXPECT_FALSE(erofs);
}

// An object that has no digest, or no fs-verity.
TEST_F(KernelMountTest, RequiredVerityRefusesOrdinaryObjects) {
  const auto abilities = probe_overlay(path(""));
  if (!may_mount_erofs() || !abilities || !abilities->verity) {
    GTEST_SKIP() << "there is no EROFS for us, or no verity in overlayfs";
  }
  const auto fd = image(external("content of the object"));
  auto erofs = mount_erofs(fd.get(), false);
  ASSERT_TRUE(erofs) << erofs.error().message();
  const auto objects = dir("second");
  OverlaySpec spec = composefs_overlay(erofs->get(), {objects.get()}, false);
  spec.verity = OverlayVerity::kRequire;
  spec.read_only = true;

  auto mount = OverlayMount::make(spec, path("mnt"));

  ASSERT_TRUE(mount) << mount.error().message();
  EXPECT_EQ(::open(path("mnt/file").c_str(), O_RDONLY), -1);
  EXPECT_EQ(errno, EIO);
}

// --- In a user namespace -----------------------------------------------------

// Runs `body` as root of a user namespace of its own; what it returns is a
// sentence, empty if all is well.
template <typename Body>
std::string in_user_namespace(Body body) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return "pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    std::string said;
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
      said = "SKIP";
    } else {
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/uid_map") << "0 0 1";
      std::ofstream("/proc/self/gid_map") << "0 0 1";
      said = body();
    }
    static_cast<void>(::write(pipe[1], said.data(), said.size()));
    ::_exit(0);
  }
  ::close(pipe[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t n; (n = ::read(pipe[0], buffer, sizeof(buffer))) > 0;) {
    said.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  ::waitpid(child, nullptr, 0);
  return said;
}

TEST_F(KernelMountTest, DataLayersWorkInAUserNamespace) {
  const std::string said = in_user_namespace([&]() -> std::string {
    // user.* xattrs on files of our own.
    const std::string meta = path("lower/file");
    std::ofstream file(meta);
    file.close();
    std::filesystem::resize_file(meta, 5);
    write("second/ab/cd", "hello");
    if (::setxattr(meta.c_str(), "user.overlay.metacopy", "", 0, 0) != 0 ||
        ::setxattr(meta.c_str(), "user.overlay.redirect", "/ab/cd", 6, 0) !=
            0) {
      return "SKIP";
    }
    const auto abilities = probe_overlay(path(""));
    if (!abilities || !abilities->data_layers_userxattr) return "SKIP";
    const auto lower = dir("lower");
    const auto objects = dir("second");
    const auto upper = dir("upper");
    const auto work = dir("work");
    OverlaySpec spec = composefs_overlay(lower.get(), {objects.get()}, true);
    spec.upper = upper.get();
    spec.work = work.get();
    auto mount = OverlayMount::make(spec, path("mnt"));
    if (!mount) return mount.error().message();
    if (read("mnt/file") != "hello") return "read: " + read("mnt/file");
    std::ofstream(path("mnt/file"), std::ios::app) << "!";
    if (read("mnt/file") != "hello!") return "written: " + read("mnt/file");
    if (may_mount_erofs()) return "EROFS says that it can be mounted";
    return "";
  });
  if (said == "SKIP") {
    GTEST_SKIP() << "there are no user namespaces, or no data layers in them";
  }
  EXPECT_EQ(said, "");
  EXPECT_EQ(read("upper/file"), "hello!");
}

}  // namespace
}  // namespace veneer::kernel
