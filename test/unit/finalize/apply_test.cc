// SPDX-License-Identifier: MIT
//
// What each step does, what it does when it has been done, and what it refuses.

#include "finalize/apply.h"

#include <gmock/gmock.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "sys/fault.h"
#include "test/support/disk.h"
#include "test/unit/finalize/apply_scene.h"

namespace veneer::finalize {
namespace {

using testing::code_of;
using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using testing::read_tree;
using testing::TreeIs;

constexpr unsigned kImmutable = FS_IMMUTABLE_FL;
constexpr unsigned kAppend = FS_APPEND_FL;

class ApplyTest : public ApplyScene {
 protected:
  void SetUp() override {
    ApplyScene::SetUp();
    if (!IsSkipped()) clear();
  }
  void TearDown() override {
    sys::fault::disarm();
    sys::fault::pretend_old_kernel(false);
    ApplyScene::TearDown();
  }

  // Twice, as after a crash that came when all was done.
  void expect_done(const std::vector<Step>& steps) {
    for (const char* time : {"first", "again"}) {
      const auto done = apply_rest(steps);
      EXPECT_TRUE(done) << time << ": " << done.error().message();
    }
  }
  void expect_refused(const Step& step, int code, const std::string& subject) {
    const auto done = apply_rest({step});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), code) << done.error().message();
    EXPECT_EQ(done.error().subject(), subject);
  }
  testing::Entry entry(const std::string& name) const {
    return read_tree(path("base")).at(name);
  }
  // Over other layers from now on.
  void lie_over_others(layer::XattrNamespace marks, bool mknod) {
    options_.below = {below_.get()};
    options_.marks = marks;
    options_.mknod_whiteouts = mknod;
  }
};

TEST_F(ApplyTest, WholePlanGivesTheWantedTree) {
  make_scene();
  const std::uint64_t moved = ino("upper/d/replaced");
  const std::uint64_t copied = ino("upper/d/copied");
  const std::uint64_t renamed = ino("base/old");

  const auto done = apply_all(steps());
  ASSERT_TRUE(done) << done.error().message();

  const Look found = look();
  const Tree wanted = {
      {"", Dir().mode(0755).mtime(2000, 2)},
      {"keep", File("kept").mode(0640).mtime(2000, 2)},
      {"d", Dir().mode(02750).owner(3, 4).mtime(2000, 2)},
      {"d/replaced", File("new bytes").mode(04755).owner(5, 6).mtime(2000, 2)},
      {"d/copied", File("copied bytes").mode(06750).owner(7, 8).mtime(2000, 2)},
      {"d/chmod", File("same bytes").mode(0444).mtime(2000, 2)},
      {"d/h3", HardLink("d/h3")},
      {"new", Dir().mode(0770).mtime(2000, 2)},
      {"new/x", File("x")},
      {"new/deeper", Dir()},
      {"new/deeper/y", File("y")},
      {"left", Dir()},
      {"left/r", File("r")},
      {"right", Dir()},
      {"right/l", File("l")},
      {"to_dir", Dir().mtime(2000, 2)},
      {"to_dir/file", File("in a new directory")},
      {"to_link", Symlink("../outside")},
      {"moved", Dir()},
      {"moved/z", File("z")},
      {"h1", HardLink("d/h3")},
      {"h2", HardLink("d/h3")},
      {"meta",
       File(std::string(9000, 'm')).mode(0604).owner(1, 2).mtime(2000, 2)},
      {"frozen", Dir().mode(0711).mtime(2000, 2)},
      {"frozen/inside", File("thawed")},
      {"fifo", Fifo().mode(0622)},
      {"socket", Socket()},
      {"null", CharDev(1, 3).mode(0666)},
      {"link", Symlink("nowhere").owner(9, 10).mtime(2000, 2)},
      {"immutable", File("never again")},
      {"immutable2", HardLink("immutable")},
      {"log", File("append")},
      {"capable", File("cap").mode(0755)},
  };
  Tree without_link = wanted;
  without_link.set("d/h3", File("linked, changed"));
  EXPECT_THAT(found.tree, TreeIs(without_link));
  EXPECT_EQ(ino("base/d/replaced"), moved);
  EXPECT_NE(ino("base/d/copied"), copied);
  EXPECT_EQ(ino("base/new"), renamed);
  EXPECT_EQ(found.flags,
            (std::map<std::string, unsigned>{{"/immutable", kImmutable},
                                             {"/immutable2", kImmutable},
                                             {"/log", kAppend},
                                             {"/meta", kAppend},
                                             {"/frozen", kImmutable},
                                             {"/d/chmod", kImmutable},
                                             {"/d/copied", FS_NOATIME_FL}}));
}

