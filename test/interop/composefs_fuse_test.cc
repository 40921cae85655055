// SPDX-License-Identifier: MIT
//
// Images served over FUSE: following, and as the metadata of a kernel overlay.
// Both show what the kernel's own mount of the image shows, and what is
// written through the overlay is copied up.

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/bytes.h"
#include "base/verity_digest.h"
#include "fuse/session.h"
#include "kernel/erofs_mount.h"
#include "kernel/overlay_mount.h"
#include "overlay/filesystem.h"
#include "sys/open.h"
#include "test/support/outcome.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"
#include "test/unit/composefs/from_dump.h"
#include "veneer/composefs.h"

namespace veneer::testing {
namespace {

// A layer behind FUSE, for as long as the object lives.
class Served {
 public:
  Served(std::unique_ptr<Layer> layer, const std::string& mount_point) {
    std::vector<std::unique_ptr<Layer>> layers;
    layers.push_back(std::move(layer));
    auto made = overlay::Filesystem::make(std::move(layers), nullptr, {});
    if (!made) {
      missing_ = made.error().message();
      return;
    }
    filesystem_ = *std::move(made);
    fuse::SessionOptions options;
    options.mount_point = mount_point;
    options.read_only = true;
    options.threads = 2;
    options.on_ready = [this] {
      const std::lock_guard lock(mu_);
      ready_ = true;
      changed_.notify_all();
    };
    auto session = fuse::Session::mount(*filesystem_, std::move(options));
    if (!session) {
      missing_ = session.error().message();
      return;
    }
    session_ = *std::move(session);
    server_ = std::thread([this] { ignore_error(session_->run()); });
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return ready_; });
  }
  ~Served() {
    if (!session_) return;
    session_->stop();
    server_.join();
    session_->unmount();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  const std::string& missing() const { return missing_; }

 private:
  std::unique_ptr<overlay::Filesystem> filesystem_;
  std::unique_ptr<fuse::Session> session_;
  std::thread server_;
  std::string missing_;
  std::mutex mu_;
  std::condition_variable changed_;
  bool ready_ = false;
};

class ComposefsFuseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(scratch_.is_made() && disk_.is_made());
    for (const char* dir : {"store", "fuse", "mnt", "root", "upper", "work"}) {
      std::filesystem::create_directory(path(dir));
    }
    std::ofstream(image(), std::ios::binary) << composefs::image_of(sample());
    store_ = open("store");
    upper_ = open("upper");
    work_ = open("work");
  }

  std::string path(std::string_view name) const { return scratch_.path(name); }
  std::string image() const { return disk_.path("image"); }
  sys::UniqueFd open(std::string_view name) const {
    auto fd = sys::open_dir(path(name));
    EXPECT_TRUE(fd) << fd.error().message();
    return fd ? *std::move(fd) : sys::UniqueFd();
  }
  std::string read(std::string_view name) const {
    std::ostringstream content;
    content << std::ifstream(path(name), std::ios::binary).rdbuf();
    return content.str();
  }

  std::string external(const std::string& name, const std::string& content,
                       const std::string& rest = "") const {
    const std::string digest = to_hex(verity_digest(as_bytes(content)));
    const std::string object = digest.substr(0, 2) + "/" + digest.substr(2);
    std::filesystem::create_directory(path("store/" + digest.substr(0, 2)));
    std::ofstream(path("store/" + object), std::ios::binary) << content;
    return fmt::format("{} {} 100644 1 0 0 0 7.25 {} - {}{}\n", name,
                       content.size(), object, digest, rest);
  }
  std::string sample() const {
    return composefs::kDumpRoot +
           "/d 0 40755 2 0 0 0 1.5 - - - user.on=dir\n"
           "/d/w 0 20644 1 0 0 0 0.0 - - -\n"
           "/d/f 3 100600 1 0 0 0 -3.5 - abc - user.x=1 trusted.y=2\n" +
           external("/d/e", "in a directory", " user.e=1") +
           "/escaped 0 40755 2 0 0 0 0.0 - - - trusted.overlay.opaque=y "
           "user.overlay.origin=z\n"
           "/h1 3 100644 2 0 0 0 0.0 - abc -\n"
           "/h2 0 @100644 2 0 0 0 0.0 /h1 - -\n"
           "/empty 0 100644 1 0 0 0 0.0 - - -\n"
           "/link 4 120777 1 0 0 0 0.0 some - -\n"
           "/chr 0 20600 1 0 0 259 0.0 - - -\n"
           "/fifo 0 10600 1 0 0 0 0.0 - - -\n" +
           external("/small", "a") +
           external("/large", std::string(1'000'000, 'q'), " user.same=v") +
           external("/again", std::string(1'000'000, 'q'), " user.same=v");
  }

  // What root sees by the kernel's own mount; empty if there is none.
  Tree root_tree() {
    auto fd = sys::open_file(image());
    auto erofs = kernel::mount_erofs(fd->get(), false);
    if (!erofs) return {};
    auto spec = kernel::composefs_overlay(erofs->get(), {store_.get()}, false);
    spec.detached = {erofs->get()};
    spec.read_only = true;
    auto mount = kernel::OverlayMount::make(spec, path("root"));
    EXPECT_TRUE(mount) << mount.error().message();
    return mount ? read_tree(path("root")) : Tree();
  }

  std::unique_ptr<Served> serve(const composefs::LayerOptions& options) {
    auto layer = composefs::open_layer(image(), options);
    EXPECT_TRUE(layer) << layer.error().message();
    return std::make_unique<Served>(*std::move(layer), path("fuse"));
  }

  // The kernel's overlay over the metadata that are served.
  Result<kernel::OverlayMount> overlay(bool userxattr, bool writable) {
    const sys::UniqueFd metadata = open("fuse");
    auto spec =
        kernel::composefs_overlay(metadata.get(), {store_.get()}, userxattr);
    spec.read_only = !writable;
    if (writable) {
      spec.upper = upper_.get();
      spec.work = work_.get();
    }
    return kernel::OverlayMount::make(spec, path("mnt"));
  }

  sys::UniqueFd store_, upper_, work_;

 private:
  ScratchDir scratch_;
  ScratchDir disk_{std::filesystem::temp_directory_path()};
};

