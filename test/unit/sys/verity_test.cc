// SPDX-License-Identifier: MIT
//
// What each answer of the kernel means, and that a filesystem without fs-verity
// is told from one that fails.

#include "sys/verity.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fsverity.h>

#include <cerrno>

#include "sys/fd.h"

namespace veneer::sys {
namespace {

TEST(Verity, WhereTheKernelHasNoneThereIsNoDigest) {
  for (const int error : {ENODATA, ENOTTY, EOPNOTSUPP}) {
    const auto measured = decide_measured(error, 0, 64);
    ASSERT_TRUE(measured) << error;
    EXPECT_FALSE(*measured) << error;
  }
}

TEST(Verity, DigestOfAnotherAlgorithmIsRefused) {
  EXPECT_TRUE(*decide_measured(0, FS_VERITY_HASH_ALG_SHA256, 32));
  EXPECT_EQ(decide_measured(0, FS_VERITY_HASH_ALG_SHA512, 64).error().code(),
            EILSEQ);
  EXPECT_EQ(decide_measured(EOVERFLOW, 0, 0).error().code(), EILSEQ);
}

TEST(Verity, OtherErrorsAreErrors) {
  EXPECT_EQ(decide_measured(EIO, 0, 0).error().code(), EIO);
}

TEST(Verity, FilesystemWithoutItSaysSo) {
  // /proc/self/status is on a filesystem that never has fs-verity.
  const UniqueFd fd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);

  EXPECT_EQ(enable_verity(fd.get()).error().code(), EOPNOTSUPP);
  const auto measured = measure_verity(fd.get());
  ASSERT_TRUE(measured) << measured.error().message();
  EXPECT_FALSE(measured->has_value());
}

}  // namespace
}  // namespace veneer::sys
