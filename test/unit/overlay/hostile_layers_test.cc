// SPDX-License-Identifier: MIT
//
// Layers and uppers that somebody else made, or broke: every operation on them
// gets an answer, and none is a crash.

#include <cstring>

#include "test/unit/overlay/colliding_names.h"
#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using veneer::testing::code_of;
using veneer::testing::colliding_names;
using veneer::testing::is_root;

class HostileLayersTest : public veneer::testing::Scene {
 protected:
  void SetUp() override {
    Scene::SetUp();
    make_dir("upper");
    make_dir("lower");
  }
  void metacopy(const std::string& name) {
    write(name, "");
    ASSERT_EQ(::truncate(path(name).c_str(), 4), 0);
    mark(name, "metacopy", "");
  }
};

// --- A metacopy whose data are gone -----------------------------------------

TEST_F(HostileLayersTest, MetacopyWithoutDataIsRefusedItsData) {
  metacopy("upper/f");
  open();

  EXPECT_EQ(content("f"), "error: metacopy without data: Input/output error");
  EXPECT_EQ(put("f", "x"), EIO);
  EXPECT_EQ(code_of(fs().set_attr(caller_, at("f"), {.size = 2})), EIO);
  EXPECT_EQ(code_of(fs().fallocate(caller_, at("f"), 0, 0, 10)), EIO);
  EXPECT_EQ(mark_of("upper/f", "metacopy"), "");
}

TEST_F(HostileLayersTest, MetacopyWithoutDataTakesMetadata) {
  metacopy("upper/f");
  open();

  EXPECT_EQ(chmod("f", 0600), 0);
  EXPECT_EQ(code_of(fs().set_xattr(caller_, at("f"), "user.k", "v", 0)), 0);
  EXPECT_EQ(code_of(fs().fsync(at("f"), false)), 0);
}

TEST_F(HostileLayersTest, MetacopyWithoutDataIsMovedLinkedAndRemoved) {
  metacopy("upper/f");
  open();

  EXPECT_EQ(rename("f", "g"), 0);
  EXPECT_EQ(link_to("g", "h"), 0);
  EXPECT_EQ(create("other"), 0);
  EXPECT_EQ(rename("g", "other", RENAME_EXCHANGE), 0);
  EXPECT_EQ(remove("other"), 0);
  EXPECT_EQ(rename("h", "g"), 0);

  EXPECT_THAT(names(), ElementsAre("g"));
}

TEST_F(HostileLayersTest, MetacopyWithoutDataIsStillOneWhenItHasMoved) {
  metacopy("upper/f");
  write("lower/g", "other");
  open();
  ASSERT_EQ(rename("f", "g"), 0);
  remount();

  EXPECT_EQ(code_of(fs().data(at("g"))), EIO);
}

TEST_F(HostileLayersTest, MetacopyMarkOnOtherObjectsMeansNothing) {
  if (!is_root()) GTEST_SKIP() << "needs root: trusted.* on a link";
  make_dir("upper/d");
  mark("upper/d", "metacopy", "");
  make_link("to", "upper/link");
  mark("upper/link", "metacopy", "");
  ASSERT_EQ(::mkfifo(path("upper/fifo").c_str(), 0600), 0);
  mark("upper/fifo", "metacopy", "");
  open();

  for (const std::string name : {"d", "link", "fifo"}) {
    EXPECT_EQ(rename(name, name + "2"), 0) << name;
    EXPECT_EQ(code_of(fs().set_attr(caller_, at(name + "2"),
                                    {.mtime = timespec{1, 0}})),
              0)
        << name;
  }
  EXPECT_EQ(link_to("link2", "link3"), 0);
  EXPECT_EQ(link_to("fifo2", "fifo3"), 0);
  EXPECT_EQ(*fs().read_link(at("link3")), "to");
  EXPECT_EQ(remove("link2"), 0);
}

// --- Link counts ------------------------------------------------------------

