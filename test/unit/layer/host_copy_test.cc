// SPDX-License-Identifier: MIT
//
// Copies on the upper: whole before they have a name, gone if they get none;
// and the inode index.

#include "layer/host/origin_record.h"
#include "test/unit/layer/upper_fixture.h"

namespace veneer::layer {
namespace {

using ::testing::IsEmpty;
using veneer::testing::code_of;
using veneer::testing::is_root;

class HostCopyTest : public veneer::testing::UpperFixture {
 protected:
  CopySpec spec(mode_t mode) {
    CopySpec spec;
    spec.attr.mode = mode;
    spec.attr.uid = is_root() ? 12 : ::geteuid();
    spec.attr.gid = is_root() ? 34 : ::getegid();
    spec.attr.atime = {100, 1};
    spec.attr.mtime = {200, 2};
    return spec;
  }
  CopySpec file_of(std::string_view content) {
    write("source", content);
    sys::UniqueFd fd(::open(path("source").c_str(), O_RDONLY | O_CLOEXEC));
    CopySpec copy = spec(S_IFREG | 04751);
    copy.length = content.size();
    copy.data = FileData{};
    copy.data->fd = fd.get();
    copy.data->owner = sys::share(std::move(fd));
    return copy;
  }
  LayerNodeRef publish(const CopySpec& copy, const std::string& name) {
    auto staged = upper_->stage(copy);
    EXPECT_TRUE(staged) << staged.error().message();
    auto node = upper_->publish(*std::move(staged), root(), name);
    EXPECT_TRUE(node) << node.error().message();
    return *node;
  }
};

TEST_P(HostCopyTest, CopyIsWholeWhenItAppears) {
  CopySpec copy = file_of("content");
  copy.xattrs = {{"user.k", "v"}, {"user.empty", ""}};
  copy.sync_data = true;

  const LayerNodeRef node = publish(copy, "file");

  const auto status = stat_of("u/file");
  EXPECT_EQ(read("u/file"), "content");
  EXPECT_EQ(status.st_mode, S_IFREG | 04751U);
  EXPECT_EQ(status.st_uid, copy.attr.uid);
  EXPECT_EQ(status.st_gid, copy.attr.gid);
  EXPECT_EQ(status.st_atim.tv_sec, 100);
  EXPECT_EQ(status.st_mtim.tv_sec, 200);
  EXPECT_EQ(status.st_mtim.tv_nsec, 2);
  EXPECT_EQ(xattr("u/file", "user.k"), "v");
  EXPECT_EQ(xattr("u/file", "user.empty"), "");
  EXPECT_EQ(upper_->get_attr(*node)->ino, status.st_ino);
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostCopyTest, EachKindIsCopied) {
  CopySpec link = spec(S_IFLNK | 0777);
  link.target = "some/where";
  publish(link, "link");
  publish(spec(S_IFDIR | 0751), "dir");
  publish(spec(S_IFIFO | 0622), "fifo");

  EXPECT_EQ(std::filesystem::read_symlink(path("u/link")), "some/where");
  EXPECT_EQ(stat_of("u/link").st_mtim.tv_sec, 200);
  EXPECT_EQ(stat_of("u/dir").st_mode, S_IFDIR | 0751U);
  EXPECT_EQ(stat_of("u/dir").st_mtim.tv_sec, 200);
  EXPECT_EQ(stat_of("u/fifo").st_mode, S_IFIFO | 0622U);
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostCopyTest, PublishingLeavesTheDirectorysTimes) {
  const timespec old[2] = {{10, 1}, {20, 2}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("u").c_str(), old, 0), 0);

  publish(file_of("x"), "file");

