// SPDX-License-Identifier: MIT
//
// What the kernel is told, byte by byte.

#include "fuse/dispatcher.h"

#include <gmock/gmock.h>
#include <linux/fs.h>

#include <cerrno>

#include "fuse/control.h"
#include "test/unit/fuse/wire.h"

namespace veneer::fuse {
namespace {

using ::testing::UnorderedElementsAre;

using DispatcherTest = WireTest;

constexpr std::uint64_t kLongTime = 60ull * 60 * 24 * 365;

std::string read_request(std::uint64_t offset, std::uint32_t size) {
  fuse_read_in request{};
  request.offset = offset;
  request.size = size;
  return raw_bytes(request);
}

TEST_F(DispatcherTest, AsksForWhatMakesOpensFreeAndCachesLast) {
  serve({});

  EXPECT_TRUE(agreed_.flags & FUSE_CACHE_SYMLINKS);
  EXPECT_TRUE(agreed_.flags & FUSE_EXPLICIT_INVAL_DATA);
  EXPECT_TRUE(agreed_.flags & FUSE_POSIX_ACL);
  EXPECT_TRUE(agreed_.flags & FUSE_DO_READDIRPLUS);
  EXPECT_FALSE(agreed_.flags & FUSE_AUTO_INVAL_DATA);
  EXPECT_FALSE(agreed_.flags & FUSE_ATOMIC_O_TRUNC);
  EXPECT_FALSE(agreed_.flags & FUSE_POSIX_LOCKS);
  EXPECT_FALSE(agreed_.flags & FUSE_FLOCK_LOCKS);
  EXPECT_FALSE(agreed_.flags & FUSE_WRITEBACK_CACHE);
  EXPECT_EQ(agreed_.max_write, 1u << 20);
}

TEST_F(DispatcherTest, PresentNameIsValidForEver) {
  serve({{"file", "hello"}});

  const Answer answer = look_up("file");

  ASSERT_EQ(answer.error, 0);
  const auto entry = answer.as<fuse_entry_out>();
  EXPECT_NE(entry.nodeid, 0u);
  EXPECT_EQ(entry.attr.size, 5u);
  EXPECT_GT(entry.entry_valid, kLongTime);
  EXPECT_GT(entry.attr_valid, kLongTime);
}

TEST_F(DispatcherTest, AbsentNameIsARememberedAnswer) {
  serve({});

  const Answer answer = look_up("nothing");

  EXPECT_EQ(answer.error, 0);
  const auto entry = answer.as<fuse_entry_out>();
  EXPECT_EQ(entry.nodeid, 0u);
  EXPECT_GT(entry.entry_valid, kLongTime);
}

TEST_F(DispatcherTest, WithTimeoutZeroAbsenceIsNotRemembered) {
  SessionOptions options;
  options.cache.timeout = 0;
  serve({}, options);

  EXPECT_EQ(look_up("nothing").error, ENOENT);
}

TEST_F(DispatcherTest, ForgottenNodesLingerForFileHandles) {
  serve({{"file", "hello"}});
  const std::size_t before = nodes_in_memory();
  const std::uint64_t node = node_of("file");
  node_of("file");
  ASSERT_EQ(nodes_in_memory(), before + 1);

  fuse_forget_in two{};
  two.nlookup = 2;
  send(FUSE_FORGET, node, raw_bytes(two));
  look_up("nothing");  // has been answered, so the message before it as well

  EXPECT_EQ(nodes_in_memory(), before + 1);
  EXPECT_EQ(ask(FUSE_LOOKUP, node, with_nul(".")).as<fuse_entry_out>().nodeid,
            node);
}

TEST_F(DispatcherTest, DotAndDotDotNameTheNodeAndItsParent) {
  serve({{"file", "hello"}});
  const std::uint64_t node = node_of("file");

  EXPECT_EQ(ask(FUSE_LOOKUP, node, with_nul(".")).as<fuse_entry_out>().nodeid,
            node);
  EXPECT_EQ(ask(FUSE_LOOKUP, kRoot, with_nul("..")).as<fuse_entry_out>().nodeid,
            kRoot);
}

TEST_F(DispatcherTest, OpenFlushAndOpenDirAreNeverAskedAgain) {
  serve({{"file", "hello"}});
  const std::uint64_t node = node_of("file");

  EXPECT_EQ(ask(FUSE_OPEN, node, raw_bytes(fuse_open_in{})).error, ENOSYS);
  EXPECT_EQ(ask(FUSE_FLUSH, node, raw_bytes(fuse_flush_in{})).error, ENOSYS);
  EXPECT_EQ(ask(FUSE_OPENDIR, kRoot, raw_bytes(fuse_open_in{})).error, ENOSYS);
}

TEST_F(DispatcherTest, ReadStopsAtTheEnd) {
  serve({{"file", "hello"}});
  const std::uint64_t node = node_of("file");

  EXPECT_EQ(ask(FUSE_READ, node, read_request(1, 4096)).body, "ello");
  EXPECT_EQ(ask(FUSE_READ, node, read_request(5, 4096)).body, "");
}

TEST_F(DispatcherTest, ListingsFillThePageAndNoMore) {
  serve({{"a", ""}, {"b", ""}, {"c", ""}});
  constexpr std::uint32_t kRoom = 3 * 24 + 3 * 8;  // three of ".", "..", "a"...

  std::vector<std::string> names;
  std::uint64_t offset = 0;
  for (;;) {
    const Answer page = ask(FUSE_READDIR, kRoot, read_request(offset, kRoom));
    ASSERT_EQ(page.error, 0);
    ASSERT_LE(page.body.size(), kRoom);
    if (page.body.empty()) break;
    for (std::size_t at = 0; at < page.body.size();) {
      const auto entry = Answer{0, page.body.substr(at)}.as<fuse_dirent>();
      names.push_back(page.body.substr(at + FUSE_NAME_OFFSET, entry.namelen));
      offset = entry.off;
      at += FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
    }
  }

  EXPECT_THAT(names, UnorderedElementsAre(".", "..", "a", "b", "c"));
}

TEST_F(DispatcherTest, ReadDirPlusBringsNodesForAllButTheDots) {
  serve({{"a", "12"}});
  const std::size_t before = nodes_in_memory();

  const Answer page = ask(FUSE_READDIRPLUS, kRoot, read_request(0, 4096));

  ASSERT_EQ(page.error, 0);
  constexpr std::size_t kEach =
      FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + 1);
  ASSERT_EQ(page.body.size(), 3 * kEach);
  const auto dot = page.as<fuse_direntplus>();
  const auto a = Answer{0, page.body.substr(2 * kEach)}.as<fuse_direntplus>();
  EXPECT_EQ(dot.entry_out.nodeid, 0u);
  EXPECT_NE(a.entry_out.nodeid, 0u);
  EXPECT_EQ(a.entry_out.attr.size, 2u);
  EXPECT_EQ(a.dirent.ino, a.entry_out.attr.ino);
  EXPECT_EQ(nodes_in_memory(), before + 1);
}

TEST_F(DispatcherTest, XattrValueIsGivenInTheRoomThereIs) {
  serve({{"file", ""}});
  const std::uint64_t node = node_of("file");
  const auto get = [&](std::uint32_t room, std::string_view name) {
    fuse_getxattr_in request{};
    request.size = room;
    return ask(FUSE_GETXATTR, node, raw_bytes(request) + with_nul(name));
  };

  EXPECT_EQ(get(0, "user.five").as<fuse_getxattr_out>().size, 5u);
  EXPECT_EQ(get(5, "user.five").body, "12345");
  EXPECT_EQ(get(4, "user.five").error, ERANGE);
  EXPECT_EQ(get(64, "user.none").error, ENODATA);
  EXPECT_EQ(get(64, "security.selinux").error, EOPNOTSUPP);
}

TEST_F(DispatcherTest, ChangesWithoutAnUpperAreRefused) {
  serve({{"file", ""}});
  const std::uint64_t node = node_of("file");
  fuse_setattr_in chmod{};
  chmod.valid = FATTR_MODE;
  chmod.mode = S_IFREG | 0600;
  fuse_mkdir_in mkdir{};
  mkdir.mode = 0755;

  EXPECT_EQ(ask(FUSE_SETATTR, node, raw_bytes(chmod)).error, EROFS);
  EXPECT_EQ(ask(FUSE_MKDIR, kRoot, raw_bytes(mkdir) + with_nul("d")).error,
            EROFS);
  EXPECT_EQ(ask(FUSE_UNLINK, kRoot, with_nul("file")).error, EROFS);
}

TEST_F(DispatcherTest, StatFsAllowsNamesOfTheFullLength) {
  serve({});

  EXPECT_EQ(ask(FUSE_STATFS, kRoot, "").as<fuse_statfs_out>().st.namelen, 255u);
}

TEST_F(DispatcherTest, FsyncIsNeverAskedAgainIfNothingIsEverSynced) {
  SessionOptions options;
  options.never_syncs = true;
  serve({{"file", ""}}, options);

  EXPECT_EQ(ask(FUSE_FSYNC, node_of("file"), raw_bytes(fuse_fsync_in{})).error,
            ENOSYS);
}

TEST_F(DispatcherTest, CountsMessagesByKind) {
  serve({{"file", ""}});

  node_of("file");
  look_up("nothing");

  EXPECT_EQ(session().messages().get(Message::kLookup), 2u);
  EXPECT_EQ(session().messages().get(Message::kRead), 0u);
}

class IoctlTest : public WireTest {
 protected:
  Answer ioctl(std::uint64_t node, std::uint32_t command, const std::string& in,
               std::size_t out_size) {
    fuse_ioctl_in request{};
    request.cmd = command;
    request.in_size = static_cast<std::uint32_t>(in.size());
    request.out_size = static_cast<std::uint32_t>(out_size);
    return ask(FUSE_IOCTL, node, raw_bytes(request) + in);
  }
  StatusPage status(const StatusPage& page) {
    const Answer answer =
        ioctl(kRoot, kStatusIoctl, raw_bytes(page), sizeof(page));
    EXPECT_EQ(answer.error, 0);
    return Answer{0, answer.body.substr(sizeof(fuse_ioctl_out))}
        .as<StatusPage>();
  }
};

TEST_F(IoctlTest, UnknownRequestsAreNotTerminalOnes) {
  serve({});

  EXPECT_EQ(ioctl(kRoot, _IO('x', 1), "", 0).error, ENOTTY);
}

TEST_F(IoctlTest, ArgumentsThatAreTooShortAreRefused) {
  serve({});

  EXPECT_EQ(ioctl(kRoot, FS_IOC_SETFLAGS, "ab", 0).error, EINVAL);
  EXPECT_EQ(ioctl(kRoot, FS_IOC_FSSETXATTR, "ab", 0).error, EINVAL);
  EXPECT_EQ(ioctl(kRoot, FS_IOC_GETFLAGS, "", 2).error, EINVAL);
  EXPECT_EQ(ioctl(kRoot, kStatusIoctl, "ab", sizeof(StatusPage)).error, EINVAL);
}

TEST_F(IoctlTest, StatusComesInPagesOfOneText) {
  SessionOptions options;
  int calls = 0;
  options.status = [&calls] {
    return std::string(5000, static_cast<char>('a' + calls++));
  };
  serve({}, options);

  const StatusPage first = status({});
  StatusPage next;
  next.snapshot = first.snapshot;
  next.offset = sizeof(first.text);
  const StatusPage second = status(next);

  EXPECT_EQ(first.total, 5000u);
  EXPECT_EQ(second.total, 5000u);
  EXPECT_EQ(first.text[0], 'a');
  EXPECT_EQ(second.text[0], 'a');
  EXPECT_EQ(second.text[5000 - sizeof(first.text)], '\0');
  EXPECT_EQ(calls, 1);
}

TEST_F(IoctlTest, StatusIsAtTheRootAlone) {
  SessionOptions options;
  options.status = [] { return std::string("{}"); };
  serve({{"file", ""}}, options);

  EXPECT_EQ(ioctl(node_of("file"), kStatusIoctl, raw_bytes(StatusPage{}),
                  sizeof(StatusPage))
                .error,
            ENOTTY);
}

}  // namespace
}  // namespace veneer::fuse
