// SPDX-License-Identifier: MIT
//
// Operations through the engine in both whiteout forms: what the caller is
// told, what the tree shows, and that a remount shows the same.

#include <linux/fs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using veneer::layer::WhiteoutForm;
using veneer::testing::code_of;
using veneer::testing::is_root;

class OperationsTest : public veneer::testing::Scene,
                       public ::testing::WithParamInterface<WhiteoutForm> {
 protected:
  void SetUp() override {
    Scene::SetUp();
    write("lower/f", "low");
    write("lower/d/g", "deep");
    make_dir("lower/empty");
    make_link("f", "lower/link");
    open({.form = GetParam()});
  }
  bool kernel_form() const { return GetParam() == WhiteoutForm::kKernel; }
};

TEST_P(OperationsTest, CreatedNamesAreThereAndCountTheirLookup) {
  const auto made = fs().make(caller_, kRootId, "new", S_IFREG | 0640, 0, {});
  ASSERT_TRUE(made);
  EXPECT_EQ(made->attr.mode, S_IFREG | 0640U);
  EXPECT_EQ(made->attr.nlink, 1U);
  EXPECT_EQ(at("new"), made->id);
  EXPECT_EQ(create("new"), EEXIST);
  EXPECT_EQ(create("f"), EEXIST);
  EXPECT_EQ(create("f", S_IFDIR | 0755), EEXIST);
  EXPECT_EQ(code_of(fs().make(caller_, at("f"), "x", S_IFREG | 0644, 0, {})),
            ENOTDIR);
  EXPECT_EQ(code_of(fs().make(caller_, NodeId{77}, "x", S_IFREG, 0, {})),
            ESTALE);
}

TEST_P(OperationsTest, UmaskIsApplied) {
  caller_.umask = 027;
  ASSERT_EQ(create("file", S_IFREG | 0666), 0);
  ASSERT_EQ(create("dir", S_IFDIR | 0777), 0);

  EXPECT_EQ(attr_of("file").mode & 0777, 0640U);
  EXPECT_EQ(attr_of("dir").mode & 0777, 0750U);
}

TEST_P(OperationsTest, NobodyMakesWhiteouts) {
  EXPECT_EQ(create("x", S_IFCHR | 0644), EPERM);
  EXPECT_FALSE(has("x"));
}

TEST_P(OperationsTest, NamesTheFormCannotStoreAreRefused) {
  const int expected = kernel_form() ? 0 : EINVAL;
  EXPECT_EQ(create(".wh.x"), expected);
  EXPECT_EQ(link_to("f", ".wh.y"), expected);
  EXPECT_EQ(rename("f", ".wh.z"), expected);
}

TEST_P(OperationsTest, RemovedNamesStayAwayAndMayComeBack) {
  ASSERT_EQ(remove("f"), 0);
  ASSERT_EQ(remove("link"), 0);
  ASSERT_EQ(remove("d/g"), 0);
  ASSERT_EQ(remove_directory("d"), 0);
  EXPECT_EQ(remove("f"), ENOENT);
  EXPECT_EQ(remove_directory("d"), ENOENT);
  EXPECT_THAT(names(), ElementsAre("empty"));
  remount();
  EXPECT_THAT(names(), ElementsAre("empty"));
  ASSERT_EQ(make_directory("d"), 0);
  ASSERT_EQ(create("f"), 0);
  remount();
  EXPECT_THAT(names("d"), IsEmpty());
  EXPECT_EQ(content("f"), "");
}

TEST_P(OperationsTest, RemovalIsRefusedWhereItMustBe) {
  EXPECT_EQ(remove("d"), EISDIR);
  EXPECT_EQ(remove_directory("f"), ENOTDIR);
  EXPECT_EQ(remove_directory("d"), ENOTEMPTY);
  EXPECT_EQ(remove("absent"), ENOENT);
}

