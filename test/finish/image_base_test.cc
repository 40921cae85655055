// SPDX-License-Identifier: MIT
//
// Sessions whose base is no directory: a LayerFS layer, a composefs image, a
// plain EROFS one, or one of them between directories. Each shows the tree it
// was made of, is worked in like a directory, and says what has changed.

#include <gmock/gmock.h>

#include <filesystem>

#include "test/finish/session_fixture.h"
#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct BaseKind {
  const char* name;
  const char* make;   // a script; $V is the program
  const char* lower;  // as --lower has it
};

constexpr BaseKind kKinds[] = {
    {"Layerfs", "$V layer build --out image --blobs store --dir base",
     "layerfs:image"},
    {"LayerfsInline",
     "$V layer build --inline-limit 1000000 --out image --blobs store "
     "--dir base",
     "layerfs:image"},
    {"LayerfsOfATar",
     "tar -C base -cf base.tar . && "
     "$V layer build --out image --blobs store --tar base.tar",
     "layerfs:image"},
    {"Composefs",
     "$V composefs create --hardlinks --objects objects base image",
     "composefs:image"},
    {"Erofs", "mkfs.erofs -x2 image base >/dev/null 2>&1", "composefs:image"},
};

// What these formats keep, all of them: no owners, nanoseconds or xattrs.
constexpr char kTree[] = R"(
  umask 022
  mkdir -p base/etc base/usr/lib base/empty
  echo text > base/etc/motd; chmod 600 base/etc/motd
  : > base/etc/nothing
  seq 1 30000 > base/usr/lib/large
  head -c 8192 base/usr/lib/large > base/usr/lib/blocks
  head -c 5000 base/usr/lib/large > base/usr/lib/tail
  ln base/etc/motd base/etc/motd2
  ln -s ../etc/motd base/usr/link
  i=0; while [ $i -lt 200 ]; do echo $i > base/usr/f$i; i=$((i + 1)); done
  find base -exec touch -h -d @1000000000 {} +
)";

constexpr char kChanges[] = R"(
  echo more >> usr/lib/large
  echo x | dd of=usr/lib/tail bs=1 seek=4500 conv=notrunc 2>/dev/null
  : > usr/lib/blocks
  chmod 640 usr/f1; rm usr/f2; mv usr/f3 usr/moved
  mv etc etcetera; echo via >> etcetera/motd2
  rm -r empty; echo file > empty; mkdir -p new/dir; ln usr/f4 new/f4
)";

class ImageBaseTest : public SessionTest,
                      public ::testing::WithParamInterface<BaseKind> {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    std::filesystem::remove_all(base());
    const Finished made =
        in_place(std::string(kTree) + "mkdir -p objects; " + GetParam().make);
    ASSERT_EQ(made.status, 0) << made.err;
    make_dir("m");
  }

  /// A shell script where everything is; fails at its first failure.
  [[nodiscard]] Finished in_place(const std::string& script) const {
    return run({"/bin/sh", "-ec",
                "cd " + path() + "; V=" + veneer_program() + "; " + script});
  }
  [[nodiscard]] std::string stores() const {
    return "--blobs store --objects objects ";
  }
  void mount(const std::string& options) const {
    const Finished done = in_place("$V mount " + stores() + options + " m");
    ASSERT_EQ(done.status, 0) << done.err;
  }
  void umount() const { ASSERT_EQ(in_place("$V umount m").status, 0); }
  [[nodiscard]] static std::string lower() {
    return std::string("--lower ") + GetParam().lower;
  }
};

TEST_P(ImageBaseTest, ShowsTheTreeItWasMadeOf) {
  ASSERT_NO_FATAL_FAILURE(mount(lower()));

  EXPECT_THAT(read_tree(path("m")), TreeIs(read_tree(base())));
  EXPECT_EQ(in_place("cmp base/usr/lib/large m/usr/lib/large").status, 0);
  EXPECT_NE(in_place("touch m/new").status, 0);

  ASSERT_NO_FATAL_FAILURE(umount());
}

