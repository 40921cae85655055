// SPDX-License-Identifier: MIT
//
// How errors read, and what a Result costs the caller to pass on.

#include "veneer/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "veneer/result.h"

namespace veneer {
namespace {

TEST(Error, MessageNamesOperationSubjectAndReason) {
  EXPECT_EQ(Error(EACCES, "open", "/srv/base").message(),
            "open /srv/base: Permission denied");
}

TEST(Error, MessageWithoutSubjectIsShort) {
  EXPECT_EQ(Error(ENOSPC, "pwrite").message(),
            "pwrite: No space left on device");
}

TEST(Error, SentenceStandsAlone) {
  EXPECT_EQ(Error(0, "start", "nothing to mount").message(),
            "nothing to mount");
}

TEST(Error, FirstSubjectIsKept) {
  const Error error = Error(EIO, "read").about("inner").about("outer");

  EXPECT_EQ(error.subject(), "inner");
}

Result<int> parse(bool well) {
  if (!well) return Error(EINVAL, "parse");
  return 42;
}

Result<std::string> describe(bool well) {
  TRY(parse(well));
  TRY_ASSIGN(const int number, parse(well));
  return std::to_string(number);
}

TEST(Result, TryPassesTheErrorOn) {
  ASSERT_TRUE(describe(true));
  EXPECT_EQ(*describe(true), "42");
  ASSERT_FALSE(describe(false));
  EXPECT_EQ(describe(false).error().code(), EINVAL);
  EXPECT_EQ(describe(false).error().operation(), "parse");
}

}  // namespace
}  // namespace veneer
