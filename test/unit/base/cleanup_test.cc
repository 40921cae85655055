// SPDX-License-Identifier: MIT

#include "base/cleanup.h"

#include <gtest/gtest.h>

namespace veneer {
namespace {

TEST(Cleanup, RunsOnceAtTheEndOfTheScope) {
  int runs = 0;
  {
    const Cleanup cleanup([&] { ++runs; });
    EXPECT_EQ(runs, 0);
  }
  EXPECT_EQ(runs, 1);
}

TEST(Cleanup, ReleasedDoesNotRun) {
  int runs = 0;
  {
    Cleanup cleanup([&] { ++runs; });
    cleanup.release();
  }
  EXPECT_EQ(runs, 0);
}

}  // namespace
}  // namespace veneer