TEST_F(HostileLayersTest, LinkCountsThatMakeNoSenseAreNotBelieved) {
  const char* values[] = {"U+9223372036854775807",
                          "L-9223372036854775808",
                          "L+4294967295",
                          "U-2147483648",
                          "U+2147483647",
                          "U-70000",
                          "L+",
                          "nonsense"};
  int i = 0;
  for (const char* value : values) {
    const std::string name = "upper/f" + std::to_string(i++);
    write(name, "x");
    mark(name, "nlink", value);
  }
  open();

  while (i-- > 0) {
    const std::string name = "f" + std::to_string(i);
    EXPECT_GE(attr_of(name).nlink, 1U) << values[i];
    EXPECT_EQ(link_to(name, name + "link"), 0) << values[i];
    EXPECT_EQ(rename(name, name + "moved"), 0) << values[i];
    EXPECT_EQ(remove(name + "link"), 0) << values[i];
    EXPECT_EQ(content(name + "moved"), "x") << values[i];
    EXPECT_EQ(remove(name + "moved"), 0) << values[i];
  }
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(HostileLayersTest, OriginsThatLieAreNotBelieved) {
  const std::string records[] = {
      "", "x", std::string("\0\xfb\x16\0\1", 5),
      std::string("\0\xfb\xff", 3) + std::string(252, '\1'),
      std::string("\0\xfb\x1d\0\1", 5) + std::string(16, '\0') + "12345678"};
  int i = 0;
  for (const std::string& record : records) {
    const std::string name = "upper/f" + std::to_string(i++);
    write(name, "x");
    mark(name, "origin", record);
    mark(name, "nlink", "L+1");
    make_dir(name + "dir");
    mark(name + "dir", "origin", record);
  }
  mark("upper", "impure", "y");
  open();

  EXPECT_EQ(names().size(), 10U);
  while (i-- > 0) {
    const std::string name = "f" + std::to_string(i);
    EXPECT_EQ(listing("")[name], attr_of(name).ino);
    EXPECT_EQ(listing("")[name + "dir"], attr_of(name + "dir").ino);
    EXPECT_EQ(chmod(name, 0600), 0);
    EXPECT_EQ(remove(name), 0);
  }
}

// --- The same inode in two layers -------------------------------------------

TEST_F(HostileLayersTest, UpperFileThatIsALinkOfALowerOneIsItsOwn) {
  for (const bool lower_first : {true, false}) {
    write("lower/low", "text");
    hard_link("lower/low", "upper/up");
    hard_link("lower/low", "upper/up2");
    open();
    if (lower_first) at("low");
    at("up");
    at("low");
    at("up2");

    EXPECT_EQ(chmod("up", 0600), 0);
    EXPECT_EQ(rename("low", "moved"), 0);
    EXPECT_EQ(rename("up", "other"), 0);
    EXPECT_EQ(remove("moved"), 0);
    EXPECT_EQ(content("other"), "text");
    EXPECT_EQ(content("up2"), "text");
    EXPECT_EQ(remove("other"), 0);
    EXPECT_EQ(remove("up2"), 0);
    EXPECT_THAT(names(), IsEmpty());
    close();
    std::filesystem::remove_all(path("upper"));
    std::filesystem::remove(path("lower/low"));
    make_dir("upper");
  }
}

TEST_F(HostileLayersTest, OneDirectoryAsSeveralLayersIsOneTree) {
  write("lower/d/f", "text");
  hard_link("lower/d/f", "lower/d/g");
  open({.lowers = {"lower", "lower", "lower"}});

  EXPECT_THAT(names("d"), ElementsAre("f", "g"));
  EXPECT_EQ(put("d/f", "T"), 0);
  EXPECT_EQ(content("d/g"), "Text");
  EXPECT_EQ(remove("d/f"), 0);
  EXPECT_THAT(names("d"), ElementsAre("g"));
  remount();
  EXPECT_THAT(names("d"), ElementsAre("g"));
  EXPECT_EQ(content("d/g"), "Text");
}

// --- Names ------------------------------------------------------------------

TEST_F(HostileLayersTest, NamesThatShareAHashAreAllThere) {
  const auto colliding = colliding_names(300);
  for (std::size_t i = 0; i < colliding.size(); ++i) {
    write((i % 2 == 0 ? "lower/d/" : "upper/d/") + colliding[i],
          std::to_string(i));
    if (i % 4 == 0) write("upper/d/" + colliding[i], std::to_string(i));
  }
  write("lower2/d/x", "x");
  open({.lowers = {"lower", "lower2"}});

  EXPECT_EQ(names("d").size(), colliding.size() + 1);
  for (std::size_t i = 0; i < colliding.size(); ++i) {
    ASSERT_EQ(content("d/" + colliding[i]), std::to_string(i));
  }
  for (const std::string& name : colliding) {
    ASSERT_EQ(remove("d/" + name), 0);
  }
  EXPECT_THAT(names("d"), ElementsAre("x"));
}

TEST_F(HostileLayersTest, AnIterationSeesCollidingNamesOnceWhileOthersGo) {
  const auto colliding = colliding_names(600);
  for (const std::string& name : colliding) write("lower/d/" + name, "");
  open();
  const NodeId dir = at("d");
  std::map<std::string, int> seen;
  std::uint64_t cookie = 2;
  std::size_t next = 0;
  for (bool more = true; more;) {
    more = false;
    int taken = 0;
    ASSERT_TRUE(fs().read_dir(dir, cookie, [&](const ListedEntry& entry) {
      if (++taken > 7) return false;
      ++seen[std::string(entry.name)];
      cookie = entry.cookie;
      more = true;
      return true;
    }));
    if (next < colliding.size()) {
      ASSERT_EQ(remove("d/" + colliding[next]), 0);
      next += 6;
    }
  }
  for (std::size_t i = 0; i < colliding.size(); ++i) {
    if (i % 6 != 0) {
      EXPECT_EQ(seen[colliding[i]], 1) << i;
    }
  }
}

TEST_F(HostileLayersTest, NamesAreLimitedTo255Bytes) {
  const std::string longest(255, 'n');
  write("lower/" + longest, "x");
  open();

  EXPECT_EQ(content(longest), "x");
  EXPECT_EQ(code_of(fs().lookup(kRootId, longest + "n")), ENAMETOOLONG);
  EXPECT_EQ(create(longest + "n"), ENAMETOOLONG);
  EXPECT_EQ(rename(longest, longest + "n"), ENAMETOOLONG);
  EXPECT_EQ(link_to(longest, longest + "n"), ENAMETOOLONG);
  EXPECT_EQ(rename(longest, std::string(255, 'm')), 0);
  EXPECT_EQ(create(longest, S_IFDIR | 0755), 0);
  remount();
  EXPECT_THAT(names(), ElementsAre(std::string(255, 'm'), longest));
}

// --- An index that lies -----------------------------------------------------

TEST_F(HostileLayersTest, RubbishInTheIndexIsNotTaken) {
  write("lower/a", "text");
  hard_link("lower/a", "lower/b");
  open();
  ASSERT_EQ(chmod("a", 0600), 0);
  close();
  const auto entries = names_in("upper.work/index");
  ASSERT_EQ(entries.size(), 1U);
  const std::string entry = "upper.work/index/" + *entries.begin();
  for (const int kind : {0, 1, 2}) {
    std::filesystem::remove_all(path(entry));
    std::filesystem::remove_all(path("upper"));
    make_dir("upper");
    if (kind == 0) make_dir(entry);
    if (kind == 1) whiteout(entry);
    if (kind == 2) make_link("/etc/passwd", entry);
    open();

    EXPECT_EQ(code_of(fs().lookup(kRootId, "a")), 0) << kind;
    EXPECT_EQ(content("b"), "text") << kind;
    close();
  }
}

}  // namespace
}  // namespace veneer::overlay
