// SPDX-License-Identifier: MIT
//
// The tree of a directory: balanced after every insertion, sorted, complete.

#include "layerfs/dir_tree.h"

#include <gmock/gmock.h>

#include <random>
#include <set>

#include "layerfs/dir_file.h"
#include "test/support/result.h"

namespace veneer::layerfs {
namespace {

std::string name_of(std::size_t i) { return "name" + std::to_string(i); }

DirFileRef file_of(TreePool& pool, const DirTree& tree) {
  std::uint32_t subdirs = 0;
  auto bytes = pool.encode(tree, subdirs);
  EXPECT_TRUE(bytes);
  auto dir = DirFile::parse(*std::move(bytes), 0);
  EXPECT_TRUE(dir) << dir.error().message();
  return *dir;
}

// Inserts one by one, and looks at the whole tree each time.
void check_sequence(const std::vector<std::string>& names) {
  TreePool pool;
  DirTree tree;
  std::set<std::string> model;
  for (const std::string& name : names) {
    ASSERT_EQ(pool.find(tree, name), 0U);
    const auto index = pool.insert(tree, name);
    ASSERT_TRUE(index);
    pool.node(*index).id = {0, static_cast<std::uint32_t>(25 + *index)};
    model.insert(name);

    const DirFileRef dir = file_of(pool, tree);
    EXPECT_EQ(dir->find_imbalance(), std::nullopt);
    std::vector<std::string> sorted;
    for (DirFile::Cursor at(*dir); !at.at_end(); at.next()) {
      sorted.emplace_back(at.item().name);
    }
    EXPECT_EQ(sorted, std::vector<std::string>(model.begin(), model.end()));
  }
  const DirFileRef dir = file_of(pool, tree);
  std::size_t i = 0;
  dir->for_each([&](const DirItem& item) { EXPECT_EQ(item.name, names[i++]); });
  EXPECT_EQ(i, names.size());
  for (const std::string& name : names) {
    const NodeIndex index = pool.find(tree, name);
    ASSERT_NE(index, 0U);
    const auto target = dir->find(name);
    ASSERT_TRUE(target);
    EXPECT_EQ(target->id.offset, 25 + index);
    EXPECT_FALSE(dir->find(name + "x"));
    EXPECT_FALSE(dir->find(name.substr(1)));
  }
}

TEST(DirTreeTest, OfNothing) { check_sequence({}); }

TEST(DirTreeTest, OfRisingNames) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < 100; ++i) names.push_back(name_of(100 + i));
  check_sequence(names);
}

TEST(DirTreeTest, OfFallingNames) {
  std::vector<std::string> names;
  for (std::size_t i = 100; i > 0; --i) names.push_back(name_of(100 + i));
  check_sequence(names);
}

TEST(DirTreeTest, OfRandomNames) {
  std::mt19937 random(4);
  for (int round = 0; round < 60; ++round) {
    std::set<std::string> names;
    while (names.size() < 20) names.insert(name_of(random() % 1000));
    std::vector<std::string> order(names.begin(), names.end());
    std::ranges::shuffle(order, random);
    check_sequence(order);
  }
}

TEST(DirTreeTest, NamesAreOrderedAsBytes) {
  check_sequence(
      {"\x80", "a", "\xff", "ab", "A", std::string(255, 'z'), "a\x01"});
}

TEST(DirTreeTest, AHundredThousandNames) {
  TreePool pool;
  DirTree tree;
  for (std::size_t i = 0; i < 100000; ++i) {
    const auto index = pool.insert(tree, name_of(i * 7919 % 100000));
    ASSERT_TRUE(index);
    pool.node(*index).id = {0, static_cast<std::uint32_t>(25 + i)};
  }

  const DirFileRef dir = file_of(pool, tree);
  EXPECT_EQ(dir->size(), 100000U);
  EXPECT_EQ(dir->find_imbalance(), std::nullopt);
  for (std::size_t i = 0; i < 100000; ++i) ASSERT_TRUE(dir->find(name_of(i)));
  EXPECT_FALSE(dir->find(name_of(100000)));
}

TEST(DirTreeTest, ATargetCanBeChangedInItsPlace) {
  TreePool pool;
  DirTree tree;
  for (const char* name : {"a", "b", "c"}) {
    pool.node(*pool.insert(tree, name)).whiteout = true;
  }
  TreeNode& b = pool.node(pool.find(tree, "b"));
  b.whiteout = false;
  b.id = {0, 33};
  b.kind = Kind::kDirectory;
  b.opaque = true;

  const DirFileRef dir = file_of(pool, tree);
  const Target expected{
      .id = {0, 33}, .kind = Kind::kDirectory, .opaque = true};
  EXPECT_EQ(dir->find("b"), expected);
  EXPECT_EQ(dir->find("a"), Target{.whiteout = true});
  EXPECT_EQ(dir->subdirs(), 1U);
}

