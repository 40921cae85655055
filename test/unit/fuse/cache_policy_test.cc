// SPDX-License-Identifier: MIT
//
// What is asked of the kernel, and what is not.

#include "fuse/cache_policy.h"

#include <gtest/gtest.h>

#include "fuse/libfuse.h"

namespace veneer::fuse {
namespace {

constexpr std::uint64_t kEverything = ~std::uint64_t{0};

TEST(DecideFeatures, WantsNothingThatTheKernelCannot) {
  EXPECT_EQ(decide_features({}, 0).wanted, 0u);
  EXPECT_EQ(decide_features({}, FUSE_CAP_POSIX_ACL).wanted,
            std::uint64_t{FUSE_CAP_POSIX_ACL});
}

TEST(DecideFeatures, NothingIsBothWantedAndUnwanted) {
  for (const bool on : {false, true}) {
    CacheOptions options;
    options.writeback = on;
    options.io_uring = on;
    const Features features = decide_features(options, kEverything);
    EXPECT_EQ(features.wanted & features.unwanted, 0u);
  }
}

TEST(DecideFeatures, KeepsLocksTruncationAndCachedPagesWithTheKernel) {
  const Features features = decide_features({}, kEverything);

  for (const std::uint64_t flag : {std::uint64_t{FUSE_CAP_POSIX_LOCKS},
                                   std::uint64_t{FUSE_CAP_FLOCK_LOCKS},
                                   std::uint64_t{FUSE_CAP_ATOMIC_O_TRUNC},
                                   std::uint64_t{FUSE_CAP_AUTO_INVAL_DATA}}) {
    EXPECT_TRUE(features.unwanted & flag) << std::hex << flag;
  }
}

TEST(DecideFeatures, WritebackIsByOption) {
  CacheOptions options;
  EXPECT_TRUE(decide_features(options, kEverything).unwanted &
              FUSE_CAP_WRITEBACK_CACHE);

  options.writeback = true;
  EXPECT_TRUE(decide_features(options, kEverything).wanted &
              FUSE_CAP_WRITEBACK_CACHE);
}

TEST(CachePolicy, WithoutATimeoutAnswersAreValidForALifetime) {
  const CachePolicy policy{CacheOptions{}};

  EXPECT_GE(policy.entry_timeout(), kUnlimitedTimeout);
  EXPECT_GE(policy.negative_timeout(), kUnlimitedTimeout);
}

TEST(CachePolicy, TheTimeoutHoldsForNamesAbsencesAndAttributes) {
  CacheOptions options;
  options.timeout = 2.5;
  const CachePolicy policy{options};

  EXPECT_EQ(policy.entry_timeout(), 2.5);
  EXPECT_EQ(policy.negative_timeout(), 2.5);
  EXPECT_EQ(policy.attr_timeout(), 2.5);
}

TEST(CachePolicy, OpensCostMessagesUntilTheKernelHasAgreed) {
  const CachePolicy policy{CacheOptions{}};

  EXPECT_FALSE(policy.zero_message_open());
  EXPECT_FALSE(policy.zero_message_opendir());
}

}  // namespace
}  // namespace veneer::fuse
