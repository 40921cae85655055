// SPDX-License-Identifier: MIT
//
// FIFOs, sockets and devices: made, used, and copied up without being opened.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

class SpecialFilesTest : public OverlayTest {};

// Row 44
TEST_P(SpecialFilesTest, EveryKindIsMade) {
  mount({.lower = {{}}, .upper = {}});

  EXPECT_THAT(mknod("fifo", S_IFIFO | 0600), Succeeds());
  EXPECT_THAT(mknod("sock", S_IFSOCK | 0600), Succeeds());
  EXPECT_THAT(mknod("char", S_IFCHR | 0600, makedev(1, 3)), Succeeds());
  EXPECT_THAT(mknod("block", S_IFBLK | 0600, makedev(7, 200)), Succeeds());
  EXPECT_THAT(mknod("file", S_IFREG | 0600), Succeeds());

  const Tree after = {{"fifo", Fifo().mode(0600)},
                      {"sock", Socket().mode(0600)},
                      {"char", CharDev(1, 3).mode(0600)},
                      {"block", BlockDev(7, 200).mode(0600)},
                      {"file", File().mode(0600)}};
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_THAT(upper(), TreeIs(after));
}

// Row 44
TEST_P(SpecialFilesTest, NobodyMakesAWhiteoutByHand) {
  mount({.lower = {{{"f", File("x")}}}, .upper = {}});

  EXPECT_THAT(mknod("w", S_IFCHR | 0600, makedev(0, 0)), FailsWith(EPERM));

  EXPECT_THAT(merged(), TreeIs(Tree{{"f", File("x")}}));
}

TEST_P(SpecialFilesTest, AnExistingNameIsNotReplaced) {
  mount({.lower = {{{"f", File("x")}, {"d", Dir()}, {"s", Symlink("no")}}},
         .upper = {}});

  EXPECT_THAT(mknod("f", S_IFIFO | 0600), FailsWith(EEXIST));
  EXPECT_THAT(mkdir("d"), FailsWith(EEXIST));
  EXPECT_THAT(mkdir("s"), FailsWith(EEXIST));
  EXPECT_THAT(symlink("y", "s"), FailsWith(EEXIST));
  EXPECT_THAT(try_open("f", O_CREAT | O_EXCL | O_WRONLY), FailsWith(EEXIST));
}

// Row 45
TEST_P(SpecialFilesTest, MetadataOfEveryKindIsCopiedUp) {
  mount({.lower = {{{"fifo", Fifo().mtime(5, 6)},
                    {"sock", Socket().mtime(5, 6)},
                    {"char", CharDev(1, 3).mtime(5, 6)},
                    {"block", BlockDev(7, 200).mtime(5, 6)}}},
         .upper = {}});

  for (const char* path : {"fifo", "sock", "char", "block"}) {
    EXPECT_THAT(chmod(path, 0640), Succeeds()) << path;
    EXPECT_THAT(lchown(path, 3, 4), Succeeds()) << path;
  }

  const Tree after = {
      {"fifo", Fifo().mode(0640).owner(3, 4).mtime(5, 6)},
      {"sock", Socket().mode(0640).owner(3, 4).mtime(5, 6)},
      {"char", CharDev(1, 3).mode(0640).owner(3, 4).mtime(5, 6)},
      {"block", BlockDev(7, 200).mode(0640).owner(3, 4).mtime(5, 6)}};
  EXPECT_THAT(merged(), TreeIs(after));
  EXPECT_THAT(upper(), TreeIs(after));
}

// Row 45
TEST_P(SpecialFilesTest, EveryKindIsRenamedAndRemoved) {
  mount({.lower = {{{"fifo", Fifo()},
                    {"sock", Socket()},
                    {"char", CharDev(1, 3)},
                    {"d", Dir()}}},
         .upper = {}});

  for (const std::string path : {"fifo", "sock", "char"}) {
    EXPECT_THAT(rename(path, "d/" + path), Succeeds()) << path;
  }
  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()},
                                    {"d/fifo", Fifo()},
                                    {"d/sock", Socket()},
                                    {"d/char", CharDev(1, 3)}}));
  for (const std::string path : {"fifo", "sock", "char"}) {
    EXPECT_THAT(unlink("d/" + path), Succeeds()) << path;
  }
  EXPECT_THAT(merged(), TreeIs(Tree{{"d", Dir()}}));
}

TEST_P(SpecialFilesTest, LowerFifoCarriesBytesBetweenProcesses) {
  mount({.lower = {{{"fifo", Fifo()}}}, .upper = {}});
  std::thread writer([this] {
    const Fd out(::open(m("fifo").c_str(), O_WRONLY));
    EXPECT_THAT(::write(out.get(), "through", 7), SyscallReturns(7));
  });

  EXPECT_EQ(read_file("fifo"), "through");

  writer.join();
}

TEST_P(SpecialFilesTest, SocketTakesConnections) {
  mount({.lower = {{}}, .upper = {}});
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  m("s").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const Fd server(::socket(AF_UNIX, SOCK_STREAM, 0));
  const Fd client(::socket(AF_UNIX, SOCK_STREAM, 0));

  EXPECT_THAT(::bind(server.get(), generic, sizeof(address)), Succeeds());
  EXPECT_THAT(::listen(server.get(), 1), Succeeds());
  EXPECT_THAT(::connect(client.get(), generic, sizeof(address)), Succeeds());
}

TEST_P(SpecialFilesTest, DeviceOfAMountByRootIsUsable) {
  mount({.lower = {{{"null", CharDev(1, 3).mode(0666)}}}, .upper = {}});

  EXPECT_THAT(write_file("null", "gone"), Succeeds());
  EXPECT_EQ(read_file("null"), "");

  EXPECT_THAT(upper(), TreeIs(Tree{})) << "using a device copies nothing";
}

TEST_P(SpecialFilesTest, OrdinaryUserMakesFifosButNoDevices) {
  mount({.lower = {{{"d", Dir().mode(0777)}}}, .upper = {}});

  const Outcome fifo = as_user(
      kNobodyInParticular, [this] { return mknod("d/fifo", S_IFIFO | 0600); });
  const Outcome device = as_user(kNobodyInParticular, [this] {
    return mknod("d/null", S_IFCHR | 0600, makedev(1, 3));
  });

  EXPECT_THAT(fifo, Succeeds());
  EXPECT_THAT(device, FailsWith(EPERM));
  EXPECT_EQ(lstat("d/fifo").st_uid, kNobodyInParticular.uid);
}

VENEER_ON_EVERY_TARGET(SpecialFilesTest);

}  // namespace
}  // namespace veneer::testing
