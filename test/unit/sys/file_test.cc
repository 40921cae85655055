// SPDX-License-Identifier: MIT
//
// Attributes and content, through every kind of descriptor.

#include "sys/file.h"

#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstring>

#include "sys/link.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

class FileTest : public EitherKernelTest {
 protected:
  mode_t mode_of(const char* name) const {
    return stat_at(dir(), name)->mode & 07777;
  }
};

TEST_P(FileTest, StatAgreesWithTheCLibrary) {
  write("file", "hello");
  struct stat expected;
  ASSERT_EQ(::lstat(path("file").c_str(), &expected), 0);

  const auto attr = stat_at(dir(), "file");

  ASSERT_TRUE(attr);
  EXPECT_EQ(attr->dev, expected.st_dev);
  EXPECT_EQ(attr->ino, expected.st_ino);
  EXPECT_EQ(attr->mode, expected.st_mode);
  EXPECT_EQ(attr->nlink, expected.st_nlink);
  EXPECT_EQ(attr->uid, expected.st_uid);
  EXPECT_EQ(attr->gid, expected.st_gid);
  EXPECT_EQ(attr->size, 5U);
  EXPECT_EQ(attr->blocks, static_cast<std::uint64_t>(expected.st_blocks));
  EXPECT_EQ(attr->mtime.tv_sec, expected.st_mtim.tv_sec);
  EXPECT_EQ(attr->mtime.tv_nsec, expected.st_mtim.tv_nsec);
}

TEST_P(FileTest, StatDoesNotFollow) {
  link("absent", "link");

  const auto attr = stat_at(dir(), "link");

  ASSERT_TRUE(attr);
  EXPECT_TRUE(S_ISLNK(attr->mode));
  const UniqueFd fd = open("link", O_PATH);
  EXPECT_EQ(stat_fd(fd.get())->ino, attr->ino);
}

TEST_P(FileTest, StatTellsDeviceNumbers) {
  const auto null = stat_at(AT_FDCWD, "/dev/null");

  ASSERT_TRUE(null);
  EXPECT_EQ(null->rdev, makedev(1, 3));
}

TEST_P(FileTest, AbsenceIsAnAnswer) {
  write("file", "");
  const UniqueFd file = open("file", O_PATH);

  const auto absent = find_at(dir(), "absent");
  const auto present = find_at(dir(), "file");

  ASSERT_TRUE(absent);
  EXPECT_FALSE(absent->has_value());
  ASSERT_TRUE(present);
  EXPECT_TRUE(present->has_value());
  EXPECT_EQ(code_of(find_at(file.get(), "below")), ENOTDIR);
}

TEST_P(FileTest, LinkTargetsOfAnyLengthAreRead) {
  for (const std::size_t length : {1U, 1023U, 1024U, 1025U, 4000U}) {
    const std::string target(length, 't');
    const std::string name = "link" + std::to_string(length);
    const int made = ::symlinkat(target.c_str(), dir(), name.c_str());
    if (made != 0 && errno == ENAMETOOLONG) break;  // for this filesystem
    ASSERT_EQ(made, 0);
    const UniqueFd fd = open(name.c_str(), O_PATH);

    EXPECT_EQ(read_link_at(dir(), name.c_str()).value(), target);
    EXPECT_EQ(read_link_at(fd.get(), "").value(), target);
  }
  write("file", "");
  EXPECT_EQ(code_of(read_link_at(dir(), "file")), EINVAL);
}

TEST_P(FileTest, ReadsUpToTheEnd) {
  write("file", "0123456789");
  const UniqueFd fd = open("file", O_RDONLY);
  char buffer[8];

  EXPECT_EQ(pread_full(fd.get(), buffer, 4, 2).value(), 4U);
  EXPECT_EQ(std::string(buffer, 4), "2345");
  EXPECT_EQ(pread_full(fd.get(), buffer, 8, 8).value(), 2U);
  EXPECT_EQ(pread_full(fd.get(), buffer, 8, 50).value(), 0U);
}

TEST_P(FileTest, WritesAllOfIt) {
  const UniqueFd fd = open("file", O_CREAT | O_WRONLY);
  const std::string text(100'000, 'w');

  EXPECT_EQ(pwrite_full(fd.get(), text.data(), text.size(), 3).value(),
            text.size());
  EXPECT_EQ(pwrite_full(fd.get(), nullptr, 0, 0).value(), 0U);

  EXPECT_EQ(read("file"), std::string(3, '\0') + text);
  const UniqueFd reader = open("file", O_RDONLY);
  EXPECT_EQ(code_of(pwrite_full(reader.get(), "x", 1, 0)), EBADF);
}

TEST_P(FileTest, FullDeviceIsAnErrorWithoutAnyByte) {
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);

  EXPECT_EQ(code_of(pwrite_full(full.get(), "x", 1, 0)), ENOSPC);
  EXPECT_EQ(code_of(pwrite_some(full.get(), "x", 1, 0)), ENOSPC);
}

TEST_P(FileTest, SizeAndHolesAreChanged) {
  const UniqueFd fd = open("file", O_CREAT | O_RDWR);

  EXPECT_TRUE(truncate_fd(fd.get(), 1 << 20));
  EXPECT_EQ(stat_fd(fd.get())->size, 1U << 20);
  EXPECT_EQ(code_of(seek_fd(fd.get(), 0, SEEK_DATA)), ENXIO);
  EXPECT_TRUE(fallocate_fd(fd.get(), 0, 0, 1 << 21));
  EXPECT_EQ(seek_fd(fd.get(), 0, SEEK_END).value(), 1U << 21);
}

