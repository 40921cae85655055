// SPDX-License-Identifier: MIT
//
// Tar headers at the limits of their fields, as libarchive and tar(1) read
// them.

#include "finalize/tar_header.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <memory>

#include "test/support/acl.h"
#include "test/support/process.h"
#include "test/support/result.h"
#include "test/support/scratch_dir.h"

namespace veneer::finalize {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using veneer::testing::acl;
using veneer::testing::code_of;
using enum veneer::testing::AclEntry::Tag;

std::string header_of(const TarEntry& entry) {
  const auto header = tar_header(entry);
  EXPECT_TRUE(header) << header.error().message();
  return header ? *header : "";
}

// What libarchive understands of one header.
class Read {
 public:
  explicit Read(const TarEntry& entry) : bytes_(header_of(entry)) {
    bytes_.append(2 * kTarBlock, '\0');
    archive_read_support_format_tar(reader_.get());
    archive_read_open_memory(reader_.get(), bytes_.data(), bytes_.size());
    EXPECT_EQ(archive_read_next_header(reader_.get(), &entry_), ARCHIVE_OK)
        << archive_error_string(reader_.get());
  }
  archive_entry* get() const { return entry_; }

 private:
  struct Free {
    void operator()(archive* a) const { archive_read_free(a); }
  };
  std::string bytes_;
  std::unique_ptr<archive, Free> reader_{archive_read_new()};
  archive_entry* entry_ = nullptr;
};

TEST(TarHeader, PlainEntryIsOneBlock) {
  const std::string header = header_of({.path = "a",
                                        .mode = S_IFREG | 0644,
                                        .uid = 07777777,
                                        .mtime = {.tv_sec = 077777777777},
                                        .size = 077777777777});
  ASSERT_EQ(header.size(), kTarBlock);
  EXPECT_EQ(header.substr(257, 8), std::string("ustar\00000", 8));
  EXPECT_EQ(header.substr(108, 8), std::string("7777777\0", 8));
  EXPECT_EQ(header.substr(124, 12), std::string("77777777777\0", 12));
}

TEST(TarHeader, WhatDoesNotFitIsARecord) {
  const TarEntry entry{.path = std::string(101, 'p'),
                       .mode = S_IFREG | 06755,
                       .uid = 4'000'000'000,
                       .gid = 010000000,
                       .mtime = {.tv_sec = 0100000000000, .tv_nsec = 1},
                       .size = 0100000000000};
  EXPECT_EQ(header_of(entry).size() % kTarBlock, 0U);
  const Read read(entry);
  EXPECT_EQ(archive_entry_pathname(read.get()), entry.path);
  EXPECT_EQ(archive_entry_uid(read.get()), 4'000'000'000);
  EXPECT_EQ(archive_entry_gid(read.get()), 010000000);
  EXPECT_EQ(archive_entry_mtime(read.get()), 0100000000000);
  EXPECT_EQ(archive_entry_mtime_nsec(read.get()), 1);
  EXPECT_EQ(archive_entry_size(read.get()), 0100000000000);
  EXPECT_EQ(archive_entry_mode(read.get()), S_IFREG | 06755U);
}

TEST(TarHeader, RecordLengthsCountThemselves) {
  // Lengths about the points where their digits become more.
  for (std::size_t length = 60; length < 1100; ++length) {
    const TarEntry entry{.path = std::string(length, 'n'), .mode = S_IFREG};
    ASSERT_EQ(archive_entry_pathname(Read(entry).get()), entry.path);
  }
}

TEST(TarHeader, TimesBeforeTheEpochCountTheirFractionAwayFromZero) {
  const auto header = [](time_t sec, long ns) {
    return header_of({.path = "a",
                      .mode = S_IFREG,
                      .mtime = {.tv_sec = sec, .tv_nsec = ns}});
  };
  EXPECT_THAT(header(-1, 500'000'000), HasSubstr(" mtime=-0.500000000\n"));
  EXPECT_THAT(header(-2, 1), HasSubstr(" mtime=-1.999999999\n"));
  EXPECT_THAT(header(-3, 0), HasSubstr(" mtime=-3\n"));
  EXPECT_THAT(header(5, 20), HasSubstr(" mtime=5.000000020\n"));
  EXPECT_THAT(header(5, 0), Not(HasSubstr("mtime")));
}

TEST(TarHeader, TypesAndNumbers) {
  const Read device(
      {.path = "d", .mode = S_IFBLK | 0600, .rdev = makedev(4095, 1048575)});
  EXPECT_EQ(archive_entry_filetype(device.get()),
            static_cast<unsigned>(AE_IFBLK));
  EXPECT_EQ(archive_entry_rdevmajor(device.get()), 4095U);
  EXPECT_EQ(archive_entry_rdevminor(device.get()), 1048575U);
  EXPECT_EQ(code_of(tar_header({.path = "s", .mode = S_IFSOCK})), EINVAL);
  EXPECT_EQ(code_of(tar_header({.path = "n", .mode = 0644})), EINVAL);
  EXPECT_STREQ(archive_entry_pathname(Read({.mode = S_IFDIR}).get()), "./");
}

TEST(TarHeader, LinksHaveNoSize) {
  const std::string target(300, 't');
  const Read symlink(
      {.path = "s", .mode = S_IFLNK | 0777, .size = 300, .target = target});
  EXPECT_EQ(archive_entry_symlink(symlink.get()), target);
  EXPECT_EQ(archive_entry_size(symlink.get()), 0);
  const Read hard(
      {.path = "h", .mode = S_IFREG | 0644, .size = 7, .hard_link = "first"});
  EXPECT_STREQ(archive_entry_hardlink(hard.get()), "first");
  EXPECT_EQ(archive_entry_size(hard.get()), 0);
}

TEST(TarHeader, XattrsAreSortedAndTheirNamesEscaped) {
  const std::string header =
      header_of({.path = "a",
                 .mode = S_IFREG,
                 .xattrs = {{"user.b", std::string("\0\n=", 3)},
                            {"user.a=%", "1"},
                            {"user.50%25", "2"}}});
  const std::size_t first = header.find("SCHILY.xattr.user.50%2525=2\n");
  const std::size_t second = header.find("SCHILY.xattr.user.a%3D%=1\n");
  const std::size_t third =
      header.find(std::string("SCHILY.xattr.user.b=\0\n=\n", 24));
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
}

TEST(TarHeader, AclIsTextAndBytes) {
  const std::string bytes = acl({{kOwner, 6},
                                 {kUser, 7, 1234},
                                 {kGroup, 4},
                                 {kNamedGroup, 1, 50},
                                 {kMask, 7},
                                 {kOther, 0}});
  EXPECT_EQ(acl_text(bytes),
            "user::rw-,user:1234:rwx,group::r--,group:50:--x,mask::rwx,"
            "other::---");
  const std::string header =
      header_of({.path = "a",
                 .mode = S_IFREG | 0670,
                 .xattrs = {{"system.posix_acl_access", bytes},
                            {"system.posix_acl_default", "not an ACL"}}});
  EXPECT_THAT(header, HasSubstr("SCHILY.acl.access=user::rw-,user:1234:rwx,"));
  EXPECT_THAT(header,
              HasSubstr("SCHILY.xattr.system.posix_acl_access=" + bytes));
  EXPECT_THAT(header, Not(HasSubstr("SCHILY.acl.default")));
  EXPECT_THAT(header, HasSubstr("posix_acl_default=not an ACL\n"));
}

TEST(TarHeader, BytesThatAreNoAcl) {
  const std::string good = acl({{kOwner, 7}});
  EXPECT_EQ(acl_text(""), std::nullopt);
  EXPECT_EQ(acl_text(good.substr(0, good.size() - 1)), std::nullopt);
  EXPECT_EQ(acl_text("\x03" + good.substr(1)), std::nullopt);
  std::string unknown = good;
  unknown[4] = '\x40';
  EXPECT_EQ(acl_text(unknown), std::nullopt);
}

}  // namespace
}  // namespace veneer::finalize
