// SPDX-License-Identifier: MIT
//
// Directory blocks that are not as they should be.

#include "composefs/dir_block.h"

#include "base/bytes.h"
#include "test/support/result.h"
#include "test/unit/composefs/hand_made.h"

namespace veneer::composefs {
namespace {

using testing::code_of;

Result<DirBlock> open(const std::string& bytes) {
  return DirBlock::open(as_bytes(bytes), 1000);
}

std::string with_offset(std::size_t index, std::uint16_t offset) {
  std::string bytes = dir_block({{"a", 1}, {"bb", 2}, {"ccc", 3}});
  store_le(bytes.data() + index * sizeof(Dirent) + 8, offset);
  return bytes;
}

TEST(DirBlock, FindsEachOfItsNames) {
  std::vector<HandEntry> entries;
  for (int i = 0; i < 100; ++i) {
    entries.push_back(
        {std::string(1, static_cast<char>('!' + i / 10)) + std::to_string(i),
         static_cast<Nid>(i)});
  }
  std::ranges::sort(entries, {}, &HandEntry::name);
  const std::string bytes = dir_block(entries);
  const auto block = open(bytes);
  ASSERT_TRUE(block);
  ASSERT_EQ(block->size(), entries.size());

  for (const HandEntry& entry : entries) {
    const auto found = block->find(entry.name);
    ASSERT_TRUE(found && *found) << entry.name;
    EXPECT_EQ((*found)->nid, entry.nid);
    const auto absent = block->find(entry.name + "x");
    ASSERT_TRUE(absent);
    EXPECT_FALSE(*absent);
  }
}

TEST(DirBlock, LastNameEndsAtANul) {
  const std::string bytes =
      dir_block({{"a", 1}, {"last", 2}}) + std::string(50, '\0');
  const auto block = open(bytes);
  ASSERT_TRUE(block);

  const auto last = block->at(1);

  ASSERT_TRUE(last);
  EXPECT_EQ(last->name, "last");
}

TEST(DirBlock, NumberOfEntriesMustMakeSense) {
  EXPECT_EQ(code_of(open("")), EUCLEAN);
  EXPECT_EQ(code_of(open(std::string(11, '\0'))), EUCLEAN);
  EXPECT_EQ(code_of(open(std::string(12, '\0'))), EUCLEAN);
  EXPECT_EQ(code_of(open(with_offset(0, 0))), EUCLEAN);
  EXPECT_EQ(code_of(open(with_offset(0, 13))), EUCLEAN);
  EXPECT_EQ(code_of(open(with_offset(0, 48))), EUCLEAN);
  EXPECT_EQ(code_of(open(with_offset(0, 0xfffc))), EUCLEAN);
  EXPECT_EQ(code_of(open(with_offset(0, 36))), 0);
}

TEST(DirBlock, NamesMustLieBehindTheEntries) {
  for (const unsigned offset : {0U, 12U, 35U, 36U, 200U, 0xffffU}) {
    const std::string bytes =
        with_offset(1, static_cast<std::uint16_t>(offset));
    const auto block = open(bytes);
    ASSERT_TRUE(block);
    EXPECT_TRUE(code_of(block->at(0)) == EUCLEAN ||
                code_of(block->at(1)) == EUCLEAN)
        << offset;
  }
}

TEST(DirBlock, NamesMustBeNames) {
  const std::string bad[] = {"a/b", "/", std::string("a\0b", 3),
                             std::string(256, 'x')};
  for (const std::string& name : bad) {
    const std::string bytes = dir_block({{name, 1}, {"z", 2}});
    const auto block = open(bytes);
    ASSERT_TRUE(block);
    EXPECT_EQ(code_of(block->at(0)), EUCLEAN);
    EXPECT_EQ(code_of(block->at(1)), 0);
  }
  // An empty last one.
  const std::string bytes = dir_block({{"a", 1}, {"", 2}}) + '\0';
  const auto block = open(bytes);
  ASSERT_TRUE(block);
  EXPECT_EQ(code_of(block->at(1)), EUCLEAN);
}

TEST(DirBlock, UnsortedOrTwiceIsNoHarm) {
  const std::string bytes =
      dir_block({{"b", 1}, {"a", 2}, {"b", 3}, {"b", 4}, {"a", 5}});
  const auto block = open(bytes);
  ASSERT_TRUE(block);
  for (const char* name : {"a", "b", "c", ""}) {
    const auto found = block->find(name);
    ASSERT_TRUE(found);
    if (*found) {
      EXPECT_EQ((*found)->name, name);
    }
  }
}

}  // namespace
}  // namespace veneer::composefs