TEST_F(ApplyTest, XattrsArriveWithoutTheOverlaysOwn) {
  make_scene();
  ASSERT_TRUE(apply_all(steps()));

  const Tree found = read_tree(path("base"));
  using Names = std::set<std::string>;
  const auto names = [&](const std::string& name) {
    Names result;
    for (const auto& [xattr, value] : found.at(name).xattrs) {
      result.insert(xattr);
    }
    return result;
  };
  const std::string nested = "trusted.overlay.overlay.opaque";
  EXPECT_EQ(names("d/replaced"), (Names{"user.kept", nested}));
  EXPECT_EQ(names("d/copied"),
            (Names{"user.kept", nested, "security.capability",
                   "system.posix_acl_access"}));
  EXPECT_EQ(names("d/chmod"), (Names{"user.new", nested}));
  EXPECT_EQ(names("d"), (Names{"user.dir", nested}));
  EXPECT_EQ(names("new"), (Names{"system.posix_acl_default"}));
  EXPECT_EQ(names("meta"), Names{nested});
  EXPECT_EQ(names("link"), Names{"trusted.on.link"});
  EXPECT_EQ(names("capable"), Names{"security.capability"});
  EXPECT_EQ(names("immutable"), Names{});
  EXPECT_EQ(names("log"), Names{});
}

TEST_F(ApplyTest, OtherNamespaceIsTheUsersIfOurOwnIsKnown) {
  build_tree({{"a", File("a").xattr("user.overlay.opaque", "theirs")},
              {"b", File("b").xattr("user.overlay.opaque", "theirs")}},
             path("upper"));
  set_xattr(upper("a"), "trusted.overlay.origin", "o");
  set_xattr(upper("b"), "trusted.overlay.origin", "o");
  options_.own = layer::XattrNamespace::kTrusted;
  expect_done({install("a", "a", true), install("b", "b", false)});
  for (const char* name : {"a", "b"}) {
    EXPECT_EQ(entry(name).xattrs,
              (testing::Xattrs{{"user.overlay.opaque", "theirs"}}));
  }
}

TEST_F(ApplyTest, MoveOfAPlainFileChangesTheDiskOnce) {
  Tree files = {{"d", Dir()}};
  for (int i = 0; i < 50; ++i) {
    files.set("d/" + std::to_string(i), File("x"));
  }
  build_tree(files, path("upper"));
  build_tree({{"d", Dir()}}, path("base"));
  std::vector<Step> moves;
  for (int i = 0; i < 50; ++i) {
    const std::string name = "d/" + std::to_string(i);
    moves.push_back(install(name, name, true));
  }
  sys::fault::arm_count();
  ASSERT_TRUE(apply_rest(moves));
  EXPECT_EQ(sys::fault::count(), 50U);
  EXPECT_EQ(read_tree(path("base")).paths().size(), 52U);
}

