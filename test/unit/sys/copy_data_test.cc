// SPDX-License-Identifier: MIT
//
// Copies are equal, as long as asked for, and keep their holes.

#include "sys/copy_data.h"

#include "sys/file.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

class CopyDataTest : public TempDirTest {
 protected:
  // Copies `length` bytes of the file "in" to a fresh "out".
  CopyStats copy(std::uint64_t length) const {
    const UniqueFd in = open("in", O_RDONLY);
    const UniqueFd out = open("out", O_CREAT | O_TRUNC | O_RDWR);
    const auto stats = copy_range(in.get(), out.get(), length);
    EXPECT_TRUE(stats);
    return stats.value_or(CopyStats{});
  }
  static std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>(i * 31 + i / 251 + 1);
    }
    return text;
  }
};

TEST_F(CopyDataTest, CopiesOfAnySizeAreEqual) {
  for (const std::size_t size :
       {0U, 1U, 4095U, 4096U, 4097U, 70'000U, 700'001U}) {
    write("in", pattern(size));

    const CopyStats stats = copy(size);

    EXPECT_EQ(read("out"), pattern(size)) << size;
    if (!stats.cloned) {
      EXPECT_EQ(stats.bytes_copied, size);
    }
  }
}

TEST_F(CopyDataTest, HolesStayHoles) {
  const UniqueFd in = open("in", O_CREAT | O_RDWR);
  const std::string text = pattern(5000);
  ASSERT_TRUE(pwrite_full(in.get(), text.data(), text.size(), 2 * kMiB));
  ASSERT_TRUE(pwrite_full(in.get(), text.data(), text.size(), 5 * kMiB));
  ASSERT_TRUE(truncate_fd(in.get(), 9 * kMiB));

  const CopyStats stats = copy(9 * kMiB);

  EXPECT_EQ(read("out"), read("in"));
  EXPECT_LE(stat_at(dir(), "out")->blocks, stat_at(dir(), "in")->blocks);
  EXPECT_LT(stats.bytes_copied, kMiB);
}

TEST_F(CopyDataTest, FileThatIsAllHoleTakesNoSpace) {
  for (const std::uint64_t size : {kMiB / 1024, 3 * kMiB}) {
    write("in", "");
    ASSERT_TRUE(truncate_fd(open("in", O_RDWR).get(), size));

    copy(size);

    EXPECT_EQ(stat_at(dir(), "out")->size, size);
    EXPECT_EQ(stat_at(dir(), "out")->blocks, 0U);
  }
}

TEST_F(CopyDataTest, LengthIsAsAsked) {
  for (const std::size_t size : {3000U, 300'000U}) {
    write("in", pattern(size));

    copy(size / 3);
    EXPECT_EQ(read("out"), pattern(size).substr(0, size / 3));

    copy(size + 5000);
    EXPECT_EQ(read("out"), pattern(size) + std::string(5000, '\0'));
  }
}

TEST_F(CopyDataTest, SourceMayBeOnAnotherFilesystem) {
  // procfs has neither extents nor sizes, and refuses copy_file_range.
  const UniqueFd in(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  const UniqueFd out = open("out", O_CREAT | O_RDWR);
  char head[5];

  ASSERT_TRUE(copy_range(in.get(), out.get(), 10'000));

  EXPECT_EQ(stat_fd(out.get())->size, 10'000U);
  ASSERT_TRUE(pread_full(out.get(), head, sizeof(head), 0));
  EXPECT_EQ(std::string(head, sizeof(head)), "Name:");
}

TEST_F(CopyDataTest, FullDiskIsReported) {
  for (const std::size_t size : {100U, 100'000U}) {
    write("in", pattern(size));
    const UniqueFd in = open("in", O_RDONLY);
    const UniqueFd out = open("out", O_CREAT | O_TRUNC | O_RDWR);
    fault::arm_error(1, ENOSPC, fault::kForever);

    EXPECT_EQ(code_of(copy_range(in.get(), out.get(), size)), ENOSPC);
    fault::disarm();
  }
}

}  // namespace
}  // namespace veneer::sys