TEST_P(ImageBaseTest, IsWorkedInLikeADirectory) {
  make_dir("u");
  make_dir("model");
  ASSERT_EQ(
      in_place("cp -a base/. model; cd model;" + std::string(kChanges)).status,
      0);

  ASSERT_NO_FATAL_FAILURE(mount(lower() + " --upper u"));
  const Finished done = in_place("cd m;" + std::string(kChanges));
  EXPECT_EQ(done.status, 0) << done.err;
  const Tree seen = read_tree(path("m"));
  ASSERT_NO_FATAL_FAILURE(umount());
  ASSERT_NO_FATAL_FAILURE(mount(lower() + " --upper u"));

  EXPECT_THAT(read_tree(path("m")), TreeIs(seen));
  EXPECT_EQ(in_place("diff -r --no-dereference model m").out, "");
  ASSERT_NO_FATAL_FAILURE(umount());
}

TEST_P(ImageBaseTest, ChangesAreToldAndExportedAndDiscarded) {
  make_dir("u");
  ASSERT_NO_FATAL_FAILURE(mount(lower() + " --upper u"));
  ASSERT_EQ(in_place("cd m; echo more >> etc/motd; rm usr/f2; touch new; "
                     "mv usr/lib usr/lib2")
                .status,
            0);
  ASSERT_NO_FATAL_FAILURE(umount());

  const Finished told = in_place("$V diff u");
  EXPECT_EQ(told.status, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr("M  etc/motd\n"));
  EXPECT_THAT(told.out, HasSubstr("D  usr/f2\n"));
  EXPECT_THAT(told.out, HasSubstr("A  new\n"));
  EXPECT_THAT(told.out, HasSubstr("R  usr/lib/ -> usr/lib2/\n"));

  const Finished exported =
      in_place("$V export --oci - u | tar -tf - | sort | tr '\\n' ' '");
  EXPECT_THAT(exported.out, HasSubstr("usr/lib2/large"));
  EXPECT_THAT(exported.out, HasSubstr("usr/.wh.f2"));

  const Finished refused = in_place("$V commit u");
  EXPECT_TRUE(is_refused(refused, path("image")));
  EXPECT_THAT(refused.err, HasSubstr("veneer layer build --upper"));

  EXPECT_EQ(in_place("$V discard --yes u").status, 0);
  EXPECT_THAT(list("u"), ElementsAre());
}

TEST_P(ImageBaseTest, LiesBetweenDirectories) {
  ASSERT_EQ(in_place("mkdir -p top/usr bottom/etc").status, 0);
  write("top/usr/f1", "of the top\n");
  write("bottom/etc/below", "of the bottom\n");
  write("bottom/etc/motd", "hidden\n");

  ASSERT_NO_FATAL_FAILURE(mount("--lower top " + lower() + " --lower bottom"));

  EXPECT_EQ(read("m/usr/f1"), "of the top\n");
  EXPECT_EQ(read("m/usr/f4"), "4\n");
  EXPECT_EQ(read("m/etc/motd"), "text\n");
  EXPECT_EQ(read("m/etc/below"), "of the bottom\n");
  ASSERT_NO_FATAL_FAILURE(umount());
}

TEST_P(ImageBaseTest, CommitGoesToADirectoryOnTopOfIt) {
  make_dir("top");
  make_dir("u");
  const std::string stack = "--lower top " + lower();
  ASSERT_NO_FATAL_FAILURE(mount(stack + " --upper u"));
  ASSERT_EQ(in_place("cd m; echo more >> usr/lib/large; rm usr/f2; "
                     "chmod 640 usr/lib/tail; mv usr/lib/blocks b")
                .status,
            0);
  const Tree seen = read_tree(path("m"));
  ASSERT_NO_FATAL_FAILURE(umount());

  const Finished done = in_place("$V commit u");

  EXPECT_EQ(done.status, 0) << done.err;
  ASSERT_NO_FATAL_FAILURE(mount(stack));
  EXPECT_THAT(read_tree(path("m")), TreeIs(seen));
  ASSERT_NO_FATAL_FAILURE(umount());
}

class BadImageTest : public SessionTest {};

TEST_F(BadImageTest, WhatIsNoneIsRefusedWithTheRemedy) {
  make_dir("m");
  write("text", "no image");
  for (const char* const lower :
       {"layerfs:absent", "layerfs:base", "layerfs:text", "composefs:absent",
        "composefs:text", "composefs:base"}) {
    const Finished end = veneer({"mount", "--lower", lower, path("m")}, path());

    EXPECT_TRUE(is_refused(end, path())) << lower;
    EXPECT_THAT(list(""), ElementsAre("base", "m", "text"));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ImageBaseTest, ::testing::ValuesIn(kKinds),
                         [](const auto& kind) {
                           return std::string(kind.param.name);
                         });

}  // namespace
}  // namespace veneer::testing
