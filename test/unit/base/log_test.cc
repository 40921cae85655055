// SPDX-License-Identifier: MIT
//
// Which lines appear, and what they look like.

#include "base/log.h"

#include <gtest/gtest.h>

#include <string>

#include "base/cleanup.h"

namespace veneer {
namespace {

std::string lines_at(LogLevel level) {
  const Cleanup restore([former = log_level()] { set_log_level(former); });
  set_log_level(level);
  ::testing::internal::CaptureStderr();
  log_error("{} {}", "bad", 1);
  log_warning("odd");
  log_info("fine");
  log_debug("detail");
  return ::testing::internal::GetCapturedStderr();
}

TEST(Log, LevelsAddToEachOther) {
  EXPECT_EQ(lines_at(LogLevel::kOff), "");
  EXPECT_EQ(lines_at(LogLevel::kError), "veneer: error: bad 1\n");
  EXPECT_EQ(lines_at(LogLevel::kWarning),
            "veneer: error: bad 1\n"
            "veneer: warning: odd\n");
  EXPECT_EQ(lines_at(LogLevel::kDebug),
            "veneer: error: bad 1\n"
            "veneer: warning: odd\n"
            "veneer: info: fine\n"
            "veneer: debug: detail\n");
}

TEST(Log, BracesInArgumentsAreOnlyText) {
  const Cleanup restore([former = log_level()] { set_log_level(former); });
  set_log_level(LogLevel::kError);
  ::testing::internal::CaptureStderr();

  log_error("name {}", "{}%n{0}");

  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "veneer: error: name {}%n{0}\n");
}

}  // namespace
}  // namespace veneer
