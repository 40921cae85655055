// SPDX-License-Identifier: MIT
//
// Opening layers: what is probed and chosen, and each refusal with its reason.

#include "layer/host/open_layers.h"

#include <sys/statfs.h>

#include <cstdlib>

#include "test/unit/layer/scratch.h"

namespace veneer::layer {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using veneer::testing::code_of;
using veneer::testing::is_root;

class OpenLayersTest : public veneer::testing::Scratch {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    make_dir("u");
    make_dir("w");
  }
  Result<std::unique_ptr<UpperLayer>> open(
      WhiteoutForm form = WhiteoutForm::kAuto, bool index = true) {
    report_ = {};
    return open_host_upper(
        {.upper = path("u"), .work = path("w"), .form = form, .index = index},
        report_);
  }
  std::string refusal(WhiteoutForm form = WhiteoutForm::kAuto) {
    const auto opened = open(form);
    EXPECT_FALSE(opened);
    return opened ? "" : opened.error().message();
  }

  UpperReport report_;
};

TEST_F(OpenLayersTest, LowerThatIsNotThereOrNoDirectoryIsRefused) {
  write("file", "x");

  EXPECT_EQ(code_of(open_host_lower(path("absent"), true)), ENOENT);
  EXPECT_EQ(code_of(open_host_lower(path("file"), true)), ENOTDIR);
  EXPECT_EQ(code_of(open_host_lower("", true)), ENOENT);
  const auto opened = open_host_lower(path("absent"), true);
  EXPECT_THAT(opened.error().message(), HasSubstr(path("absent")));
}

TEST_F(OpenLayersTest, UpperOrWorkThatIsNotThereIsRefused) {
  UpperReport report;
  EXPECT_EQ(code_of(open_host_upper(
                {.upper = path("absent"), .work = path("w")}, report)),
            ENOENT);
  EXPECT_EQ(code_of(open_host_upper(
                {.upper = path("u"), .work = path("absent")}, report)),
            ENOENT);
}

TEST_F(OpenLayersTest, UpperOnMemoryHasTheKernelsForm) {
  const auto upper = open();

  ASSERT_TRUE(upper) << upper.error().message();
  EXPECT_EQ(report_.form, "kernel");
  EXPECT_EQ(report_.xattr_namespace, is_root() ? "trusted" : "user");
  EXPECT_TRUE(report_.mknod_whiteout);
  EXPECT_TRUE(report_.xattrs);
  EXPECT_TRUE(report_.rename_whiteout);
  EXPECT_TRUE(report_.rename_exchange);
  EXPECT_TRUE(report_.tmpfile);
  EXPECT_TRUE(report_.index);
  EXPECT_NE(report_.filesystem, "");
  EXPECT_THAT(report_.reasons, Contains(HasSubstr("kernel form")));
  EXPECT_TRUE((*upper)->can_redirect());
  EXPECT_TRUE((*upper)->can_metacopy());
  EXPECT_TRUE((*upper)->has_index());
  EXPECT_FALSE((*upper)->may_hold_markers());
}

TEST_F(OpenLayersTest, ProbingLeavesNothing) {
  ASSERT_TRUE(open());

  EXPECT_THAT(names_in("u"), IsEmpty());
  EXPECT_THAT(names_in("w/work"), IsEmpty());
  EXPECT_THAT(names_in("w"), ElementsAre("index", "work"));
}

TEST_F(OpenLayersTest, FormIsRecordedAndKept) {
  ASSERT_TRUE(open(WhiteoutForm::kDotWh));
  EXPECT_THAT(mark_of("u", "veneer.form"), Optional(Eq("dotwh")));

  const auto upper = open();

  ASSERT_TRUE(upper);
  EXPECT_EQ(report_.form, "dotwh");
  EXPECT_FALSE((*upper)->can_redirect());
  EXPECT_FALSE((*upper)->has_index());
  EXPECT_TRUE((*upper)->may_hold_markers());
  EXPECT_THAT(report_.reasons, Contains(HasSubstr("as the upper was begun")));
}

TEST_F(OpenLayersTest, FormOtherThanTheRecordedIsRefused) {
  ASSERT_TRUE(open(WhiteoutForm::kDotWh));
  EXPECT_THAT(refusal(WhiteoutForm::kKernel),
              HasSubstr("written with --whiteouts dotwh"));

  make_dir("u2");
  mark("u2", "veneer.form", "kernel");
  UpperReport report;
  EXPECT_EQ(code_of(open_host_upper({.upper = path("u2"),
                                     .work = path("w"),
                                     .form = WhiteoutForm::kDotWh},
                                    report)),
            EINVAL);
}