TEST_P(FileTest, SyncsWhatIsOpen) {
  const UniqueFd fd = open("file", O_CREAT | O_RDWR);

  EXPECT_TRUE(fsync_fd(fd.get()));
  EXPECT_TRUE(fdatasync_fd(fd.get()));
  EXPECT_TRUE(sync_fs(fd.get()));
  EXPECT_EQ(code_of(fsync_fd(dir())), EBADF);  // an O_PATH descriptor
}

TEST_P(FileTest, ModeIsChangedThroughAnyDescriptor) {
  write("file", "");

  EXPECT_TRUE(chmod_fd(open("file", O_PATH).get(), 0640));
  EXPECT_EQ(mode_of("file"), 0640U);
  EXPECT_TRUE(chmod_fd(open("file", O_RDONLY).get(), 04711));
  EXPECT_EQ(mode_of("file"), 04711U);
}

TEST_P(FileTest, ModeOfALinkIsNotChanged) {
  write("file", "");
  link("file", "link");
  const mode_t former = mode_of("file");

  EXPECT_EQ(code_of(chmod_fd(open("link", O_PATH).get(), 0600)), EOPNOTSUPP);

  EXPECT_EQ(mode_of("file"), former);
}

TEST_P(FileTest, OwnerOfALinkIsItsOwn) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write("file", "");
  link("file", "link");

  EXPECT_TRUE(chown_at(dir(), "link", 12, 34));
  EXPECT_TRUE(chown_fd(open("link", O_PATH).get(), 56, static_cast<gid_t>(-1)));

  EXPECT_EQ(stat_at(dir(), "link")->uid, 56U);
  EXPECT_EQ(stat_at(dir(), "link")->gid, 34U);
  EXPECT_EQ(stat_at(dir(), "file")->uid, 0U);
}

TEST_P(FileTest, TimesAreChangedThroughAPathDescriptor) {
  write("file", "");
  link("file", "link");
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                             {.tv_sec = 12345, .tv_nsec = 678}};

  for (const char* name : {"file", "link"}) {
    EXPECT_TRUE(utimens_fd(open(name, O_PATH).get(), times)) << name;

    const auto attr = stat_at(dir(), name);
    EXPECT_EQ(attr->mtime.tv_sec, 12345) << name;
    EXPECT_EQ(attr->mtime.tv_nsec, 678) << name;
    EXPECT_NE(attr->atime.tv_sec, 12345) << name;
  }
}

TEST_P(FileTest, HandleLeadsBackAfterARename) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  write("file", "");
  const auto ino = stat_at(dir(), "file")->ino;

  const auto handle = file_handle(dir(), "file");
  if (code_of(handle) == EOPNOTSUPP) GTEST_SKIP() << "no handles here";
  ASSERT_TRUE(handle);
  EXPECT_EQ(file_handle(open("file", O_PATH).get(), ""), *handle);
  ASSERT_TRUE(rename_at(dir(), "file", dir(), "moved"));

  const auto found = open_handle(dir(), *handle, O_PATH);
  ASSERT_TRUE(found);
  EXPECT_EQ(stat_fd(found->get())->ino, ino);
}

TEST_P(FileTest, HandleThatIsTooLongIsRefused) {
  FileHandle handle;
  handle.bytes.assign(1000, 'h');

  EXPECT_EQ(code_of(open_handle(dir(), handle, O_PATH)), EINVAL);
}

TEST_P(FileTest, SecondLockIsBusy) {
  const UniqueFd first = open(".", O_RDONLY | O_DIRECTORY);
  UniqueFd second = open(".", O_RDONLY | O_DIRECTORY);

  EXPECT_TRUE(lock_dir(first.get()));
  EXPECT_EQ(code_of(lock_dir(second.get())), EBUSY);
}

TEST_P(FileTest, FilesystemsHaveNames) {
  const auto proc = open_dir("/proc");
  ASSERT_TRUE(proc);

  EXPECT_EQ(fs_type_name(proc->get()).value(), "proc");
  EXPECT_GT(stat_fs(dir())->f_bsize, 0U);
}

TEST_P(FileTest, UuidIsTheSameForAllOfAFilesystem) {
  write("file", "");

  const auto of_dir = fs_uuid(dir());
  const auto of_file = fs_uuid(open("file", O_PATH).get());

  if (!of_dir) {
    EXPECT_TRUE(code_of(of_dir) == ENOTTY || code_of(of_dir) == EOPNOTSUPP);
    GTEST_SKIP() << "no UUID here: " << of_dir.error().message();
  }
  ASSERT_TRUE(of_file);
  EXPECT_EQ(*of_dir, *of_file);
}

TEST_P(FileTest, FlagsAreSetAndRead) {
  const UniqueFd fd = open("file", O_CREAT | O_RDWR);

  const auto flags = get_flags(fd.get());
  if (!flags) GTEST_SKIP() << "no flags here: " << flags.error().message();
  EXPECT_TRUE(set_flags(fd.get(), *flags | FS_NODUMP_FL));

  EXPECT_NE(get_flags(fd.get()).value() & FS_NODUMP_FL, 0U);
  const auto extended = get_fsxattr(fd.get());
  if (!extended) GTEST_SKIP() << "no fsxattr: " << extended.error().message();
  EXPECT_NE(extended->fsx_xflags & FS_XFLAG_NODUMP, 0U);
  EXPECT_TRUE(set_fsxattr(fd.get(), {}));
  EXPECT_EQ(get_flags(fd.get()).value() & FS_NODUMP_FL, 0U);
}

VENEER_ON_EITHER_KERNEL(FileTest);

}  // namespace
}  // namespace veneer::sys