TEST_P(OperationsTest, RemovedDirectoryTakesNoMoreNames) {
  const NodeId dir = at("empty");
  ASSERT_EQ(remove_directory("empty"), 0);

  EXPECT_EQ(code_of(fs().make(caller_, dir, "x", S_IFREG | 0644, 0, {})),
            ENOENT);
  EXPECT_EQ(code_of(fs().link(caller_, at("f"), dir, "x")), ENOENT);
  EXPECT_EQ(code_of(fs().rename(caller_, kRootId, "f", dir, "x", 0)), ENOENT);
  EXPECT_FALSE(*fs().lookup(dir, "x"));
  EXPECT_EQ(fs().get_attr(dir)->nlink, 0U);
}

TEST_P(OperationsTest, RenameMovesFilesWithTheirData) {
  const std::uint64_t ino = attr_of("f").ino;
  ASSERT_EQ(rename("f", "d/moved"), 0);
  EXPECT_EQ(content("d/moved"), "low");
  EXPECT_EQ(attr_of("d/moved").ino, ino);
  EXPECT_FALSE(has("f"));
  ASSERT_EQ(rename("d/moved", "d/g"), 0);
  remount();
  EXPECT_EQ(content("d/g"), "low");
  EXPECT_THAT(names("d"), ElementsAre("g"));
  EXPECT_TRUE(!kernel_form() || attr_of("d/g").ino == ino);
}

TEST_P(OperationsTest, RenameOfALowerDirectoryNeedsRedirects) {
  const int code = rename("d", "moved");
  if (!kernel_form()) {
    EXPECT_EQ(code, EXDEV);
    EXPECT_EQ(content("d/g"), "deep");
    return;
  }
  EXPECT_EQ(code, 0);
  ASSERT_EQ(rename("moved", "empty/again"), 0);
  ASSERT_EQ(rename("empty/again/g", "empty/again/h"), 0);
  remount();
  EXPECT_EQ(content("empty/again/h"), "deep");
  EXPECT_FALSE(has("d"));
}

