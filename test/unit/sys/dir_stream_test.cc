// SPDX-License-Identifier: MIT
//
// Listings are complete, whatever their length and wherever they start.

#include "sys/dir_stream.h"

#include <map>
#include <set>

#include "sys/file.h"
#include "sys/link.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::sys {
namespace {

class DirStreamTest : public TempDirTest {
 protected:
  static std::set<std::string> names(int fd) {
    std::set<std::string> found;
    const auto done =
        read_dir(fd, [&](std::string_view name, std::uint64_t, std::uint8_t) {
          EXPECT_TRUE(found.emplace(name).second) << name << " came twice";
        });
    EXPECT_TRUE(done);
    return found;
  }
};

TEST_F(DirStreamTest, EmptyDirectoryHasNoEntries) {
  const UniqueFd fd = open(".", O_RDONLY);

  EXPECT_EQ(names(fd.get()), std::set<std::string>{});
}

TEST_F(DirStreamTest, EntriesComeWithNumberAndType) {
  write("file", "");
  make_dir("sub");
  link("x", "link");
  write(".hidden", "");
  write("...", "");
  const UniqueFd fd = open(".", O_RDONLY);

  std::map<std::string, std::uint8_t> types;
  ASSERT_TRUE(read_dir(fd.get(), [&](std::string_view name, std::uint64_t ino,
                                     std::uint8_t type) {
    EXPECT_EQ(ino, stat_at(dir(), name.data())->ino) << name;
    types.emplace(name, type);
  }));

  EXPECT_EQ(types, (std::map<std::string, std::uint8_t>{{"file", DT_REG},
                                                        {"sub", DT_DIR},
                                                        {"link", DT_LNK},
                                                        {".hidden", DT_REG},
                                                        {"...", DT_REG}}));
}

TEST_F(DirStreamTest, LongListingsAreWholeEachTime) {
  std::set<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "a-name-of-some-length-" + std::to_string(i);
    ASSERT_TRUE(make_node_at(dir(), name.c_str(), S_IFREG | 0600, 0));
    expected.insert(name);
  }
  const UniqueFd fd = open(".", O_RDONLY);

  EXPECT_EQ(names(fd.get()), expected);
  EXPECT_EQ(names(fd.get()), expected);  // starts over by itself
}

TEST_F(DirStreamTest, ListingsNest) {
  make_dir("a");
  make_dir("b");
  write("a/1", "");
  write("b/2", "");
  const UniqueFd fd = open(".", O_RDONLY);

  std::set<std::string> found;
  ASSERT_TRUE(read_dir(fd.get(),
                       [&](std::string_view name, std::uint64_t, std::uint8_t) {
                         const UniqueFd sub = open(name.data(), O_RDONLY);
                         for (const std::string& below : names(sub.get())) {
                           found.insert(std::string(name) + "/" + below);
                         }
                       }));

  EXPECT_EQ(found, (std::set<std::string>{"a/1", "b/2"}));
}

TEST_F(DirStreamTest, FileIsNoDirectory) {
  const UniqueFd fd = open("file", O_CREAT | O_RDONLY);

  EXPECT_EQ(code_of(read_dir(fd.get(), [](std::string_view, std::uint64_t,
                                          std::uint8_t) {})),
            ENOTDIR);
}

}  // namespace
}  // namespace veneer::sys