TEST_F(ApplyTest, CopyKeepsHoles) {
  constexpr off_t kSize = off_t{64} << 20;
  {
    const Fd fd(::open(upper("sparse").c_str(), O_CREAT | O_RDWR, 0644));
    ASSERT_EQ(::pwrite(fd.get(), "begin", 5, 0), 5);
    ASSERT_EQ(::pwrite(fd.get(), "middle", 6, kSize / 2), 6);
    ASSERT_EQ(::ftruncate(fd.get(), kSize), 0);
  }
  expect_done({install("sparse", "sparse", false)});
  struct stat status{};
  ASSERT_EQ(::stat(base("sparse").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, kSize);
  EXPECT_LT(status.st_blocks, 2048);
  EXPECT_EQ(read_tree(path("base")).at("sparse").data,
            read_tree(path("upper")).at("sparse").data);
}

TEST_F(ApplyTest, CopyThatFailsGivesItsRoomBack) {
  build_tree({{"f", File("bytes")}}, path("upper"));
  sys::fault::arm_error(2, ENOSPC);
  const auto failed = apply_rest({install("f", "f", false)});
  sys::fault::disarm();
  EXPECT_EQ(code_of(failed), ENOSPC);
  EXPECT_EQ(read_tree(path("staging")).paths().size(), 1U);
  expect_done({install("f", "f", false)});
  EXPECT_EQ(entry("f").data, "bytes");
}

TEST_F(ApplyTest, MoveAcrossFileSystemsCopies) {
  ASSERT_EQ(::mkdir(path("disk").c_str(), 0755), 0);
  const testing::Disk disk(testing::DiskKind::kTmpfs, path("disk"));
  ASSERT_EQ(disk.missing(), "");
  const auto other = sys::open_dir(disk.path());
  ASSERT_TRUE(other);
  ASSERT_EQ(::mkdir((disk.path() + "/staging").c_str(), 0700), 0);
  const auto staging = sys::open_dir(disk.path() + "/staging");
  ASSERT_TRUE(staging);
  build_tree({{"f", File("bytes").mode(04711).mtime(7, 8)}}, path("upper"));
  set_xattr(upper("f"), "trusted.overlay.protattr", "i");
  Site across = site();
  across.base = other->get();
  across.staging = staging->get();
  for (int i = 0; i < 2; ++i) {
    const auto done =
        apply(across, {install("f", "f", true)}, Which::kOtherSteps, {});
    ASSERT_TRUE(done) << done.error().message();
  }
  EXPECT_TRUE(exists("upper/f"));
  const Tree found = read_tree(disk.path());
  EXPECT_EQ(differences({{"f", File("bytes").mode(04711).mtime(7, 8)}}, found,
                        {.root = false})
                .find("f:"),
            std::string::npos);
  EXPECT_EQ(found.at("f").xattrs, testing::Xattrs{});
  EXPECT_NE(flags_at(disk.path() + "/f") & kImmutable, 0U);
  unprotect_below(disk.path());
}

// --- Each kind by itself, twice ---

TEST_F(ApplyTest, StashTakesWhatHasTheInodeAlone) {
  build_tree({{"f", File("one")}, {"other", File("two")}}, path("base"));
  Step other = stash("other", 2);
  other.ino += 1000;
  expect_done({stash("f", 1),
               other,
               {.kind = StepKind::kStash, .path = "no/such", .slot = 3}});
  EXPECT_EQ(read_tree(path("base")).paths(),
            (std::vector<std::string>{"", "other"}));
  EXPECT_EQ(read_tree(path("staging")).at("1").data, "one");
}

TEST_F(ApplyTest, StashedNameMayComeBackAsAnotherNameOfTheSameFile) {
  build_tree({{"f", File("x")}, {"g", HardLink("f")}}, path("base"));
  expect_done({stash("f", 1), stash("g", 2), place("f", 2)});
  EXPECT_EQ(entry("f").data, "x");
}

TEST_F(ApplyTest, PlaceWithoutItsSlotIsDone) {
  build_tree({{"f", File("x")}}, path("base"));
  expect_done({stash("f", 1), place("g", 1), place("h", 7)});
  EXPECT_THAT(read_tree(path("base")), TreeIs(Tree{{"g", File("x")}}));
}

TEST_F(ApplyTest, MakeTakesADirectoryThatIsThereAndNothingElse) {
  build_tree({{"file", File()}, {"link", Symlink(path("upper"))}},
             path("base"));
  expect_done({make("d"), make("d/e")});
  expect_refused(make("file"), EEXIST, "file");
  expect_refused(make("link"), EEXIST, "link");
}

TEST_F(ApplyTest, LinkReplacesAnotherFile) {
  build_tree({{"a", File("a")}, {"b", File("b")}}, path("base"));
  expect_done({link("a", "b"), link("a", "c")});
  EXPECT_EQ(ino("base/a"), ino("base/b"));
  EXPECT_EQ(ino("base/a"), ino("base/c"));
  EXPECT_EQ(read_tree(path("staging")).paths().size(), 1U);
}

TEST_F(ApplyTest, AttrsWithoutAnUpperKeepXattrsAndFlags) {
  build_tree({{"d", Dir().xattr("user.kept", "k")}, {"d/f", File("x")}},
             path("base"));
  build_tree({{"f", File("linked")}}, path("upper"));
  ASSERT_TRUE(set_flags_at(base("d"), kImmutable));
  const Step times{
      .kind = StepKind::kAttrs,
      .path = "d",
      .metadata = {
          .mode = 0750, .uid = 1, .gid = 2, .atime = {3, 4}, .mtime = {5, 6}}};
  expect_done({install("f", "d/f", true), times});
  EXPECT_THAT(read_tree(path("base")),
              TreeIs(Tree{{"d", Dir().mode(0750).owner(1, 2).mtime(5, 6).xattr(
                                    "user.kept", "k")},
                          {"d/f", File("linked")}}));
  EXPECT_NE(flags_at(base("d")) & kImmutable, 0U);
}

TEST_F(ApplyTest, RootIsProtectedWhenNoStagingIsLeft) {
  set_xattr(path("upper"), "trusted.overlay.protattr", "i");
  Site last = site();
  const std::vector<Step> root = {attrs("", "")};
  ASSERT_TRUE(apply(last, root, Which::kOtherSteps, {}));
  EXPECT_EQ(flags_at(path("base")) & kImmutable, 0U);
  last.staging = -1;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(apply(last, root, Which::kOtherSteps, {}));
    EXPECT_NE(flags_at(path("base")) & kImmutable, 0U);
  }
}