  EXPECT_EQ(stat_of("u").st_mtim.tv_sec, 20);
  EXPECT_EQ(stat_of("u").st_mtim.tv_nsec, 2);
}

TEST_P(HostCopyTest, DroppedCopyLeavesNothing) {
  for (const mode_t type : {S_IFREG, S_IFDIR, S_IFIFO}) {
    ASSERT_TRUE(upper_->stage(spec(type | 0700)));
  }

  EXPECT_TRUE(work_is_empty());
  EXPECT_FALSE(exists("u/file"));
}

TEST_P(HostCopyTest, TakenNameIsNotOverwritten) {
  write("u/file", "mine");
  for (const mode_t type : {S_IFREG, S_IFDIR}) {
    auto staged = upper_->stage(spec(type | 0700));
    ASSERT_TRUE(staged);
    EXPECT_EQ(code_of(upper_->publish(*std::move(staged), root(), "file")),
              EEXIST);
  }

  EXPECT_EQ(read("u/file"), "mine");
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostCopyTest, RefusedStepLeavesNothing) {
  for (std::uint64_t n = 1; n < 15; ++n) {
    CopySpec copy = file_of("content");
    copy.xattrs = {{"user.k", "v"}};
    sys::fault::arm_error(n, ENOSPC);
    const auto staged = upper_->stage(copy);
    sys::fault::disarm();
    if (staged) {
      EXPECT_GT(n, 4U);
      return;
    }
    EXPECT_EQ(staged.error().code(), ENOSPC) << n;
    EXPECT_TRUE(work_is_empty()) << n;
  }
  ADD_FAILURE() << "never done";
}

TEST_P(HostCopyTest, OnlyThePartThatWillBeWantedIsCopied) {
  CopySpec copy = file_of("0123456789");
  copy.length = 4;

  publish(copy, "file");

  EXPECT_EQ(read("u/file"), "0123");
}

TEST_P(HostCopyTest, LengthBeyondTheDataIsZeros) {
  CopySpec copy = file_of("0123");
  copy.length = 6;
  publish(copy, "file");
  EXPECT_EQ(stat_of("u/file").st_size, 6);

  CopySpec none = spec(S_IFREG | 0644);
  none.length = 5;
  publish(none, "zeros");
  EXPECT_EQ(read("u/zeros"), std::string(5, '\0'));
}

TEST_P(HostCopyTest, PartOfAFileAndMemoryAreSources) {
  CopySpec part = file_of("0123456789");
  part.data->offset = 3;
  part.data->length = 4;
  part.length = 4;
  publish(part, "part");
  CopySpec memory = spec(S_IFREG | 0644);
  const std::string bytes = "in memory";
  memory.data = FileData{};
  memory.data->bytes = std::as_bytes(std::span(bytes));
  memory.length = 12;
  publish(memory, "memory");

  EXPECT_EQ(read("u/part"), "3456");
  EXPECT_EQ(read("u/memory"), bytes + std::string(3, '\0'));
}

TEST_P(HostCopyTest, NestedOverlaysXattrIsStoredEscaped) {
  CopySpec copy = spec(S_IFDIR | 0755);
  copy.xattrs = {{own("opaque"), "y"}};

  publish(copy, "dir");

  EXPECT_EQ(mark_of("u/dir", "overlay.opaque"), "y");
  EXPECT_EQ(mark_of("u/dir", "opaque"), std::nullopt);
}

TEST_P(HostCopyTest, MarksAreWrittenWhereTheFormHasThem) {
  CopySpec copy = spec(S_IFREG | 0644);
  copy.length = 100;
  copy.metacopy = true;
  copy.redirect = "/old/name";
  copy.origin = "record";
  copy.number = 77;
  copy.nlink = Marks::Nlink{.of_upper = false, .delta = 0};
  copy.immutable = true;

  publish(copy, "file");

  if (!kernel_form()) {
    EXPECT_EQ(mark_of("u/file", "metacopy"), std::nullopt);
    EXPECT_EQ(mark_of("u/file", "redirect"), std::nullopt);
    return;
  }
  EXPECT_EQ(mark_of("u/file", "metacopy"), "");
  EXPECT_EQ(mark_of("u/file", "redirect"), "/old/name");
  EXPECT_EQ(mark_of("u/file", "origin"), "record");
  EXPECT_EQ(mark_of("u/file", "nlink"), "L+0");
  EXPECT_EQ(mark_of("u/file", "protattr"), "i");
  const Marks marks = lookup("file")->marks;
  EXPECT_TRUE(marks.metacopy);
  EXPECT_EQ(marks.number, 77U);
  EXPECT_TRUE(marks.immutable);
}

TEST_P(HostCopyTest, UnnamedCopyIsReachedByItsNode) {
  auto staged = upper_->stage(file_of("content"));
  ASSERT_TRUE(staged);

  const auto node = upper_->publish_unnamed(*std::move(staged));

  ASSERT_TRUE(node);
  EXPECT_EQ(upper_->get_attr(**node)->nlink, 0U);
  const auto data = upper_->open_for_write(**node);
  ASSERT_TRUE(data);
  char text[8] = {};
  EXPECT_EQ(::pread(data->fd, text, 7, 0), 7);
  EXPECT_STREQ(text, "content");
  EXPECT_TRUE(work_is_empty());
}

TEST_P(HostCopyTest, IndexedCopyIsFoundByItsOrigin) {
  if (!kernel_form()) GTEST_SKIP() << "this form has no index";
  CopySpec copy = file_of("content");
  copy.origin = "origin record";
  copy.nlink = Marks::Nlink{.of_upper = false, .delta = 0};
  auto staged = upper_->stage(copy);
  ASSERT_TRUE(staged);
  const auto node = upper_->publish_in_index(*std::move(staged), copy.origin);
  ASSERT_TRUE(node) << node.error().message();
  ASSERT_TRUE(upper_->link(**node, root(), "name", false));

  const auto found = upper_->find_in_index(copy.origin);

  ASSERT_TRUE(found && *found);
  EXPECT_EQ((*found)->attr.ino, stat_of("u/name").st_ino);
  EXPECT_TRUE((*found)->marks.nlink);
  EXPECT_EQ(read("w/index/" + to_hex(copy.origin)), "content");
  EXPECT_TRUE(upper_->get_attr(**node));
}

TEST_P(HostCopyTest, IndexAnswersForWhatItHasAlone) {
  const auto none = upper_->find_in_index("other");
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
  EXPECT_FALSE(*upper_->find_in_index(""));
  EXPECT_FALSE(*upper_->find_in_index(std::string(200, 'x')));
  if (!kernel_form()) {
    EXPECT_FALSE(upper_->has_index());
    EXPECT_TRUE(upper_->remove_from_index("other"));
    return;
  }
  EXPECT_EQ(code_of(upper_->remove_from_index("other")), ENOENT);
}

TEST_P(HostCopyTest, DirectoriesAndDevicesInTheIndexAreNotTaken) {
  if (!kernel_form()) GTEST_SKIP() << "this form has no index";
  make_dir("w/index/" + to_hex("dir"));
  whiteout("w/index/" + to_hex("gone"));

  EXPECT_FALSE(*upper_->find_in_index("dir"));
  EXPECT_FALSE(*upper_->find_in_index("gone"));
}

TEST_P(HostCopyTest, RemovedIndexEntryLeavesTheNames) {
  if (!kernel_form()) GTEST_SKIP() << "this form has no index";
  auto staged = upper_->stage(file_of("content"));
  ASSERT_TRUE(staged);
  const auto node = upper_->publish_in_index(*std::move(staged), "o");
  ASSERT_TRUE(node);
  ASSERT_TRUE(upper_->link(**node, root(), "name", false));

  ASSERT_TRUE(upper_->remove_from_index("o"));

  EXPECT_THAT(names_in("w/index"), IsEmpty());
  EXPECT_EQ(read("u/name"), "content");
}

VENEER_IN_BOTH_FORMS(HostCopyTest);

}  // namespace
}  // namespace veneer::layer
