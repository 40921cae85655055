// SPDX-License-Identifier: MIT
//
// One reply to each request, which errno a program sees, what stat(2) shows.

#include "fuse/reply.h"

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "base/cleanup.h"
#include "fuse/libfuse.h"
#include "test/unit/fuse/memory_layer.h"

namespace veneer::fuse {
namespace {

// A session whose only operation is READLINK, answered as the test likes.
class ReplyTest : public ::testing::Test {
 protected:
  using Handler = std::function<void(Reply&)>;

  void SetUp() override {
    std::vector<std::unique_ptr<Layer>> lowers;
    lowers.push_back(
        std::make_unique<MemoryLayer>(std::map<std::string, std::string>()));
    auto filesystem = overlay::Filesystem::make(std::move(lowers), nullptr, {});
    ASSERT_TRUE(filesystem);
    filesystem_ = *std::move(filesystem);

    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    kernel_ = ends[0];
    char name[] = "test";
    char* argv[] = {name, nullptr};
    fuse_args args = FUSE_ARGS_INIT(1, argv);
    const Cleanup free_args([&] { fuse_opt_free_args(&args); });
    fuse_lowlevel_ops ops{};
    ops.readlink = [](fuse_req_t request, fuse_ino_t) {
      auto& self = *static_cast<ReplyTest*>(fuse_req_userdata(request));
      ReplyContext context{.filesystem = *self.filesystem_,
                           .cache = CachePolicy(CacheOptions{})};
      Reply reply(request, context);
      self.handler_(reply);
    };
    session_ = fuse_session_new(&args, &ops, sizeof(ops), this);
    ASSERT_NE(session_, nullptr);
    const std::string device = "/dev/fd/" + std::to_string(ends[1]);
    ASSERT_EQ(fuse_session_mount(session_, device.c_str()), 0);

    fuse_init_in hello{};
    hello.major = 7;
    hello.minor = 31;
    exchange(FUSE_INIT,
             std::string(reinterpret_cast<const char*>(&hello), sizeof(hello)));
  }
  void TearDown() override {
    fuse_session_destroy(session_);
    ::close(kernel_);
  }

  /// The errnos of all replies to one request.
  std::vector<int> replies(Handler handler) {
    handler_ = std::move(handler);
    return exchange(FUSE_READLINK, "");
  }

 private:
  std::vector<int> exchange(std::uint32_t opcode, const std::string& payload) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof(header) + payload.size());
    header.opcode = opcode;
    header.unique = ++unique_;
    header.nodeid = 1;
    const std::string message =
        std::string(reinterpret_cast<const char*>(&header), sizeof(header)) +
        payload;
    EXPECT_EQ(::write(kernel_, message.data(), message.size()),
              static_cast<ssize_t>(message.size()));
    fuse_buf buffer{};
    EXPECT_GT(fuse_session_receive_buf(session_, &buffer), 0);
    fuse_session_process_buf(session_, &buffer);
    std::free(buffer.mem);

    std::vector<int> errors;
    char answer[4096];
    while (::recv(kernel_, answer, sizeof(answer), MSG_DONTWAIT) > 0) {
      fuse_out_header out{};
      std::memcpy(&out, answer, sizeof(out));
      EXPECT_EQ(out.unique, unique_);
      errors.push_back(-out.error);
    }
    return errors;
  }

  int kernel_ = -1;
  std::uint64_t unique_ = 0;
  fuse_session* session_ = nullptr;
  std::unique_ptr<overlay::Filesystem> filesystem_;
  Handler handler_;
};

TEST_F(ReplyTest, DroppedRequestIsAnsweredWithAnError) {
  EXPECT_EQ(replies([](Reply&) {}), std::vector{EIO});
}

TEST_F(ReplyTest, OnlyTheFirstAnswerIsSent) {
  EXPECT_EQ(replies([](Reply& reply) {
              reply.error(ENOENT);
              reply.error(EPERM);
              reply.never();
              reply.bytes({});
              reply.entry(Error(EACCES, "lookup"));
              reply.attr(Attr{});
            }),
            std::vector{ENOENT});
}

TEST_F(ReplyTest, SuccessIsAnAnswer) {
  EXPECT_EQ(replies([](Reply& reply) { reply.done({}); }), std::vector{0});
}

TEST_F(ReplyTest, NeverIsTheOnlyWayToSayThatTheMountCannot) {
  EXPECT_EQ(replies([](Reply& reply) { reply.never(); }), std::vector{ENOSYS});
  EXPECT_EQ(
      replies([](Reply& reply) { reply.done(Error(ENOSYS, "fallocate")); }),
      std::vector{EOPNOTSUPP});
}

TEST(ErrnoOf, IsTheErrorsOwn) {
  EXPECT_EQ(errno_of(Error(ENOSPC, "write")), ENOSPC);
}

TEST(ErrnoOf, NeverSaysThatTheMountCannotDoIt) {
  EXPECT_EQ(errno_of(Error(ENOSYS, "fallocate")), EOPNOTSUPP);
}

TEST(ErrnoOf, IsAlwaysAnErrnoOfPrograms) {
  EXPECT_EQ(errno_of(Error(0, "a sentence")), EIO);
  EXPECT_EQ(errno_of(Error(-5, "a sign slipped")), EIO);
  EXPECT_EQ(errno_of(Error(512, "ERESTARTSYS")), EIO);
}

TEST(ToStat, CarriesNanosecondsAndDevices) {
  Attr attr;
  attr.ino = 1ull << 60;
  attr.mode = S_IFCHR | 0640;
  attr.rdev = 0x103;
  attr.mtime = {.tv_sec = -5, .tv_nsec = 999999999};

  const struct stat value = to_stat(attr);

  EXPECT_EQ(value.st_ino, 1ull << 60);
  EXPECT_EQ(value.st_mode, static_cast<mode_t>(S_IFCHR | 0640));
  EXPECT_EQ(value.st_rdev, 0x103u);
  EXPECT_EQ(value.st_mtim.tv_sec, -5);
  EXPECT_EQ(value.st_mtim.tv_nsec, 999999999);
}

}  // namespace
}  // namespace veneer::fuse