TEST_F(OpenLayersTest, UpperOfAnotherProgramKeepsItsNamesAndIsNotMarked) {
  write("u/file", "x");

  const auto upper = open();

  ASSERT_TRUE(upper);
  EXPECT_EQ(report_.form, "kernel");
  EXPECT_EQ(mark_of("u", "veneer.form"), std::nullopt);
  EXPECT_TRUE((*upper)->may_hold_markers());
}

TEST_F(OpenLayersTest, UpperInUseIsBusy) {
  const auto first = open();
  ASSERT_TRUE(first);

  EXPECT_EQ(code_of(open()), EBUSY);
  EXPECT_THAT(refusal(), HasSubstr(path("u") + " is in use"));
}

TEST_F(OpenLayersTest, WorkInUseIsBusyForAnotherUpper) {
  const auto first = open();
  ASSERT_TRUE(first);
  make_dir("u2");
  UpperReport report;

  const auto second =
      open_host_upper({.upper = path("u2"), .work = path("w")}, report);

  EXPECT_EQ(code_of(second), EBUSY);
  EXPECT_THAT(second.error().message(), HasSubstr(path("w") + " is in use"));
}

TEST_F(OpenLayersTest, UpperIsFreeAgainWhenTheLayerIsGone) {
  open().value().reset();
  EXPECT_TRUE(open());
}

TEST_F(OpenLayersTest, BusyUpperIsNotSweptByTheSecond) {
  const auto first = open();
  ASSERT_TRUE(first);
  write("w/work/#7", "being built");

  ASSERT_FALSE(open());

  EXPECT_TRUE(exists("w/work/#7"));
}

TEST_F(OpenLayersTest, WorkOnAnotherFileSystemIsRefused) {
  UpperReport report;
  const auto opened =
      open_host_upper({.upper = path("u"), .work = "/proc/self"}, report);

  EXPECT_EQ(code_of(opened), EXDEV);
  EXPECT_THAT(opened.error().message(), HasSubstr("not on the file system"));
}

TEST_F(OpenLayersTest, UpperThatCannotBeWrittenIsRefused) {
  UpperReport report;
  const auto opened =
      open_host_upper({.upper = "/proc/self", .work = "/proc/self"}, report);

  EXPECT_FALSE(opened);
}

// Each primitive in turn is made to fail; the form follows, and is explained.
TEST_F(OpenLayersTest, FileSystemThatLacksSomethingGetsDotWh) {
  bool saw_mknod = false;
  bool saw_exchange = false;
  for (int n = 1; n < 40; ++n) {
    ignore_error(remove_contents(
        sys::UniqueFd(::open(path("w").c_str(), O_RDONLY)).get()));
    ::removexattr(path("u").c_str(), own("veneer.form").c_str());
    sys::fault::arm_error(static_cast<std::uint64_t>(n), EPERM);
    const auto upper = open();
    sys::fault::disarm();
    // A work directory that refuses even that is no upper.
    if (!upper) continue;
    const bool whole = report_.mknod_whiteout && report_.xattrs &&
                       report_.rename_whiteout && report_.rename_exchange;
    EXPECT_EQ(report_.form, whole ? "kernel" : "dotwh") << n;
    EXPECT_EQ((*upper)->can_redirect(), whole) << n;
    if (!report_.mknod_whiteout) {
      saw_mknod = true;
      EXPECT_THAT(report_.reasons, Contains(HasSubstr("mknod")));
    }
    if (!report_.rename_exchange) {
      saw_exchange = true;
      EXPECT_THAT(report_.reasons, Contains(HasSubstr("RENAME_EXCHANGE")));
    }
  }
  EXPECT_TRUE(saw_mknod);
  EXPECT_TRUE(saw_exchange);
}

TEST_F(OpenLayersTest, KernelFormThatCannotBeHadIsRefused) {
  bool refused = false;
  for (int n = 1; n < 40 && !refused; ++n) {
    ignore_error(remove_contents(
        sys::UniqueFd(::open(path("w").c_str(), O_RDONLY)).get()));
    ::removexattr(path("u").c_str(), own("veneer.form").c_str());
    sys::fault::arm_error(static_cast<std::uint64_t>(n), EPERM);
    const auto upper = open(WhiteoutForm::kKernel);
    sys::fault::disarm();
    if (upper || upper.error().code() != EOPNOTSUPP) continue;
    refused = true;
    EXPECT_THAT(upper.error().message(), HasSubstr("refuses"));
    EXPECT_THAT(upper.error().message(), HasSubstr("--whiteouts"));
  }
  EXPECT_TRUE(refused);
}

TEST_F(OpenLayersTest, IndexIsThereOnlyIfAskedFor) {
  const auto upper = open(WhiteoutForm::kAuto, false);

  ASSERT_TRUE(upper);
  EXPECT_FALSE(report_.index);
  EXPECT_FALSE((*upper)->has_index());
  EXPECT_FALSE(exists("w/index"));
}

}  // namespace
}  // namespace veneer::layer
