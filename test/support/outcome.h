// SPDX-License-Identifier: MIT
//
// What a system call answered, and matchers that read as prose:
//
//   EXPECT_THAT(unlink("a"), Succeeds());
//   EXPECT_THAT(rmdir("d"), FailsWith(ENOTEMPTY));
//   EXPECT_THAT(::write(fd.get(), "x", 1), SyscallReturns(1));
//
// The matchers take an Outcome, or the bare value of a system call made in the
// same expression, whose errno is then still the current one.

#pragma once

#include <gmock/gmock.h>

#include <cerrno>
#include <concepts>
#include <cstring>
#include <ostream>
#include <string>

namespace veneer::testing {

/// The value of a system call, and its errno if the value is negative.
struct Outcome {
  long value = 0;
  int error = 0;

  [[nodiscard]] bool ok() const { return value >= 0; }
};

/// Keeps errno together with the value `rc` of the call just made.
inline Outcome outcome(long rc) { return {rc, rc < 0 ? errno : 0}; }

inline std::string error_name(int error) {
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

inline std::ostream& operator<<(std::ostream& os, const Outcome& result) {
  if (result.ok()) return os << "success (" << result.value << ")";
  return os << "failure with " << error_name(result.error);
}

inline Outcome to_outcome(const Outcome& result) { return result; }
template <std::integral T>
Outcome to_outcome(T rc) {
  return outcome(static_cast<long>(rc));
}

MATCHER(Succeeds, negation ? "fails" : "succeeds") {
  const Outcome got = to_outcome(arg);
  *result_listener << "which is ";
  if (result_listener->stream() != nullptr) *result_listener->stream() << got;
  return got.ok();
}

MATCHER_P(FailsWith, error,
          std::string(negation ? "does not fail with " : "fails with ") +
              error_name(error)) {
  const Outcome got = to_outcome(arg);
  *result_listener << "which is ";
  if (result_listener->stream() != nullptr) *result_listener->stream() << got;
  return !got.ok() && got.error == error;
}

MATCHER_P(SyscallReturns, value,
          std::string(negation ? "does not return " : "returns ") +
              std::to_string(value)) {
  const Outcome got = to_outcome(arg);
  *result_listener << "which is ";
  if (result_listener->stream() != nullptr) *result_listener->stream() << got;
  return got.ok() && got.value == static_cast<long>(value);
}

}  // namespace veneer::testing
