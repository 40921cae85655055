// SPDX-License-Identifier: MIT
//
// A session as an image layer: what programs that know nothing of us make of it
// must be what the user saw.

#include "finalize/export_oci.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/bytes.h"
#include "base/digest.h"
#include "sys/fd.h"
#include "test/support/result.h"
#include "test/unit/finalize/kernel_session.h"
#include "test/unit/finalize/layer_tools.h"
#include "test/unit/finalize/random_work.h"

namespace veneer::finalize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using veneer::testing::code_of;
using veneer::testing::read_tree;
using veneer::testing::TreeIs;

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<ExportReport> export_to(const KernelSession& session,
                               const std::string& tar) {
  Trees trees = session.trees();
  const Changes changes = KernelSession::changes(trees);
  const sys::UniqueFd out(
      ::open(tar.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  return export_oci(trees, changes, out.get(), {});
}

#define SKIP_UNLESS_MADE(session)                 \
  if (::testing::Test::HasFatalFailure()) return; \
  if (!(session).is_made()) GTEST_SKIP() << "needs root, to mount"

// The layer over a copy of the base is what was seen, whoever unpacks it.
void expect_round_trip(const KernelSession& session) {
  const std::string tar = session.path("layer.tar");
  const auto report = export_to(session, tar);
  ASSERT_TRUE(report) << report.error().message();
  const std::string bytes = slurp(tar);
  EXPECT_EQ(report->bytes, bytes.size());
  EXPECT_EQ(report->diff_id, "sha256:" + to_hex(sha256(as_bytes(bytes))));
  EXPECT_EQ(report->entries, list_tar(tar).size());

  for (const bool acls : {false, true}) {
    const std::string copy = session.path(acls ? "by-tar-acls" : "by-tar");
    shell(session.path(""), "cp -a base '" + copy + "'");
    apply_by_tar(tar, copy, acls);
    EXPECT_THAT(read_tree(copy), TreeIs(session.seen())) << "acls: " << acls;
  }
  const std::string by_umoci =
      apply_by_umoci(tar, session.base(), session.path(""));
  if (!by_umoci.empty()) {
    EXPECT_THAT(read_tree(by_umoci), TreeIs(session.seen())) << "umoci";
  }

  ASSERT_TRUE(export_to(session, session.path("again.tar")));
  EXPECT_TRUE(slurp(session.path("again.tar")) == bytes) << "not reproducible";
}

constexpr char kBase[] = R"(
mkdir -p etc/conf.d var/log/old deep/er
echo motd > etc/motd; echo hosts > etc/hosts; echo a > etc/conf.d/a
echo b > etc/conf.d/b; echo log > var/log/1; echo log2 > var/log/old/2
echo deep > deep/er/file; ln -s ../etc/motd deep/er/link
mkfifo var/pipe; mknod var/null c 1 3; mknod var/disk b 8 1
touch -d '2001-02-03 04:05:06.123456789' etc/motd etc/conf.d etc deep
setfattr -n user.note -v base etc/hosts
)";

TEST(ExportOci, NothingChangedIsAnEmptyTar) {
  const KernelSession session(kBase, "cat etc/motd > /dev/null");
  SKIP_UNLESS_MADE(session);
  const auto report = export_to(session, session.path("layer.tar"));
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->entries, 0U);
  EXPECT_EQ(slurp(session.path("layer.tar")), std::string(1024, '\0'));
}

