// SPDX-License-Identifier: MIT

#include "sys/mapped_file.h"

#include <sys/mman.h>

#include <utility>

#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

using MappedFileTest = TempDirTest;

TEST_F(MappedFileTest, ShowsTheContentAfterTheDescriptorIsClosed) {
  write("file", "content");

  auto mapped = MappedFile::map(open("file", O_RDONLY).get());

  ASSERT_TRUE(mapped);
  mapped->advise(MADV_WILLNEED);
  EXPECT_EQ(mapped->text(), "content");
  const MappedFile moved = *std::move(mapped);
  EXPECT_EQ(moved.text(), "content");
  EXPECT_EQ(mapped->size(), 0U);
}

TEST_F(MappedFileTest, EmptyFileIsAnEmptySpan) {
  write("file", "");

  const auto mapped = MappedFile::map(open("file", O_RDONLY).get());

  ASSERT_TRUE(mapped);
  EXPECT_EQ(mapped->size(), 0U);
}

TEST_F(MappedFileTest, DirectoryIsRefused) {
  EXPECT_EQ(code_of(MappedFile::map(open(".", O_RDONLY).get())), ENODEV);
}

}  // namespace
}  // namespace veneer::sys
