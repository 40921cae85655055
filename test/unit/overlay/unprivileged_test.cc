// SPDX-License-Identifier: MIT
//
// The engine in the hands of an ordinary user: user.overlay.* marks, and
// nothing that needs a right he does not have. A child process becomes him;
// what it complains of is printed by it, and fails the test.

#include <grp.h>
#include <sys/wait.h>

#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using veneer::layer::WhiteoutForm;
using veneer::testing::code_of;
using veneer::testing::is_root;

constexpr uid_t kNobody = 65534;

class UnprivilegedTest : public veneer::testing::Scene {
 protected:
  void SetUp() override {
    Scene::SetUp();
    if (is_root()) {
      ASSERT_EQ(::chown(path("").c_str(), kNobody, kNobody), 0);
    }
  }

  /// Runs `body` as an ordinary user.
  template <typename Body>
  void as_nobody(Body body) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const bool is_nobody =
          !is_root() || (::setgroups(0, nullptr) == 0 &&
                         ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                         ::setresuid(kNobody, kNobody, kNobody) == 0);
      EXPECT_TRUE(is_nobody);
      caller_ = {.uid = ::geteuid(), .gid = ::getegid()};
      if (is_nobody) body();
      close();
      std::fflush(nullptr);
      ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "see above";
  }
};

TEST_F(UnprivilegedTest, MarksAreInTheUsersNamespace) {
  as_nobody([&] {
    write("lower/d/f", "text");
    open();
    ASSERT_EQ(rename("d", "e"), 0);
    ASSERT_EQ(chmod("e/f", 0600), 0);
    close();

    EXPECT_EQ(xattr("upper", "user.overlay.veneer.form"), "kernel");
    EXPECT_EQ(xattr("upper/e", "user.overlay.redirect"), "/d");
    EXPECT_EQ(xattr("upper/e/f", "user.overlay.metacopy"), "");
    EXPECT_TRUE(is_whiteout("upper/d"));
    remount();
    EXPECT_EQ(content("e/f"), "text");
    EXPECT_FALSE(has("d"));
  });
}

TEST_F(UnprivilegedTest, EachOperationDoesWhatItDoesForRoot) {
  as_nobody([&] {
    write("lower/d/f", "text");
    write("lower/g", "gone");
    make_link("d/f", "lower/link");
    open();
    EXPECT_EQ(put("d/f", "T"), 0);
    EXPECT_EQ(remove("g"), 0);
    EXPECT_EQ(create("g"), 0);
    EXPECT_EQ(make_directory("n"), 0);
    EXPECT_EQ(rename("d/f", "n/f"), 0);
    EXPECT_EQ(rename("link", "n/link"), 0);
    EXPECT_EQ(link_to("n/link", "link2"), 0);
    EXPECT_EQ(link_to("g", "h"), 0);
    EXPECT_EQ(remove_directory("d"), 0);
    EXPECT_EQ(make_directory("d"), 0);
    EXPECT_EQ(code_of(fs().set_xattr(caller_, at("h"), "user.k", "v", 0)), 0);
    EXPECT_EQ(create("d/fifo", S_IFIFO | 0600), 0);
    remount();
    EXPECT_THAT(names(), ElementsAre("d", "g", "h", "link2", "n"));
    EXPECT_THAT(names("d"), ElementsAre("fifo"));
    EXPECT_EQ(content("n/f"), "Text");
    EXPECT_EQ(*fs().read_link(at("n/link")), "d/f");
    EXPECT_EQ(attr_of("g").nlink, 2U);
  });
}

TEST_F(UnprivilegedTest, UnnamedFileIsMadeWhicheverGroupTheCallerIsOf) {
  as_nobody([&] {
    open();
    Caller caller = caller_;
    caller.gid = 12345;

    const auto made = fs().make_unnamed(caller, kRootId, S_IFREG | 0600);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(code_of(fs().link(caller, made->id, kRootId, "name")), 0);
    EXPECT_EQ(
        code_of(fs().make(caller, kRootId, "other", S_IFREG | 0600, 0, {})), 0);
  });
}

TEST_F(UnprivilegedTest, HardLinkedSymbolicLinksAndFifosCanBeRemoved) {
  as_nobody([&] {
    make_dir("lower");
    make_link("to", "lower/l1");
    hard_link("lower/l1", "lower/l2");
    ASSERT_EQ(::mkfifo(path("lower/p1").c_str(), 0600), 0);
    hard_link("lower/p1", "lower/p2");
    open();

    for (const std::string kind : {"l", "p"}) {
      EXPECT_EQ(code_of(fs().set_attr(caller_, at(kind + "1"),
                                      {.mtime = timespec{7, 0}})),
                0)
          << kind;
      EXPECT_EQ(rename(kind + "2", kind + "3"), 0) << kind;
      EXPECT_EQ(remove(kind + "1"), 0) << kind;
    }
    EXPECT_THAT(names(), ElementsAre("l3", "p3"));
    remount();
    EXPECT_THAT(names(), ElementsAre("l3", "p3"));
  });
}

