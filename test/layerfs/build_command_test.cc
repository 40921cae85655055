// SPDX-License-Identifier: MIT
//
// veneer layer build: the same tree by every way there is.

#include <sys/stat.h>
#include <sys/xattr.h>

#include "test/layerfs/command_fixture.h"

namespace veneer::testing {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A bit of everything that a layer can hold.
Tree usual_tree() {
  const std::string deep = "a-directory-with-a-name-of-some-length/";
  std::string long_path = "long";
  Tree tree = {
      {"", Dir().mode(0711).mtime(1600000000)},
      {"bin", Dir().mode(0755).mtime(1600000001)},
      {"bin/tool", File("#!/bin/sh\n").mode(04755).mtime(1600000002)},
      {"bin/alias", HardLink("bin/tool")},
      {"big", File(std::string(300'000, 'b')).mode(0600).mtime(1600000003)},
      {"empty", File("").mode(0444).mtime(0)},
      {"link", Symlink("bin/tool")},
      {"dangling", Symlink(std::string(300, 'x'))},
      {"odd \n\"\\name", File("odd").mode(0644).mtime(1600000004)},
      {"caf\xC3\xA9", File("utf-8").mode(0644).mtime(1600000005)},
      {"latin\xE9", File("latin-1").mode(0644).mtime(1600000006)},
      {"sticky", Dir().mode(01777).mtime(1600000007)},
      {"long", Dir().mode(0755).mtime(1600000008)},
  };
  for (int i = 0; i < 8; ++i) {
    long_path += "/" + deep.substr(0, deep.size() - 1);
    tree.set(long_path, Dir().mode(0700).mtime(1600000009));
  }
  tree.set(long_path + "/file", File("deep").mode(0640).mtime(1600000010));
  return tree;
}

class LayerBuildTest : public LayerCommandTest {
 protected:
  void SetUp() override {
    LayerCommandTest::SetUp();
    make_tree("tree", usual_tree());
    expected_ = text_of_dir("tree");
    ASSERT_THAT(expected_, HasSubstr("link 0000000 0 0 bin/tool bin/alias\n"));
  }
  std::string expected_;
};

TEST_F(LayerBuildTest, DirectoryComesBackWhole) {
  const auto report = build("l", "--dir", "tree");

  EXPECT_EQ(text_of("l"), expected_);
  EXPECT_EQ(report["blobs"], 1);
  EXPECT_EQ(report["blob_bytes"], 300'000);
  EXPECT_EQ(report["hidden"], 0);
  expect_sound("l");
}

TEST_F(LayerBuildTest, TarOfEachFormatComesBackWhole) {
  for (const std::string format : {"gnu", "posix", "pax"}) {
    const std::string tar = path(format + ".tar");
    shell("tar --sort=name --format=" + format + " -cf " + tar + " -C " +
          path("tree") + " .");

    const auto report = build(format, "--tar", format + ".tar");

    EXPECT_EQ(text_of(format), expected_) << format;
    EXPECT_EQ(report["blob"]["size"], std::filesystem::file_size(tar));
    expect_sound(format);
  }
}

TEST_F(LayerBuildTest, CompressedTarIsUnpackedOnce) {
  shell("tar --sort=name -cf " + path("t.tar") + " -C " + path("tree") + " .");
  for (const std::string program : {"gzip", "bzip2", "xz", "zstd"}) {
    if (run({"sh", "-c", "command -v " + program}).status != 0) continue;
    shell(program + " -c " + path("t.tar") + " > " + path(program));

    const auto report = build("from-" + program, "--tar", program);

    EXPECT_EQ(text_of("from-" + program), expected_) << program;
    EXPECT_EQ(report["compressed"], true);
    EXPECT_EQ(report["blob"]["size"],
              std::filesystem::file_size(path("t.tar")));
  }
  // One tar, one blob, however it came, and the blob of the text.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(store()), {}), 2);
}

TEST_F(LayerBuildTest, TarOfPythonComesBackWhole) {
  if (run({"python3", "-c", "import tarfile"}).status != 0) {
    GTEST_SKIP() << "needs python3";
  }
  for (const std::string format : {"GNU", "PAX"}) {
    shell(
        "python3 -c 'import tarfile,sys\n"
        "t=tarfile.open(sys.argv[1],\"w\",format=tarfile." +
        format +
        "_FORMAT)\n"
        "t.add(sys.argv[2],\".\")\nt.close()' " +
        path(format) + " " + path("tree"));

    build("py" + format, "--tar", format);

    EXPECT_EQ(text_of("py" + format), expected_) << format;
  }
}

TEST_F(LayerBuildTest, SparseTarComesBackWhole) {
  shell("truncate -s 3M " + path("tree/holes") +
        "; echo data | dd of=" + path("tree/holes") +
        " bs=1 seek=1500000 conv=notrunc 2>&1; touch -d "
        "@1600000000 " +
        path("tree/holes") + " " + path("tree"));
  const std::string expected = text_of_dir("tree");
  for (const std::string version : {"0.0", "0.1", "1.0"}) {
    shell("tar --sort=name -S --format=posix --sparse-version=" + version +
          " -cf " + path("s.tar") + " -C " + path("tree") + " .");

    build("s" + version, "--tar", "s.tar");

    EXPECT_EQ(text_of("s" + version), expected) << version;
  }
  shell("tar --sort=name -S --format=gnu -cf " + path("s.tar") + " -C " +
        path("tree") + " .");
  build("old", "--tar", "s.tar");
  EXPECT_EQ(text_of("old"), expected);
}

TEST_F(LayerBuildTest, ManifestComesBackTheSame) {
  const std::string binary =
      made({"manifest", "--blobs", store(), "--dir", path("tree")});
  write("m", binary);
  write("t", expected_);

  build("binary", "--manifest", "m");
  const auto report = build("text", "--manifest", "t");

  EXPECT_EQ(made({"manifest", path("binary")}), binary);
  EXPECT_EQ(made({"manifest", path("text")}), binary);
  EXPECT_EQ(made({"manifest", "--manifest", path("t")}), binary);
  EXPECT_EQ(made({"manifest", "--text", "--manifest", path("m")}), expected_);
  EXPECT_EQ(report["missing"], 0);
  expect_sound("text");
}

TEST_F(LayerBuildTest, ManifestOfATarIsThatOfItsTree) {
  shell("tar --sort=name -cf " + path("t.tar") + " -C " + path("tree") + " .");
  shell("gzip -k " + path("t.tar"));

  EXPECT_EQ(made({"manifest", "--text", "--tar", path("t.tar")}), expected_);
  EXPECT_EQ(made({"manifest", "--text", "--tar", path("t.tar.gz")}), expected_);
}

TEST_F(LayerBuildTest, NamesThatMaelstromRefusesAreNoted) {
  const Finished end = layer({"manifest", "--text", "--dir", path("tree")});

  EXPECT_THAT(end.err, HasSubstr("1 names are not UTF-8"));
}

TEST_F(LayerBuildTest, InlineLimitDecidesWhereBytesGo) {
  build("all", "--dir", "tree", {"--inline-limit", "1000000"});
  build("none", "--dir", "tree", {"--inline-limit", "0"});

  const auto data = [&](const std::string& layer_name) {
    return made_json({"stat", "--json", path(layer_name), "big"})["data"];
  };
  EXPECT_EQ(data("all")["in"], "layer");
  EXPECT_EQ(data("none")["in"], "blob");
  EXPECT_EQ(std::filesystem::file_size(path("none/inline_data.bin")),
            std::string("bin/tool").size() + 300);
}

TEST_F(LayerBuildTest, LinkedTarIsOneFileWithTheBlob) {
  shell("tar -cf " + path("t.tar") + " -C " + path("tree") + " .");

  const auto report = build("l", "--tar", "t.tar", {"--link"});

  const std::string blob = report["blob"]["sha256"];
  EXPECT_TRUE(std::filesystem::equivalent(path("t.tar"), store() + "/" + blob));
}

TEST_F(LayerBuildTest, TimeIsThatOfWhatNobodyDescribed) {
  shell("tar -cf " + path("t.tar") + " -C " + path("tree") + " bin/tool");

  build("l", "--tar", "t.tar", {"--time", "1234567890"});

  EXPECT_EQ(made_json({"stat", "--json", path("l"), "bin"})["mtime"],
            1234567890);
}

TEST_F(LayerBuildTest, DeviceIsHiddenAndSaidSo) {
  make_tree("dev", {{"null", CharDev(1, 3)},
                    {"pipe", Fifo()},
                    {"sock", Socket()},
                    {"file", File("x")}});

  const Finished end = layer(
      {"build", "--out", path("l"), "--blobs", store(), "--dir", path("dev")});

  EXPECT_EQ(end.status, 0);
  EXPECT_THAT(end.err, HasSubstr("3 devices, fifos or sockets are hidden"));
  EXPECT_EQ(made({"ls", path("l")}), "file\n");
  EXPECT_EQ(made({"ls", "-a", path("l")}), "file\nnull\npipe\nsock\n");
  build_fails("--dir", "dev", "null: a device, fifo or socket",
              {"--refuse-specials"});
}

// --- The upper of an overlay -------------------------------------------------

Tree changed() {
  return {
      {"gone", Whiteout()},
      {"opaque", Dir().mode(0755).opaque()},
      {"opaque/new", File("new")},
      {"user-opaque", Dir().mode(0755)},
      {"xattr-whiteouts", Dir().mode(0755)},
      {"xattr-whiteouts/gone", File("")},
      {".wh.dot-gone", File("")},
      {"dot-opaque", Dir().mode(0755)},
      {"dot-opaque/.wh..wh..opq", File("")},
      {"changed", File("changed")},
  };
}

TEST_F(LayerBuildTest, UpperKeepsWhiteoutsOfEveryForm) {
  make_tree("upper", changed());
  const auto mark = [&](const std::string& name, const char* xattr,
                        const std::string& value) {
    ASSERT_EQ(::setxattr(path("upper/" + name).c_str(), xattr, value.data(),
                         value.size(), 0),
              0);
  };
  mark("xattr-whiteouts", "trusted.overlay.opaque", "x");
  mark("xattr-whiteouts/gone", "trusted.overlay.whiteout", "y");

  build("l", "--upper", "upper");

  const std::string text = text_of("l");
  EXPECT_THAT(text, HasSubstr("\nwhiteout 0000000 0 0 gone\n"));
  EXPECT_THAT(text, HasSubstr("\nwhiteout 0000000 0 0 dot-gone\n"));
  EXPECT_THAT(text, HasSubstr("\nwhiteout 0000000 0 0 xattr-whiteouts/gone\n"));
  EXPECT_THAT(text, HasSubstr(" opaque opaque\n"));
  EXPECT_THAT(text, HasSubstr(" dot-opaque opaque\n"));
  EXPECT_THAT(text, AllOf(HasSubstr(" changed inline:changed\n"),
                          Not(HasSubstr(".wh."))));
  EXPECT_THAT(text, HasSubstr(" xattr-whiteouts\n"));
}

TEST_F(LayerBuildTest, UpperOfAnOrdinaryUserKeepsItsMarks) {
  make_tree("upper", {{"opaque", Dir().xattr("user.overlay.opaque", "y")},
                      {"opaque/new", File("new")}});
  const Finished end = layer({"build", "--out", path("l"), "--blobs", store(),
                              "--upper", path("upper")});

  ASSERT_EQ(end.status, 0) << end.err;
  EXPECT_THAT(text_of("l"), HasSubstr(" opaque opaque\n"));
}

TEST_F(LayerBuildTest, DirectoryIsTakenAsItLooksMounted) {
  make_tree("upper", changed());

  build("l", "--dir", "upper");

  EXPECT_THAT(text_of("l"), AllOf(Not(HasSubstr("whiteout 0")),
                                  Not(HasSubstr(" opaque opaque\n"))));
}

TEST_F(LayerBuildTest, RedirectOfAnUpperIsRefusedWithARemedy) {
  make_tree("upper",
            {{"new", Dir().xattr("trusted.overlay.redirect", "/old")}});

  build_fails("--upper", "upper",
              "new: it was renamed, its content is in a layer below (copy");
}

// --- Bad input ---------------------------------------------------------------

TEST_F(LayerBuildTest, BadInputIsNamedAndLeavesNothing) {
  write("empty", "");
  write("text", "this is no tar\n");
  write("cut", std::string("\0\0\0\0\0\0\0\1\1\0\0", 11));
  shell("tar -cf " + path("t.tar") + " -C " + path("tree") + " .");
  write("short", read("t.tar").substr(0, 300'000));
  shell("gzip -c " + path("t.tar") + " | head -c 1000 > " + path("cut.gz"));

  build_fails("--tar", "none", path("none"));
  build_fails("--tar", "tree", path("tree"));
  build_fails("--tar", "empty", "empty: offset 0: no tar");
  build_fails("--tar", "text", "text: offset 0: ");
  build_fails("--tar", "short", "short: offset ");
  build_fails("--tar", "cut.gz", "cut.gz: offset ");
  build_fails("--manifest", "text", "text: line 1: no manifest");
  build_fails("--manifest", "cut", "cut: offset 9: truncated manifest entry");
  build_fails("--dir", "none", path("none"));
  for (const auto& left : std::filesystem::directory_iterator(store())) {
    ADD_FAILURE() << left.path() << " was left in the store";
  }
}

TEST_F(LayerBuildTest, LayerThatIsThereStays) {
  build("l", "--dir", "tree");

  const Finished end = layer(
      {"build", "--out", path("l"), "--blobs", store(), "--dir", path("tree")});

  EXPECT_EQ(end.status, 1);
  EXPECT_THAT(end.err, HasSubstr(path("l")));
  EXPECT_EQ(text_of("l"), expected_);
}

TEST_F(LayerBuildTest, WrongUsageIsToldFromBadInput) {
  const auto status = [&](const Words& words) {
    const Finished end = layer(words);
    EXPECT_THAT(end.err, AllOf(StartsWith("veneer: "), EndsWith(")\n")));
    return end.status;
  };

  EXPECT_EQ(status({"build", "--out", path("l"), "--blobs", store()}), 2);
  EXPECT_EQ(status({"build", "--out", path("l"), "--blobs", store(), "--dir",
                    path("tree"), "--tar", "x"}),
            2);
  EXPECT_EQ(status({"build", "--blobs", store(), "--dir", path("tree")}), 2);
  EXPECT_EQ(status({"build", "--out", path("l"), "--blobs", store(), "--dir",
                    path("tree"), "--progress", "loud"}),
            2);
  EXPECT_EQ(status({"manifest"}), 2);
  EXPECT_EQ(status({"verify", "--data", path("l")}), 2);
  EXPECT_EQ(status({"biuld"}), 2);
}

}  // namespace
}  // namespace veneer::testing