TEST_F(ComposefsFuseTest, FollowingIsWhatTheKernelsMountShows) {
  const Tree expected = root_tree();
  if (expected.entries().empty()) GTEST_SKIP() << "there is no EROFS for us";
  const auto served = serve({.objects = {path("store")}});
  if (!served->missing().empty()) GTEST_SKIP() << served->missing();

  EXPECT_THAT(read_tree(path("fuse")),
              TreeIs(expected, Compare{.ctime = true}));
}

class OverMetadata : public ComposefsFuseTest,
                     public ::testing::WithParamInterface<bool> {
 protected:
  bool userxattr() const { return GetParam(); }
  composefs::LayerOptions metadata() const {
    return {.mode = composefs::ServeMode::kMetadata,
            .trusted_xattrs = !userxattr()};
  }
};

TEST_P(OverMetadata, OverlayIsWhatTheKernelsMountShows) {
  const Tree expected = root_tree();
  if (expected.entries().empty()) GTEST_SKIP() << "there is no EROFS for us";
  const auto served = serve(metadata());
  if (!served->missing().empty()) GTEST_SKIP() << served->missing();
  const auto mount = overlay(userxattr(), false);
  ASSERT_TRUE(mount) << mount.error().message();

  EXPECT_THAT(read_tree(path("mnt")), TreeIs(expected, Compare{.ctime = true}));
}

TEST_P(OverMetadata, WhatIsWrittenIsCopiedUp) {
  const auto served = serve(metadata());
  if (!served->missing().empty()) GTEST_SKIP() << served->missing();
  const auto mount = overlay(userxattr(), true);
  ASSERT_TRUE(mount) << mount.error().message();

  std::ofstream(path("mnt/d/e"), std::ios::app) << ", changed";
  EXPECT_EQ(read("mnt/d/e"), "in a directory, changed");
  std::ofstream(path("mnt/d/f"), std::ios::app) << "def";
  EXPECT_EQ(read("mnt/d/f"), "abcdef");
  EXPECT_THAT(::chmod(path("mnt/large").c_str(), 0600), Succeeds());
  EXPECT_EQ(read("mnt/large"), std::string(1'000'000, 'q'));
  std::ofstream(path("mnt/d/new")) << "new";
  EXPECT_EQ(read("upper/d/new"), "new");
  EXPECT_THAT(::unlink(path("mnt/small").c_str()), Succeeds());
  EXPECT_FALSE(std::filesystem::exists(path("mnt/small")));
  EXPECT_THAT(::rename(path("mnt/again").c_str(), path("mnt/moved").c_str()),
              Succeeds());
  EXPECT_EQ(read("mnt/moved"), std::string(1'000'000, 'q'));
  EXPECT_THAT(::setxattr(path("mnt/h1").c_str(), "user.mine", "1", 1, 0),
              Succeeds());
  char value[8];
  EXPECT_THAT(::getxattr(path("mnt/d/e").c_str(), "user.e", value, 8),
              SyscallReturns(1));
}

TEST_P(OverMetadata, ContentIsNotReadThroughTheMetadata) {
  const auto served = serve(metadata());
  if (!served->missing().empty()) GTEST_SKIP() << served->missing();

  const int fd = ::open(path("fuse/large").c_str(), O_RDONLY);
  EXPECT_THAT(fd, Succeeds());
  char byte = 0;
  EXPECT_THAT(::read(fd, &byte, 1), FailsWith(EIO));
  ::close(fd);
  EXPECT_EQ(read("fuse/d/f"), "abc");
}

INSTANTIATE_TEST_SUITE_P(Xattrs, OverMetadata, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& user) {
                           return user.param ? "User" : "Trusted";
                         });

}  // namespace
}  // namespace veneer::testing
