// SPDX-License-Identifier: MIT
//
// Writing to what has no offset.

#include "sys/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "sys/fd.h"
#include "test/support/result.h"

namespace veneer::sys {
namespace {

using veneer::testing::code_of;

struct Pipe {
  explicit Pipe(int flags) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | flags), 0);
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  UniqueFd out, in;
};

TEST(WriteAll, WaitsForTheReaderOfAFullPipe) {
  for (const int flags : {0, O_NONBLOCK}) {
    Pipe pipe(0);
    ASSERT_EQ(::fcntl(pipe.in.get(), F_SETFL, flags), 0);
    const std::string text(1'000'000, 'x');
    std::size_t got = 0;
    std::thread reader([&] {
      char buffer[4096];
      ssize_t n = 0;
      while ((n = ::read(pipe.out.get(), buffer, sizeof(buffer))) > 0) {
        got += static_cast<std::size_t>(n);
      }
    });
    EXPECT_EQ(code_of(write_all(pipe.in.get(), as_bytes(text))), 0);
    pipe.in.reset();
    reader.join();
    EXPECT_EQ(got, text.size());
  }
}

TEST(WriteAll, Errors) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(code_of(write_all(full.get(), as_bytes("x"))), ENOSPC);
  EXPECT_EQ(code_of(write_all(full.get(), {})), 0);
  EXPECT_EQ(code_of(write_all(-1, as_bytes("x"))), EBADF);
  Pipe pipe(0);
  pipe.out.reset();
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(code_of(write_all(pipe.in.get(), as_bytes("x"))), EPIPE);
  std::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace veneer::sys