TEST(ExportOci, FilesOfEveryKind) {
  const KernelSession session(kBase, R"(
echo new > etc/new; echo more >> etc/motd; chmod 4711 etc/hosts
mkdir -m 1777 etc/empty; ln -s /nowhere etc/dangling; mkfifo etc/fifo
mknod etc/tty c 5 0; mknod etc/loop b 7 300; chown -h 12:34 deep/er/link
touch -h -d '1969-12-31 23:59:58.5' etc/dangling
touch -d '1912-06-23 01:02:03.000000004' etc/new
touch -d '2242-01-01 00:00:00.5' etc/empty
truncate -s 3M etc/sparse; printf end >> etc/sparse
head -c 700000 /dev/urandom > etc/random; : > etc/nothing
chown 3000000:4000000000 etc/random
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
}

TEST(ExportOci, WhiteoutsComeBeforeWhatElseIsInADirectory) {
  const KernelSession session(kBase, R"(
rm etc/hosts; rm -r var/log; echo a > etc/aaa; rm -r etc/conf.d
mkdir etc/conf.d; echo z > etc/conf.d/z
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
  EXPECT_THAT(paths_in(session.path("layer.tar")),
              ElementsAre("./", "etc/", "etc/.wh.hosts", "etc/aaa",
                          "etc/conf.d/", "etc/conf.d/.wh..wh..opq",
                          "etc/conf.d/z", "var/", "var/.wh.log"));
}

TEST(ExportOci, ChangedType) {
  const KernelSession session(kBase, R"(
rm etc/motd; mkdir etc/motd; echo x > etc/motd/x
rm -r etc/conf.d; echo file > etc/conf.d
rm deep/er/link; echo x > deep/er/link
rm -r var/log; ln -s ../etc var/log
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
}

TEST(ExportOci, RenamedDirectoryIsWrittenOutWhole) {
  const KernelSession session(kBase, R"(
mv etc/conf.d etc/settings; echo c > etc/settings/c; rm etc/settings/a
mv deep/er below; mv below/file below/renamed; mv etc elsewhere
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
  EXPECT_THAT(
      paths_in(session.path("layer.tar")),
      ElementsAre("./", ".wh.etc", "below/", "below/link", "below/renamed",
                  "deep/", "deep/.wh.er", "elsewhere/", "elsewhere/hosts",
                  "elsewhere/motd", "elsewhere/settings/",
                  "elsewhere/settings/b", "elsewhere/settings/c"));
}

TEST(ExportOci, RenamesOverAndIntoEachOther) {
  const KernelSession session(kBase, R"(
mv etc tmp; mv var etc; mv tmp var; rm -r etc/log; mv var/conf.d etc/log
mv deep var/deep; mkdir deep; mv var/deep/er deep/er2; mv var/motd deep/motd
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
}

TEST(ExportOci, FileRenamedAlone) {
  const KernelSession session(kBase, R"(
mv etc/motd var/log/motd; mv var/log/old/2 2; mv var/log/1 etc/motd
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
}

TEST(ExportOci, XattrsAclsAndCapabilities) {
  const KernelSession session(kBase, R"(
setfattr -n user.note -v changed etc/hosts
setfattr -n user.binary -v 0x00ff0a3d etc/motd
setfattr -n user.a=b -v 'c=d' etc/motd; setfattr -n user.50%25 -v x etc/motd
setfattr -n trusted.secret -v s etc/motd; setfattr -n user.empty etc/motd
cp /bin/true etc/able; setcap cap_net_raw+ep etc/able
setfacl -m u:1234:rw,g:55:r,m::rw etc/hosts; chmod g-w etc/hosts
setfacl -m u:1234:rwx,d:u:77:rx,d:g:88:w etc/conf.d
)");
  SKIP_UNLESS_MADE(session);
  const std::string tar = session.path("layer.tar");
  ASSERT_TRUE(export_to(session, tar));
  for (const bool acls : {false, true}) {
    const std::string copy = session.path(acls ? "by-tar-acls" : "by-tar");
    shell(session.path(""), "cp -a base '" + copy + "'");
    apply_by_tar(tar, copy, acls);
    EXPECT_THAT(read_tree(copy), TreeIs(session.seen())) << "acls: " << acls;
  }
}

TEST(ExportOci, ImageToolsRestoreAclsAndCapabilities) {
  const KernelSession session(kBase, R"(
setfattr -n user.binary -v 0x00ff0a3d etc/motd
cp /bin/true etc/able; setcap cap_net_raw+ep etc/able
setfacl -m u:1234:rw,g:55:r,m::rw etc/hosts; chmod g-w etc/hosts
setfacl -m u:1234:rwx,d:u:77:rx,d:g:88:w etc/conf.d
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
}

TEST(ExportOci, NamesOfOneFileAreHardLinks) {
  const KernelSession session(R"(
mkdir d e; echo one > d/one; ln d/one d/two; ln d/one e/three
echo lone > e/lone; mkdir m; echo m > m/1; ln m/1 m/2
)",
                              R"(
echo more >> d/two; ln e/lone d/lone2; echo x > new; ln new new2; ln new e/new3
ln -s t sym; ln sym sym2; mv m moved
)");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
  const auto entries = list_tar(session.path("layer.tar"));
  std::vector<std::string> links;
  for (const auto& entry : entries) {
    if (entry.hard_link.empty()) continue;
    links.push_back(entry.path + " > " + entry.hard_link);
    EXPECT_EQ(entry.size, 0U);
  }
  EXPECT_THAT(
      links, ElementsAre("d/two > d/one", "e/lone > d/lone2", "e/three > d/one",
                         "moved/2 > moved/1", "new > e/new3", "new2 > e/new3",
                         "sym2 > sym"));
}

TEST(ExportOci, UnusualNames) {
  std::string long_name(255, 'n');
  const KernelSession session(
      "mkdir d; echo x > d/x; echo y > \"$(printf 'gone\\nline')\"",
      "rm \"$(printf 'gone\\nline')\"; printf a > \"$(printf '\\377\\376')\"\n"
      "echo u > \"d/\xc3\xa9\"; echo s > 'd/ b\\a\"c*'; ln -s \"$(printf "
      "'\\377t')\" 'd/-x'\n"
      "mkdir -p " +
          long_name + "/" + long_name + "\necho l > " + long_name + "/" +
          long_name + "/f; ln " + long_name + "/" + long_name +
          "/f d/linked; ln -s " + long_name + " d/symlink\n");
  SKIP_UNLESS_MADE(session);
  expect_round_trip(session);
}

TEST(ExportOci, WhateverWasDone) {
  const char* wanted = std::getenv("VENEER_SEEDS");
  const int seeds = wanted != nullptr ? std::atoi(wanted) : 5;
  for (int seed = 0; seed < seeds; ++seed) {
    const std::string work = random_work(static_cast<std::uint32_t>(seed));
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + work);
    const KernelSession session(kRandomBase, work);
    SKIP_UNLESS_MADE(session);
    expect_round_trip(session);
    if (HasFailure()) return;
  }
}

TEST(ExportOci, SocketsAreLeftOutAndHideWhatTheyReplaced) {
  const KernelSession session(kBase, R"(
rm etc/motd
python3 -c 'import socket
for n in "etc/motd", "etc/new": socket.socket(socket.AF_UNIX).bind(n)'
)");
  SKIP_UNLESS_MADE(session);
  const std::string tar = session.path("layer.tar");
  const auto report = export_to(session, tar);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->sockets, 2U);
  EXPECT_THAT(paths_in(tar), ElementsAre("./", "etc/", "etc/.wh.motd"));
}

TEST(ExportOci, NameThatWouldBeAWhiteoutIsRefused) {
  const KernelSession session(kBase, "echo x > etc/.wh.x");
  SKIP_UNLESS_MADE(session);
  // Without its record of the form that upper is taken to hold markers.
  shell(session.upper(), "setfattr -n trusted.overlay.veneer.form -v kernel .");
  const auto report = export_to(session, session.path("layer.tar"));
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), EINVAL);
  EXPECT_EQ(report.error().subject(), "etc/.wh.x");
}

TEST(ExportOci, GoesThroughAPipe) {
  const KernelSession session(kBase, "head -c 3000000 /dev/urandom > big");
  SKIP_UNLESS_MADE(session);
  ASSERT_TRUE(export_to(session, session.path("layer.tar")));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const sys::UniqueFd in(ends[0]);
  sys::UniqueFd out(ends[1]);
  ASSERT_EQ(::fcntl(in.get(), F_SETFL, 0), 0);
  std::string got;
  std::thread reader([&] {
    char buffer[1000];
    ssize_t n = 0;
    while ((n = ::read(in.get(), buffer, sizeof(buffer))) > 0) {
      got.append(buffer, static_cast<std::size_t>(n));
    }
  });
  Trees trees = session.trees();
  const Changes changes = KernelSession::changes(trees);
  const auto report = export_oci(trees, changes, out.get(), {});
  out.reset();
  reader.join();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_TRUE(got == slurp(session.path("layer.tar")));
}

TEST(ExportOci, StopsWhenAsked) {
  const KernelSession session(kBase, "head -c 3000000 /dev/urandom > big");
  SKIP_UNLESS_MADE(session);
  Trees trees = session.trees();
  const Changes changes = KernelSession::changes(trees);
  const sys::UniqueFd out(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  std::uint64_t last = 0;
  const auto report =
      export_oci(trees, changes, out.get(), [&](std::uint64_t bytes) {
        EXPECT_GE(bytes, last);
        last = bytes;
        return bytes < 1'000'000;
      });
  EXPECT_EQ(code_of(report), ECANCELED);
  EXPECT_LT(last, 2'000'000U);
}

TEST(ExportOci, FullDiskIsAnError) {
  const KernelSession session(kBase, "echo x > x");
  SKIP_UNLESS_MADE(session);
  Trees trees = session.trees();
  const Changes changes = KernelSession::changes(trees);
  const sys::UniqueFd out(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(code_of(export_oci(trees, changes, out.get(), {})), ENOSPC);
}

}  // namespace
}  // namespace veneer::finalize