// --- Bytes of the base under attributes of the upper ---

TEST_F(ApplyTest, StageFindsTheBytesInTheFirstLayerThatHasThem) {
  lie_over_others(layer::XattrNamespace::kTrusted, true);
  build_tree({{"f", File("00000").mode(0600).mtime(1, 2)}}, path("upper"));
  build_tree({{"d", Dir()},
              {"d/f", File("zeros").xattr("trusted.overlay.metacopy", "")}},
             path("base"));
  build_tree({{"d", Dir()}, {"d/f", File("bytes")}}, path("below"));
  const std::vector<Step> all = {stage("f", "d/f", 4), place("g", 4)};
  ASSERT_TRUE(apply(site(), all, Which::kStageSteps, {}));
  ASSERT_TRUE(apply(site(), all, Which::kStageSteps, {}));
  EXPECT_FALSE(exists("base/g"));
  expect_done(all);
  EXPECT_THAT(
      read_tree(path("base")).at("g"),
      ::testing::ResultOf([](const auto& e) { return e.data; }, "bytes"));
}

TEST_F(ApplyTest, StageWithoutBytesFails) {
  build_tree({{"f", File("00000")}}, path("upper"));
  const auto done =
      apply(site(), {stage("f", "gone", 4)}, Which::kStageSteps, {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ENOENT);
  EXPECT_EQ(done.error().subject(), "gone");
  EXPECT_EQ(read_tree(path("staging")).paths().size(), 1U);
}

// --- Over other layers ---

TEST_F(ApplyTest, SaysOpaqueAndRedirectInXattrs) {
  lie_over_others(layer::XattrNamespace::kTrusted, true);
  build_tree({{"old", Dir()}}, path("base"));
  build_tree({{"old", Dir()}}, path("upper"));
  Step opaque = make("d");
  opaque.opaque = true;
  Step redirect = attrs("old", "old");
  redirect.redirect = "/else/where";
  expect_done({opaque, redirect});
  EXPECT_EQ(entry("d").xattrs,
            (testing::Xattrs{{"trusted.overlay.opaque", "y"}}));
  EXPECT_EQ(entry("old").xattrs,
            (testing::Xattrs{{"trusted.overlay.redirect", "/else/where"}}));
}

TEST_F(ApplyTest, SaysOpaqueByAName) {
  lie_over_others(layer::XattrNamespace::kNone, false);
  build_tree({{"old", Dir()}}, path("upper"));
  Step opaque = make("d");
  opaque.opaque = true;
  Step redirect = make("e");
  redirect.redirect = "elsewhere";
  expect_done({opaque});
  EXPECT_TRUE(exists("base/d/.wh..wh..opq"));
  expect_refused(redirect, EOPNOTSUPP, "e");
}

TEST_F(ApplyTest, WhiteoutsAreDevicesOrNames) {
  const auto hide = [](const std::string& name) {
    return Step{.kind = StepKind::kWhiteout, .path = name};
  };
  lie_over_others(layer::XattrNamespace::kTrusted, true);
  build_tree({{"there", File("x")}}, path("base"));
  expect_done({hide("a"), hide("there")});
  lie_over_others(layer::XattrNamespace::kNone, false);
  expect_done({hide("b")});
  EXPECT_THAT(read_tree(path("base")), TreeIs(Tree{{"a", Whiteout()},
                                                   {"there", Whiteout()},
                                                   {".wh.b", File()}}));
}

TEST_F(ApplyTest, WhatComesUncoversItsName) {
  lie_over_others(layer::XattrNamespace::kTrusted, true);
  build_tree({{"d", Whiteout()},
              {"moved", Whiteout()},
              {"copied", Whiteout()},
              {".wh.e", File()},
              {".wh.f", File()}},
             path("base"));
  build_tree({{"m", File("m")}, {"c", File("c")}, {"f", File("f")}},
             path("upper"));
  Step moved = install("m", "moved", true);
  Step copied = install("c", "copied", false);
  moved.ino = copied.ino = 0;
  expect_done({make("d"), make("e"), moved, copied, install("f", "f", true)});
  EXPECT_THAT(read_tree(path("base")), TreeIs(Tree{{"d", Dir()},
                                                   {"e", Dir()},
                                                   {"moved", File("m")},
                                                   {"copied", File("c")},
                                                   {"f", File("f")}}));
}

// --- What is refused ---

TEST_F(ApplyTest, ObjectThatIsNotTheOnePlannedWithStays) {
  build_tree({{"f", File("f")}}, path("upper"));
  Step move = install("f", "f", true);
  move.from_ino += 1000;
  expect_refused(move, ESTALE, "f");
  Step copy = install("f", "g", false);
  copy.from = "missing";
  expect_refused(copy, ENOENT, "missing");
  EXPECT_EQ(read_tree(path("base")).paths().size(), 1U);
}

TEST_F(ApplyTest, NameThatWasFreeAndIsTakenNowIsNotOverwritten) {
  build_tree({{"f", File("ours")}}, path("upper"));
  for (const bool is_move : {true, false}) {
    const Step step = install("f", "f", is_move);
    build_tree({{"f", File("somebody's")}}, path("base"));
    expect_refused(step, ESTALE, "f");
    EXPECT_EQ(entry("f").data, "somebody's");
    ASSERT_EQ(::unlink(base("f").c_str()), 0);
  }
  EXPECT_TRUE(exists("upper/f"));
}

// `d` of the base has become a link to a place outside, in which each name is
// there that the steps speak of.
TEST_F(ApplyTest, NothingIsReachedThroughALink) {
  ASSERT_EQ(::mkdir(path("outside").c_str(), 0755), 0);
  build_tree({{"x", File("precious").mode(0600)}, {"sub", Dir()}},
             path("outside"));
  build_tree({{"d", Symlink("../outside")},
              {"inside", File("x")},
              {"slot", File("y")}},
             path("base"));
  build_tree({{"d", Dir()}, {"d/x", File("ours")}, {"d/sub", Dir()}},
             path("upper"));
  const Tree before = read_tree(path("outside"));
  Step stashed{.kind = StepKind::kStash, .path = "d/x", .slot = 1};
  stashed.ino = ino("outside/x");
  Step in_place = install("d/x", "d/x", false);
  in_place.ino = ino("outside/x");
  Step onto_outside = in_place;
  onto_outside.move = true;
  ASSERT_TRUE(apply_rest({stash("slot", 5)}));
  for (const Step& step :
       {stashed, place("d/new", 5), make("d/new"), in_place, onto_outside,
        link("inside", "d/new"), attrs("d/x", "d/x"), attrs("d/sub", "d/sub"),
        Step{.kind = StepKind::kWhiteout, .path = "d/x"}}) {
    expect_refused(step, ELOOP, step.path);
  }
  expect_refused(Step{.kind = StepKind::kLink, .path = "n", .from = "d/x"},
                 ELOOP, "n");
  EXPECT_EQ(differences(before, read_tree(path("outside")), {.ino = true}), "");
}

// The last name itself is a link: attributes would be the target's.
TEST_F(ApplyTest, AttributesAreNeverALinksTarget) {
  ASSERT_EQ(::mkdir(path("outside").c_str(), 0755), 0);
  build_tree({{"d", Symlink("../outside")}, {"f", Symlink("../outside/x")}},
             path("base"));
  build_tree({{"x", File("precious").mode(0600)}}, path("outside"));
  build_tree({{"d", Dir().owner(5, 5)}, {"f", File().owner(5, 5)}},
             path("upper"));
  const Tree before = read_tree(path("outside"));
  expect_refused(attrs("d", "d"), ESTALE, "d");
  expect_refused(attrs("f", "f"), ESTALE, "f");
  EXPECT_EQ(differences(before, read_tree(path("outside")), {.ino = true}), "");
}

TEST_F(ApplyTest, LinkInTheUpperIsNotFollowed) {
  ASSERT_EQ(::mkdir(path("outside").c_str(), 0755), 0);
  build_tree({{"x", File("secret")}}, path("outside"));
  build_tree({{"d", Symlink("../outside")}}, path("upper"));
  Step step{.kind = StepKind::kInstall, .path = "x", .from = "d/x"};
  step.from_ino = ino("outside/x");
  for (const bool is_move : {true, false}) {
    step.move = is_move;
    expect_refused(step, ELOOP, "d/x");
  }
  EXPECT_TRUE(exists("outside/x"));
  EXPECT_FALSE(exists("base/x"));
}

TEST_F(ApplyTest, PathsThatLeaveTheTreeAreRefused) {
  ASSERT_EQ(::mkdir(path("outside").c_str(), 0755), 0);
  expect_refused(make("../outside/new"), EXDEV, "../outside/new");
  EXPECT_FALSE(exists("outside/new"));
}

// --- And the rest ---

TEST_F(ApplyTest, TellsHowFarItIsAndStopsWhenAsked) {
  build_tree({{"f", File("12345")}}, path("upper"));
  const std::vector<Step> all = {
      install("f", "f", false),
      make("a"),
      {.kind = StepKind::kSettle, .from = "not/looked/at"},
      make("b")};
  std::vector<std::uint64_t> seen;
  const auto stopped =
      apply(site(), all, Which::kOtherSteps, [&](const ApplyProgress& at) {
        EXPECT_EQ(at.steps, 3U);
        EXPECT_EQ(at.bytes_copied, 5U);
        seen.push_back(at.steps_done);
        return at.steps_done < 2;
      });
  EXPECT_EQ(code_of(stopped), ECANCELED);
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_FALSE(exists("base/b"));
  expect_done(all);
  EXPECT_TRUE(exists("base/b"));
}

TEST_F(ApplyTest, DirectoryThatMovedIsNotMetUnderItsOldName) {
  build_tree({{"a", Dir()}, {"a/one", File("1")}}, path("base"));
  build_tree({{"x", File("x")}, {"y", File("y")}, {"z", File("z")}},
             path("upper"));
  const std::vector<Step> all = {
      install("x", "a/x", true), stash("a", 1), make("a"),
      install("y", "a/y", true), place("b", 1), install("z", "b/z", true)};
  expect_done(all);
  EXPECT_THAT(read_tree(path("base")), TreeIs(Tree{{"a", Dir()},
                                                   {"a/y", File("y")},
                                                   {"b", Dir()},
                                                   {"b/one", File("1")},
                                                   {"b/x", File("x")},
                                                   {"b/z", File("z")}}));
}

TEST_F(ApplyTest, OldKernelGivesTheSameTree) {
  make_scene();
  ASSERT_TRUE(apply_all(steps()));
  const Look wanted = look();
  make_scene();
  sys::fault::pretend_old_kernel(true);
  const auto done = apply_all(steps());
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(differences(wanted.tree, look().tree), "");
  EXPECT_EQ(look().flags, wanted.flags);
}

// The owner of all, who is nobody special, and forbade themselves to write.
TEST_F(ApplyTest, UnprivilegedOwnerMovesAndCopies) {
  constexpr uid_t kSomebody = 12345;
  build_tree({{"d", Dir().mode(0755)},
              {"d/m", File("moved").mode(0444)},
              {"d/c", File("copied").mode(0444)}},
             path("upper"));
  build_tree({{"d", Dir()}}, path("base"));
  for (const char* name : {"d/m", "d/c"}) {
    set_xattr(upper(name), "user.overlay.origin", "o");
    set_xattr(upper(name), "user.kept", "k");
  }
  const std::vector<Step> all = {install("d/m", "d/m", true),
                                 install("d/c", "d/c", false), attrs("d", "d")};
  std::vector<Step> owned = all;
  for (Step& step : owned) step.metadata.uid = step.metadata.gid = kSomebody;
  for (const char* name : {"base", "upper", "staging"}) {
    for_each_below(path(name), [](const std::string& at) {
      ASSERT_EQ(::lchown(at.c_str(), kSomebody, kSomebody), 0);
    });
  }
  ASSERT_EQ(::chmod(path("").c_str(), 0755), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool dropped = ::setresgid(kSomebody, kSomebody, kSomebody) == 0 &&
                         ::setresuid(kSomebody, kSomebody, kSomebody) == 0;
    const auto done = dropped ? apply_rest(owned) : Error(EPERM, "setresuid");
    if (!done) std::fprintf(stderr, "%s\n", done.error().message().c_str());
    ::_exit(done ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const testing::Xattrs kept = {{"user.kept", "k"}};
  EXPECT_EQ(entry("d/m").xattrs, kept);
  EXPECT_EQ(entry("d/c").xattrs, kept);
  EXPECT_EQ(entry("d/m").mode_bits, 0444U);
  EXPECT_EQ(entry("d/c").mode_bits, 0444U);
}

}  // namespace
}  // namespace veneer::finalize