TEST_F(UnprivilegedTest, HardLinkedFilesStayOneFile) {
  as_nobody([&] {
    write("lower/a", "text");
    hard_link("lower/a", "lower/b");
    open();
    ASSERT_EQ(put("a", "T"), 0);
    ASSERT_EQ(link_to("b", "c"), 0);
    remount();
    for (const char* name : {"a", "b", "c"}) {
      EXPECT_EQ(content(name), "Text") << name;
      EXPECT_EQ(attr_of(name).ino, attr_of("a").ino) << name;
      EXPECT_EQ(attr_of(name).nlink, 3U) << name;
    }
    for (const char* name : {"a", "b", "c"}) EXPECT_EQ(remove(name), 0);
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_THAT(names_in("upper.work/index"), IsEmpty());
  });
}

TEST_F(UnprivilegedTest, FileThatForbidsWritingIsWrittenByItsOwner) {
  as_nobody([&] {
    write("lower/f", "text", 0444);
    open();

    // Who opened it before the mode changed may go on.
    EXPECT_EQ(put("f", "T"), 0);
    EXPECT_EQ(chmod("f", 0), 0);
    EXPECT_EQ(put("f", "TT"), 0);
    EXPECT_EQ(attr_of("f").mode & 0777, 0U);
  });
}

TEST_F(UnprivilegedTest, WhatForbidsWritingIsCopiedMarkedAndMoved) {
  as_nobody([&] {
    write("lower/shut/f", "text", 0444);
    write("lower/shut/g", "text", 0444);
    set_xattr("lower/shut", "user.k", "v");
    ASSERT_EQ(::chmod(path("lower/shut").c_str(), 0555), 0);
    open();

    // A program that has it open goes on writing.
    EXPECT_EQ(put("shut/f", "T"), 0);
    EXPECT_EQ(chmod("shut/g", 0400), 0);
    EXPECT_EQ(put("shut/g", "T"), 0);
    EXPECT_EQ(rename("shut", "moved"), 0);
    EXPECT_EQ(attr_of("moved").mode & 0777, 0555U);
    remount();
    EXPECT_EQ(content("moved/f"), "Text");
    EXPECT_EQ(content("moved/g"), "Text");
    EXPECT_EQ(attr_of("moved").mode & 0777, 0555U);
    EXPECT_EQ(attr_of("moved/f").mode & 0777, 0444U);
    EXPECT_EQ(attr_of("moved/g").mode & 0777, 0400U);
    EXPECT_EQ(xattr("upper/moved", "user.k"), "v");
    for (const char* name : {"upper/moved", "lower/shut"}) {
      ::chmod(path(name).c_str(), 0755);
    }
  });
}

TEST_F(UnprivilegedTest, ReadOnlyDirectoryCanBeRemoved) {
  as_nobody([&] {
    write("lower/d/f", "text");
    open();
    ASSERT_EQ(remove("d/f"), 0);
    ASSERT_EQ(chmod("d", 0555), 0);

    EXPECT_EQ(remove_directory("d"), 0);
    EXPECT_FALSE(has("d"));
    remount();
    EXPECT_FALSE(has("d"));
    EXPECT_THAT(names_in("upper.work/work"), IsEmpty());
  });
}

TEST_F(UnprivilegedTest, LayersThatMayNotBeEnteredAreRefused) {
  if (!is_root()) GTEST_SKIP() << "needs root: makes another user's directory";
  make_dir("shut", 0700);
  make_dir("work");
  as_nobody([&] {
    EXPECT_EQ(code_of(layer::open_host_lower(path("shut"), true)), EACCES);
    layer::UpperReport report;
    EXPECT_NE(code_of(layer::open_host_upper(
                  {.upper = path("shut"), .work = path("work")}, report)),
              0);
  });
}

TEST_F(UnprivilegedTest, OthersFilesAreCopiedAsOurs) {
  if (!is_root()) GTEST_SKIP() << "needs root: makes another user's files";
  write("lower/f", "text", 0644);
  write("lower/d/g", "text", 0644);
  ASSERT_EQ(::chown(path("lower/f").c_str(), 1, 2), 0);
  as_nobody([&] {
    open();
    EXPECT_EQ(put("f", "T"), 0);
    EXPECT_EQ(create("d/new"), 0);
    EXPECT_EQ(attr_of("f").uid, kNobody);
    EXPECT_EQ(content("f"), "Text");
    EXPECT_THAT(names("d"), ElementsAre("g", "new"));
  });
}

TEST_F(UnprivilegedTest, TrustedMarksOfALayerAreNotBelieved) {
  if (!is_root()) GTEST_SKIP() << "needs root: makes trusted.* marks";
  make_dir("lower/new");
  write("lower2/old/f", "text");
  mark("lower/new", "redirect", "/old");
  as_nobody([&] {
    open({.lowers = {"lower", "lower2"}});
    EXPECT_THAT(names("new"), IsEmpty());
  });
}

TEST_F(UnprivilegedTest, DotWhFormNeedsNothingButFiles) {
  as_nobody([&] {
    write("lower/d/f", "text");
    write("lower/g", "gone");
    open({.form = WhiteoutForm::kDotWh});
    EXPECT_EQ(remove("g"), 0);
    EXPECT_EQ(put("d/f", "T"), 0);
    EXPECT_EQ(remove("d/f"), 0);
    EXPECT_EQ(remove_directory("d"), 0);
    EXPECT_EQ(make_directory("d"), 0);
    remount();
    EXPECT_THAT(names(), ElementsAre("d"));
    EXPECT_THAT(names("d"), IsEmpty());
    EXPECT_TRUE(exists("upper/.wh.g"));
  });
}

}  // namespace
}  // namespace veneer::overlay
