// SPDX-License-Identifier: MIT
//
// With which options the mount is made, and how a session ends.

#include "fuse/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "test/unit/fuse/wire.h"

namespace veneer::fuse {
namespace {

using ::testing::Contains;
using ::testing::Not;

TEST(MountOptionsFor, RightsAreAlwaysChecked) {
  for (const bool is_root : {false, true}) {
    EXPECT_THAT(mount_options_for({}, is_root),
                Contains("default_permissions"));
  }
}

TEST(MountOptionsFor, RootMountsLikeALocalFileSystem) {
  const auto options = mount_options_for({}, true);

  EXPECT_THAT(options, Contains("allow_other"));
  EXPECT_THAT(options, Contains("dev"));
  EXPECT_THAT(options, Contains("suid"));
}

TEST(MountOptionsFor, OthersMountForThemselves) {
  const auto options = mount_options_for({}, false);

  EXPECT_THAT(options, Not(Contains("allow_other")));
  EXPECT_THAT(options, Not(Contains("dev")));
  EXPECT_THAT(options, Not(Contains("suid")));
}

TEST(MountOptionsFor, WhatIsAskedForComesLast) {
  SessionOptions asked;
  asked.dev = false;
  asked.read_only = true;
  asked.fs_name = "/srv/a,b";
  asked.mount_options = {"noexec"};

  const auto options = mount_options_for(asked, true);

  EXPECT_THAT(options, Contains("fsname=/srv/a,b"));
  EXPECT_THAT(options, Contains("ro"));
  EXPECT_THAT(options, Not(Contains("dev")));
  EXPECT_EQ(options.back(), "noexec");
}

TEST(SessionMount, SaysWhatIsWrongWithTheMountPoint) {
  std::vector<std::unique_ptr<Layer>> lowers;
  lowers.push_back(
      std::make_unique<MemoryLayer>(std::map<std::string, std::string>()));
  auto filesystem = overlay::Filesystem::make(std::move(lowers), nullptr, {});
  ASSERT_TRUE(filesystem);
  SessionOptions options;

  options.mount_point = "/nowhere/at/all";
  const auto nowhere = Session::mount(**filesystem, options);
  options.mount_point = "/proc/self/status";
  const auto file = Session::mount(**filesystem, options);

  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code(), ENOENT);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ENOTDIR);
}

class SessionTest : public WireTest {};

TEST_F(SessionTest, SaysThatItIsReadyOnceTheKernelHasAgreed) {
  SessionOptions options;
  int calls = 0;
  options.on_ready = [&calls] { ++calls; };

  serve({}, options);

  EXPECT_EQ(calls, 1);
}

TEST_F(SessionTest, EndsAnIdleServiceAtOnce) {
  serve({});
  const auto start = std::chrono::steady_clock::now();

  TearDown();

  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

}  // namespace
}  // namespace veneer::fuse
