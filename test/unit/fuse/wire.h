// SPDX-License-Identifier: MIT
//
// The kernel's end of the line, played by the test: a session serves one end of
// a socket pair, requests are written to the other as the protocol has them and
// the replies read back. No mount and no privilege is needed.

#pragma once

#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fuse/session.h"
#include "test/unit/fuse/memory_layer.h"

namespace veneer::fuse {

struct Answer {
  int error = 0;  ///< an errno, positive
  std::string body;

  /// The struct at the start of the body.
  template <typename T>
  T as() const {
    T value{};
    std::memcpy(&value, body.data(), std::min(sizeof(T), body.size()));
    return value;
  }
};

template <typename T>
std::string raw_bytes(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

/// A name as requests carry it.
inline std::string with_nul(std::string_view name) {
  return std::string(name) + '\0';
}

class WireTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kRoot = 1;

  void serve(const std::map<std::string, std::string>& files,
             SessionOptions options = {}) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    kernel_ = ends[0];

    std::vector<std::unique_ptr<Layer>> lowers;
    lowers.push_back(std::make_unique<MemoryLayer>(files));
    auto filesystem = overlay::Filesystem::make(std::move(lowers), nullptr, {});
    ASSERT_TRUE(filesystem);
    filesystem_ = *std::move(filesystem);
    auto session = Session::serve_fd(*filesystem_, ends[1], std::move(options));
    ASSERT_TRUE(session);
    session_ = *std::move(session);
    server_ = std::thread([this] { ignore_error(session_->run()); });
    say_hello();
  }

  void TearDown() override {
    if (server_.joinable()) {
      session_->stop();
      server_.join();
    }
    if (kernel_ >= 0) ::close(kernel_);
  }

  /// Sends a request and waits for its reply.
  Answer ask(std::uint32_t opcode, std::uint64_t node,
             const std::string& payload) {
    send(opcode, node, payload);
    std::string buffer(1 << 16, '\0');
    const ssize_t got = ::read(kernel_, buffer.data(), buffer.size());
    fuse_out_header header{};
    if (got < static_cast<ssize_t>(sizeof(header))) {
      ADD_FAILURE() << "no reply to opcode " << opcode;
      return {.error = -1, .body = {}};
    }
    std::memcpy(&header, buffer.data(), sizeof(header));
    EXPECT_EQ(header.unique, unique_);
    EXPECT_EQ(header.len, got);
    return {
        .error = -header.error,
        .body = buffer.substr(sizeof(header),
                              static_cast<std::size_t>(got) - sizeof(header))};
  }

  void send(std::uint32_t opcode, std::uint64_t node,
            const std::string& payload) {
    fuse_in_header header{};
    header.len = static_cast<std::uint32_t>(sizeof(header) + payload.size());
    header.opcode = opcode;
    header.unique = unique_ += 2;
    header.nodeid = node;
    const std::string message = raw_bytes(header) + payload;
    ASSERT_EQ(::write(kernel_, message.data(), message.size()),
              static_cast<ssize_t>(message.size()));
  }

  Answer look_up(std::string_view name) {
    return ask(FUSE_LOOKUP, kRoot, with_nul(name));
  }
  std::uint64_t node_of(std::string_view name) {
    return look_up(name).as<fuse_entry_out>().nodeid;
  }

  const Session& session() const { return *session_; }
  std::size_t nodes_in_memory() const { return filesystem_->nodes_in_memory(); }

  fuse_init_out agreed_{};

 private:
  void say_hello() {
    fuse_init_in hello{};
    hello.major = 7;
    hello.minor = 36;
    hello.max_readahead = 128u << 10;
    hello.flags = ~0u;
    const Answer answer = ask(FUSE_INIT, 0, raw_bytes(hello));
    EXPECT_EQ(answer.error, 0);
    agreed_ = answer.as<fuse_init_out>();
  }

  int kernel_ = -1;
  std::uint64_t unique_ = 0;
  std::unique_ptr<overlay::Filesystem> filesystem_;
  std::unique_ptr<Session> session_;
  std::thread server_;
};

}  // namespace veneer::fuse