// --- What is refused ---------------------------------------------------------

class DirFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    DirTree tree;
    for (const char* name : {"d", "b", "f", "a", "c", "e", "g"}) {
      pool_.node(*pool_.insert(tree, name)).id = {0, 25};
    }
    std::uint32_t subdirs = 0;
    bytes_ = *pool_.encode(tree, subdirs);
  }

  static int code(const std::vector<std::byte>& bytes) {
    return veneer::testing::code_of(DirFile::parse(bytes, 0));
  }
  // Item i begins at 20 + 54 i; the links end it.
  static std::size_t left_of(std::size_t i) { return 20 + 54 * i + 38; }
  static std::size_t right_of(std::size_t i) { return 20 + 54 * i + 46; }
  std::vector<std::byte> with(std::size_t at, std::uint64_t value) const {
    auto bytes = bytes_;
    store_be(bytes.data() + at, value);
    return bytes;
  }

  TreePool pool_;
  std::vector<std::byte> bytes_;
};

TEST_F(DirFileTest, ATreeThatComesBackToItself) {
  EXPECT_EQ(code(bytes_), 0);
  EXPECT_EQ(code(with(left_of(3), 20)), EIO);   // a leaf has the root below it
  EXPECT_EQ(code(with(right_of(0), 20)), EIO);  // the root itself
  EXPECT_EQ(code(with(left_of(0), 20 + 54 * 2)), EIO);  // twice the same
}

TEST_F(DirFileTest, ATreeThatLeavesSomethingOut) {
  EXPECT_EQ(code(with(left_of(1), 0)), EIO);
  EXPECT_EQ(code(with(12, 0)), EIO);
  EXPECT_EQ(code(with(12, 20 + 54)), EIO);
}

TEST_F(DirFileTest, LinksThatLeadBetweenEntriesOrOut) {
  for (const std::uint64_t to : {1UL, 19UL, 21UL, 100000UL, ~0UL}) {
    EXPECT_EQ(code(with(left_of(3), to)), EIO) << to;
    EXPECT_EQ(code(with(12, to)), EIO) << to;
  }
}

TEST_F(DirFileTest, NamesOutOfOrder) {
  auto bytes = bytes_;
  bytes[20 + 54 * 3 + 16] = std::byte{'z'};
  EXPECT_EQ(code(bytes), EIO);
}

TEST_F(DirFileTest, ChainsThatAreTooHigh) {
  for (const bool to_the_right : {true, false}) {
    for (const std::size_t count : {64U, 65U}) {
      BeWriter out;
      write_dir_header(out, 20);
      for (std::size_t i = 0; i < count; ++i) {
        const std::string name = name_of(to_the_right ? 1000 + i : 2000 - i);
        std::uint64_t next = 20 + (i + 1) * (40 + name.size());
        if (i + 1 == count) next = 0;
        write_dir_item(out, {.name = name,
                             .target = {.whiteout = true},
                             .height = 1,
                             .left = to_the_right ? 0 : next,
                             .right = to_the_right ? next : 0});
      }
      const auto dir = DirFile::parse(std::move(out).take(), 0);
      ASSERT_EQ(veneer::testing::code_of(dir), count == 64 ? 0 : EIO);
      // It can be read; it is not what anybody would write.
      if (dir) {
        EXPECT_TRUE((*dir)->find_imbalance());
      }
    }
  }
}

TEST_F(DirFileTest, InodesOfLayersAbove) {
  auto bytes = bytes_;
  bytes[20 + 21 + 3] = std::byte{1};
  EXPECT_EQ(code(bytes), EIO);
  EXPECT_EQ(veneer::testing::code_of(DirFile::parse(bytes, 1)), 0);
}

TEST_F(DirFileTest, EveryTruncation) {
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    EXPECT_EQ(code({bytes_.begin(), bytes_.begin() + static_cast<long>(size)}),
              EIO)
        << size;
  }
  auto longer = bytes_;
  longer.push_back(std::byte{0});
  EXPECT_EQ(code(longer), EIO);
}

}  // namespace
}  // namespace veneer::layerfs
