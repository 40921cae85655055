// SPDX-License-Identifier: MIT
//
// veneer layer stack, flatten, ls, cat, stat, verify and missing.

#include "test/layerfs/command_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class LayerLookTest : public LayerCommandTest {
 protected:
  void SetUp() override {
    LayerCommandTest::SetUp();
    make_tree("base", {{"", Dir().mode(0755).mtime(1600000000)},
                       {"etc", Dir().mode(0700).mtime(1600000000)},
                       {"etc/motd", File("hello\n").mode(0644)},
                       {"etc/hosts", File("localhost\n").mode(02751).mtime(0)},
                       {"etc/link", Symlink("motd")},
                       {"big", File(std::string(300'000, 'b'))}});
    make_tree("upper", {{"big", Whiteout()},
                        {"etc", Dir().mode(0711).mtime(1600000001)},
                        {"etc/hosts", File("127.0.0.1\n").mode(0600)}});
    build("l0", "--dir", "base");
    build("l1", "--upper", "upper");
  }
  void stack() const {
    made({"stack", "--out", path("all"), "--blobs", store(), "--lower",
          path("l0"), "--layer", path("l1")});
  }
};

TEST_F(LayerLookTest, StackIsSeenAsOneTree) {
  const auto report =
      made_json({"stack", "--json", "--out", path("all"), "--blobs", store(),
                 "--lower", path("l0"), "--layer", path("l1")});

  EXPECT_EQ(report["layers"], 2);
  EXPECT_EQ(made({"ls", path("all")}), "etc/\n");
  EXPECT_EQ(made({"ls", path("all"), "/etc/"}), "hosts\nlink\nmotd\n");
  EXPECT_EQ(made({"cat", path("all"), "etc/hosts"}), "127.0.0.1\n");
  EXPECT_EQ(made({"cat", path("all"), "etc/motd"}), "hello\n");
  expect_sound("all");
}

TEST_F(LayerLookTest, FlattenedStackNeedsNoOther) {
  stack();

  made({"flatten", "--out", path("one"), path("all")});

  EXPECT_EQ(text_of("one"), text_of("all"));
  shell("rm -r " + path("l0"));
  EXPECT_EQ(made({"cat", path("one"), "etc/motd"}), "hello\n");
  EXPECT_EQ(layer({"cat", path("all"), "etc/motd"}).status, 1);
}

TEST_F(LayerLookTest, LongListingHasAllAboutEachName) {
  const std::string listing = made({"ls", "-l", path("l0"), "etc"});

  EXPECT_THAT(listing,
              StartsWith("-rwxr-s--x   1         10 1970-01-01 00:00:00 hosts\n"
                         "lrwxrwxrwx   1          4 "));
  EXPECT_THAT(listing, HasSubstr(" link -> motd\n-rw-r--r-- "));
  EXPECT_THAT(made({"ls", "-la", path("l1")}), HasSubstr("\nd"));
  EXPECT_THAT(made({"ls", "-la", path("l1")}), StartsWith("w"));
}

TEST_F(LayerLookTest, ListingIsThereForScripts) {
  const auto entries = made_json({"ls", "--json", "-a", path("l1")})["entries"];

  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0]["name"], "big");
  EXPECT_EQ(entries[0]["type"], "whiteout");
  EXPECT_EQ(entries[1]["type"], "directory");
  EXPECT_EQ(entries[1]["mode"], "0711");
}

TEST_F(LayerLookTest, StatSaysWhereTheBytesAre) {
  const auto big = made_json({"stat", "--json", path("l0"), "big"});
  const auto link = made_json({"stat", "--json", path("l0"), "etc/link"});

  EXPECT_EQ(big["size"], 300'000);
  EXPECT_EQ(big["data"]["in"], "blob");
  EXPECT_EQ(big["data"]["length"], 300'000);
  EXPECT_TRUE(std::filesystem::exists(
      store() + "/" + big["data"]["sha256"].get<std::string>()));
  EXPECT_EQ(link["target"], "motd");
  EXPECT_THAT(made({"stat", path("l0"), "etc/motd"}),
              HasSubstr("\n  data   in the layer\n"));
  EXPECT_THAT(made({"stat", path("l0")}), HasSubstr("\n  type   directory\n"));
}

TEST_F(LayerLookTest, FileInABlobIsWrittenOut) {
  EXPECT_EQ(made({"cat", "--blobs", store(), path("l0"), "big"}),
            std::string(300'000, 'b'));

  EXPECT_EQ(layer({"cat", path("l0"), "big"}).status, 1);
}

TEST_F(LayerLookTest, NameThatIsNotThereIsNamed) {
  const auto error = [&](const Words& words) {
    const Finished end = layer(words);
    EXPECT_EQ(end.status, 1);
    return end.err;
  };

  EXPECT_THAT(error({"ls", path("l0"), "etc/none/x"}),
              HasSubstr("etc/none is not in it"));
  EXPECT_THAT(error({"cat", path("l0"), "etc"}), HasSubstr("is a directory"));
  EXPECT_THAT(error({"cat", path("l0"), "etc/link"}),
              HasSubstr("is a symbolic link"));
  EXPECT_THAT(error({"stat", path("l0"), "etc/link/x"}),
              HasSubstr("etc/link is a symbolic link"));
  EXPECT_THAT(error({"stat", path("l0"), "../x"}), HasSubstr("\"..\""));
  EXPECT_THAT(error({"ls", path("none")}), HasSubstr(path("none")));
  EXPECT_THAT(error({"ls", path("base")}), HasSubstr(path("base")));
}

TEST_F(LayerLookTest, MissingBlobIsListed) {
  const std::string digest =
      made_json({"stat", "--json", path("l0"), "big"})["data"]["sha256"];
  EXPECT_EQ(made({"missing", "--blobs", store(), path("l0")}), "");
  std::filesystem::remove(store() + "/" + digest);

  EXPECT_EQ(made({"missing", "--blobs", store(), path("l0")}), digest + "\n");
  EXPECT_THAT(made_json({"missing", "--json", "--blobs", store(),
                         path("l0")})["missing"],
              ElementsAre(digest));
  const Finished end = layer({"verify", "--blobs", store(), path("l0")});
  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.out, HasSubstr(digest));
}

TEST_F(LayerLookTest, DamageIsFoundWithItsPlace) {
  std::string table = read("l0/file_table.bin");
  table[40] ^= 1;
  write("l0/file_table.bin", table);

  const Finished end = layer({"verify", path("l0")});
  const Finished as_json = layer({"verify", "--json", path("l0")});

  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.out, StartsWith(path("l0/file_table.bin")));
  const auto report = nlohmann::json::parse(as_json.out, nullptr, false);
  EXPECT_EQ(report["sound"], false);
  EXPECT_FALSE(report["faults"].empty());
}

TEST_F(LayerLookTest, LowerThatWasReplacedIsRefused) {
  stack();
  shell("rm -r " + path("l0"));
  build("l0", "--dir", "upper");

  const Finished end = layer({"ls", path("all")});

  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.err, HasSubstr(path("l0")));
}

TEST_F(LayerLookTest, HelpOfEachCommandFitsTheScreen) {
  for (const std::string command : {"build", "stack", "flatten", "manifest",
                                    "ls", "cat", "stat", "verify", "missing"}) {
    const std::string help = made({command, "--help"});
    EXPECT_THAT(help, StartsWith("Usage: veneer layer " + command));
    EXPECT_THAT(help, HasSubstr("\nExamples:\n  veneer layer " + command));
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80U) << line;
    }
    // What it can do is on the manual page as well.
    std::ifstream page(VENEER_SOURCE_DIR "/man/veneer-layer.1");
    const std::string manual{std::istreambuf_iterator<char>(page), {}};
    EXPECT_THAT(manual, HasSubstr("\n.Ss " + command + "\n"));
    std::istringstream again(help);
    for (std::string line; std::getline(again, line);) {
      if (!line.starts_with("  --") && !line.starts_with("  -")) continue;
      const std::size_t at = line.find("--") + 2;
      const std::string option = line.substr(at, line.find(' ', at) - at);
      if (option == "help") continue;
      EXPECT_THAT(manual, HasSubstr("Fl -" + option)) << command;
    }
  }
}

}  // namespace
}  // namespace veneer::testing