TEST_P(OperationsTest, RenameChecksBothEnds) {
  ASSERT_EQ(make_directory("n"), 0);
  ASSERT_EQ(make_directory("n/m"), 0);
  EXPECT_EQ(rename("absent", "x"), ENOENT);
  EXPECT_EQ(rename("n", "n/m/x"), EINVAL);
  EXPECT_EQ(rename("n/m", "n"), ENOTEMPTY);
  EXPECT_EQ(rename("n", "f"), ENOTDIR);
  EXPECT_EQ(rename("f", "n"), EISDIR);
  EXPECT_EQ(rename("n/m", "d"), ENOTEMPTY);
  EXPECT_EQ(rename("f", "link", RENAME_NOREPLACE), EEXIST);
  EXPECT_EQ(rename("f", "absent", RENAME_EXCHANGE), ENOENT);
  EXPECT_EQ(rename("f", "x", RENAME_WHITEOUT), EINVAL);
  EXPECT_EQ(rename("f", "x", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
  EXPECT_EQ(rename("f", "f"), 0);
  EXPECT_EQ(rename("n/m", "empty"), 0);
}

TEST_P(OperationsTest, ExchangeSwapsForGood) {
  ASSERT_EQ(make_directory("n"), 0);
  ASSERT_EQ(rename("f", "n", RENAME_EXCHANGE), 0);
  ASSERT_EQ(rename("link", "d/g", RENAME_EXCHANGE), 0);
  remount();

  EXPECT_EQ(content("n"), "low");
  EXPECT_THAT(names("f"), IsEmpty());
  EXPECT_EQ(content("link"), "deep");
  EXPECT_EQ(*fs().read_link(at("d/g")), "f");
}

TEST_P(OperationsTest, FileOverAMergedDirectorysNameAndBack) {
  ASSERT_EQ(remove("d/g"), 0);
  ASSERT_EQ(remove_directory("d"), 0);
  ASSERT_EQ(rename("f", "d"), 0);
  remount();
  EXPECT_EQ(content("d"), "low");
  ASSERT_EQ(remove("d"), 0);
  ASSERT_EQ(make_directory("d"), 0);
  remount();
  EXPECT_THAT(names("d"), IsEmpty());
}

TEST_P(OperationsTest, DataAreReadWrittenAndSought) {
  ASSERT_EQ(create("n"), 0);
  ASSERT_EQ(put("n", "data", 4096), 0);
  EXPECT_EQ(attr_of("n").size, 4100U);
  EXPECT_EQ(*fs().seek(at("n"), 0, SEEK_DATA), 4096U);
  EXPECT_EQ(*fs().seek(at("n"), 0, SEEK_HOLE), 0U);
  EXPECT_EQ(code_of(fs().seek(at("n"), 5000, SEEK_DATA)), ENXIO);
  EXPECT_EQ(code_of(fs().fallocate(caller_, at("n"), 0, 0, 9000)), 0);
  EXPECT_EQ(attr_of("n").size, 9000U);
  EXPECT_EQ(*fs().copy_file_range(caller_, at("f"), 0, at("n"), 1, 3), 3U);
  EXPECT_EQ(content("n").substr(0, 4), std::string("\0low", 4));
  EXPECT_EQ(code_of(fs().data(at("d"))), EISDIR);
  EXPECT_EQ(code_of(fs().data(at("link"))), EINVAL);
  EXPECT_EQ(code_of(fs().set_attr(caller_, at("d"), {.size = 0})), EINVAL);
}

TEST_P(OperationsTest, WriteByAnotherUserClearsSetIdBits) {
  if (!is_root()) GTEST_SKIP() << "needs root: writes as another user";
  ASSERT_EQ(create("s", S_IFREG | 06755), 0);
  ASSERT_EQ(put("s", "x"), 0);
  EXPECT_EQ(attr_of("s").mode & 07777, 06755U);
  caller_.uid = 1234;
  ASSERT_EQ(put("s", "y"), 0);

  EXPECT_EQ(attr_of("s").mode & 07777, 0755U);
}

TEST_P(OperationsTest, XattrsComeAndGo) {
  const NodeId id = at("f");
  EXPECT_EQ(*fs().get_xattr(caller_, id, "user.k"), std::nullopt);
  EXPECT_EQ(code_of(fs().remove_xattr(caller_, id, "user.k")), ENODATA);
  EXPECT_EQ(code_of(fs().set_xattr(caller_, id, "user.k", "1", XATTR_REPLACE)),
            ENODATA);
  EXPECT_THAT(names_in("upper").count("f"), 0);
  ASSERT_EQ(code_of(fs().set_xattr(caller_, id, "user.k", "1", XATTR_CREATE)),
            0);
  EXPECT_EQ(code_of(fs().set_xattr(caller_, id, "user.k", "2", XATTR_CREATE)),
            EEXIST);
  EXPECT_THAT(*fs().get_xattr(caller_, id, "user.k"),
              Optional(::testing::Eq("1")));
  EXPECT_EQ(*fs().list_xattrs(caller_, id), std::string("user.k\0", 7));
  remount();
  EXPECT_THAT(*fs().get_xattr(caller_, at("f"), "user.k"),
              Optional(::testing::Eq("1")));
  ASSERT_EQ(code_of(fs().remove_xattr(caller_, at("f"), "user.k")), 0);
  EXPECT_EQ(*fs().list_xattrs(caller_, at("f")), "");
}

TEST_P(OperationsTest, TrustedXattrsAreListedForRootAlone) {
  if (!is_root()) GTEST_SKIP() << "needs root: sets trusted.*";
  ASSERT_EQ(code_of(fs().set_xattr(caller_, at("f"), "trusted.k", "v", 0)), 0);
  ASSERT_EQ(code_of(fs().set_xattr(caller_, at("f"), "user.k", "v", 0)), 0);

  EXPECT_NE(fs().list_xattrs(caller_, at("f"))->find("trusted.k"),
            std::string::npos);
  caller_.uid = 1234;
  EXPECT_EQ(*fs().list_xattrs(caller_, at("f")), std::string("user.k\0", 7));
}

TEST_P(OperationsTest, ListingGoesOnWhereItStoppedWhileNamesComeAndGo) {
  for (int i = 0; i < 700; ++i) {
    ASSERT_EQ(create("d/n" + std::to_string(i)), 0);
  }
  std::map<std::string, int> seen;
  std::uint64_t cookie = 0;
  int removed = 0;
  for (bool more = true; more;) {
    more = false;
    int taken = 0;
    ASSERT_TRUE(fs().read_dir(at("d"), cookie, [&](const ListedEntry& entry) {
      if (++taken > 50) return false;
      ++seen[std::string(entry.name)];
      cookie = entry.cookie;
      return more = true;
    }));
    if (removed < 300) {
      ASSERT_EQ(remove("d/n" + std::to_string(removed++)), 0);
      ASSERT_EQ(create("d/late" + std::to_string(removed)), 0);
    }
  }
  EXPECT_EQ(seen["."], 1);
  EXPECT_EQ(seen[".."], 1);
  EXPECT_EQ(seen["g"], 1);
  for (int i = 300; i < 700; ++i) EXPECT_EQ(seen["n" + std::to_string(i)], 1);
}

TEST_P(OperationsTest, CookiesAreTheSameAfterARemount) {
  const auto cookies = [&] {
    std::map<std::string, std::uint64_t> cookies_of;
    EXPECT_TRUE(fs().read_dir(kRootId, 0, [&](const ListedEntry& entry) {
      cookies_of.emplace(entry.name, entry.cookie);
      return true;
    }));
    return cookies_of;
  };
  const auto before = cookies();
  remount();

  EXPECT_EQ(cookies(), before);
}

TEST_P(OperationsTest, UnnamedFileGetsANameOrGoes) {
  const auto made = fs().make_unnamed(caller_, at("d"), S_IFREG | 0600);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(fs().get_attr(made->id)->nlink, 0U);
  ASSERT_EQ(put(made->id, "text"), 0);
  ASSERT_EQ(code_of(fs().link(caller_, made->id, at("d"), "named")), 0);
  EXPECT_EQ(fs().get_attr(made->id)->nlink, 1U);
  EXPECT_EQ(at("d/named"), made->id);
  remount();
  EXPECT_EQ(content("d/named"), "text");
}

TEST_P(OperationsTest, ImmutableFileIsLeftAlone) {
  if (!is_root()) GTEST_SKIP() << "needs root: sets the flag";
  if (!kernel_form()) GTEST_SKIP() << "this form does not record flags";
  const auto flags = fs().get_flags(at("f"));
  if (!flags) GTEST_SKIP() << "the file system has no flags";
  ASSERT_EQ(code_of(fs().set_flags(caller_, at("f"), *flags | FS_IMMUTABLE_FL)),
            0);
  remount();

  EXPECT_NE(*fs().get_flags(at("f")) & FS_IMMUTABLE_FL, 0U);
  EXPECT_EQ(put("f", "x"), EPERM);
  EXPECT_EQ(chmod("f", 0600), EPERM);
  EXPECT_EQ(remove("f"), EPERM);
  EXPECT_EQ(rename("f", "x"), EPERM);
  EXPECT_EQ(rename("link", "f"), EPERM);
  EXPECT_EQ(link_to("f", "x"), EPERM);
  EXPECT_EQ(content("f"), "low");
}

TEST_P(OperationsTest, StatFsAndShutDownAnswer) {
  struct statvfs status{};
  EXPECT_TRUE(fs().stat_fs(status));
  EXPECT_GT(status.f_bsize, 0U);
  EXPECT_TRUE(fs().shut_down());
}

INSTANTIATE_TEST_SUITE_P(Form, OperationsTest,
                         ::testing::Values(WhiteoutForm::kKernel,
                                           WhiteoutForm::kDotWh),
                         veneer::testing::form_name);

}  // namespace
}  // namespace veneer::overlay
