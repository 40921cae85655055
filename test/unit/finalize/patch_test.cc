// SPDX-License-Identifier: MIT
//
// A session as a patch: git apply and patch(1) make of the base the texts that
// the user saw.

#include "finalize/patch.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "test/unit/finalize/kernel_session.h"
#include "test/unit/finalize/random_work.h"

namespace veneer::finalize {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using veneer::testing::Kind;
using veneer::testing::read_tree;
using veneer::testing::Tree;

#define SKIP_UNLESS_MADE(session)                 \
  if (::testing::Test::HasFatalFailure()) return; \
  if (!(session).is_made()) GTEST_SKIP() << "needs root, to mount"

struct Written {
  std::string text;
  LineCount count;
};

Written patch_of_session(const KernelSession& session) {
  Trees trees = session.trees();
  const Changes changes = KernelSession::changes(trees);
  PatchWriter writer(trees, changes);
  Written all;
  for (const Change& change : changes) {
    const auto count = writer.write(
        change, [&](std::string_view piece) { all.text += piece; });
    EXPECT_TRUE(count) << count.error().message();
    if (!count) break;
    all.count.added += count->added;
    all.count.removed += count->removed;
    all.count.binary = all.count.binary || count->binary;
  }
  return all;
}

// Files and links: content or target, and whether it may be executed.
std::map<std::string, std::string> texts_of(const Tree& tree) {
  std::map<std::string, std::string> texts;
  for (const auto& [path, entry] : tree.entries()) {
    if (entry.kind == Kind::kSymlink) texts[path] = "-> " + entry.data;
    if (entry.kind != Kind::kFile) continue;
    const bool executable = (entry.mode_bits.value_or(0) & S_IXUSR) != 0;
    texts[path] = (executable ? "x " : "- ") + entry.data;
  }
  return texts;
}

void expect_git_takes_it(const KernelSession& session) {
  const std::string patch = patch_of_session(session).text;
  std::ofstream(session.path("patch"), std::ios::binary) << patch;
  shell(session.path(""),
        "cp -a base by-git; cd by-git; export GIT_CEILING_DIRECTORIES=/\n"
        "[ ! -s ../patch ] || git apply --whitespace=nowarn ../patch");
  EXPECT_EQ(texts_of(read_tree(session.path("by-git"))),
            texts_of(session.seen()))
      << patch;
}

void expect_patch_takes_it(const KernelSession& session) {
  shell(session.path(""),
        "cp -a base by-patch; patch -s -p1 -F0 -d by-patch < patch");
  EXPECT_EQ(texts_of(read_tree(session.path("by-patch"))),
            texts_of(session.seen()));
}

constexpr char kBase[] = R"(
mkdir -p src/lib doc/old
seq 1 40 > src/main; seq 100 140 > src/lib/one; seq 200 240 > src/lib/two
echo readme > doc/readme; printf 'no line feed' > doc/bare; echo o > doc/old/o
: > doc/empty; ln -s readme doc/link; printf '#!/bin/sh\n' > src/run
chmod 755 src/run; printf 'a\0b' > src/binary; printf 'c\0d' > src/binary2
)";

TEST(Patch, NothingChangedIsNothing) {
  const KernelSession session(kBase,
                              "cat src/main > /dev/null; touch doc/bare");
  SKIP_UNLESS_MADE(session);
  EXPECT_EQ(patch_of_session(session).text, "");
}

TEST(Patch, SaysWhatGitWould) {
  const KernelSession session(
      "echo one > f; echo gone > g; echo x > run",
      "echo two >> f; rm g; echo new > n; chmod +x run");
  SKIP_UNLESS_MADE(session);
  const Written written = patch_of_session(session);
  EXPECT_EQ(written.text, R"(diff --git a/f b/f
--- a/f
+++ b/f
@@ -1 +1,2 @@
 one
+two
diff --git a/g b/g
deleted file mode 100644
--- a/g
+++ /dev/null
@@ -1 +0,0 @@
-gone
diff --git a/n b/n
new file mode 100644
--- /dev/null
+++ b/n
@@ -0,0 +1 @@
+new
diff --git a/run b/run
old mode 100644
new mode 100755
)");
  EXPECT_EQ(written.count.added, 2U);
  EXPECT_EQ(written.count.removed, 1U);
  EXPECT_FALSE(written.count.binary);
}

TEST(Patch, ContentModesAndLinks) {
  const KernelSession session(kBase, R"(
sed -i 's/^7$/seven/; /^30$/d' src/main; echo more >> doc/bare
chmod -x src/run; echo new > doc/new; : > doc/new-empty; chmod 755 doc/new
rm doc/empty doc/link; ln -s bare doc/link; ln -s nowhere doc/link2
rm -r doc/old; mkdir -p a/b; echo deep > a/b/c; echo ' x' >> src/run
)");
  SKIP_UNLESS_MADE(session);
  expect_git_takes_it(session);
}

TEST(Patch, PatchTakesPlainFiles) {
  const KernelSession session(kBase, R"(
sed -i 's/^7$/seven/; /^30$/d' src/main; echo more >> doc/bare
echo new > doc/new; rm src/lib/one; mkdir -p a/b; echo deep > a/b/c
mv src/lib/two src/lib/second; chmod +x src/main
)");
  SKIP_UNLESS_MADE(session);
  expect_git_takes_it(session);
  expect_patch_takes_it(session);
}

TEST(Patch, RenamedFilesAndDirectories) {
  const KernelSession session(kBase, R"(
mv src/lib library; sed -i 's/^110$/x/' library/one; rm library/two
echo three > library/three; mv doc/readme README; mv doc/old doc/older
echo o2 >> doc/older/o; chmod +x README
)");
  SKIP_UNLESS_MADE(session);
  expect_git_takes_it(session);
  EXPECT_THAT(patch_of_session(session).text,
              HasSubstr("rename from doc/old/o\nrename to doc/older/o\n"));
}

TEST(Patch, RenamedDirectoryWithoutOtherChanges) {
  const KernelSession session(kBase, "mv src source; mv doc/old source/old");
  SKIP_UNLESS_MADE(session);
  expect_git_takes_it(session);
  const std::string text = patch_of_session(session).text;
  EXPECT_THAT(text, HasSubstr("similarity index 100%\n"
                              "rename from src/binary\n"
                              "rename to source/binary\n"));
  EXPECT_THAT(text, Not(HasSubstr("@@")));
}

TEST(Patch, RenamesOverEachOther) {
  const KernelSession session(kBase, R"(
mv src tmp; mv doc src; mv tmp doc; mkdir other; mv doc/lib other/lib
rm -r src/old; mv other/lib src/old; echo z > src/old/z
)");
  SKIP_UNLESS_MADE(session);
  expect_git_takes_it(session);
}

TEST(Patch, ReplacedDirectoriesAndChangedTypes) {
  const KernelSession session(kBase, R"(
rm -r src/lib; mkdir src/lib; seq 100 139 > src/lib/one; echo n > src/lib/new
rm doc/readme; mkdir doc/readme; echo i > doc/readme/inside
rm -r doc/old; echo file > doc/old; rm doc/link; echo file > doc/link
rm doc/bare; ln -s old doc/bare
)");
  SKIP_UNLESS_MADE(session);
  expect_git_takes_it(session);
}

TEST(Patch, WhateverWasDone) {
  const char* wanted = std::getenv("VENEER_SEEDS");
  const int seeds = wanted != nullptr ? std::atoi(wanted) : 5;
  for (int seed = 0; seed < seeds; ++seed) {
    const std::string work = random_work(static_cast<std::uint32_t>(seed));
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + work);
    const KernelSession session(kRandomBase, work);
    SKIP_UNLESS_MADE(session);
    expect_git_takes_it(session);
    if (HasFailure()) return;
  }
}

TEST(Patch, UnusualNamesAreQuoted) {
  const KernelSession session("mkdir d; echo a > 'd/two words'; echo b > d/tab",
                              "echo x >> 'd/two words'\n"
                              "mv d/tab \"$(printf 'd/t\\tb')\"\n"
                              "echo q > 'd/\"quoted\\'\n"
                              "echo u > \"$(printf 'd/\\303\\251 \\001')\"\n");
  SKIP_UNLESS_MADE(session);
  expect_git_takes_it(session);
  const std::string text = patch_of_session(session).text;
  EXPECT_THAT(text, HasSubstr("--- a/d/two words\t\n+++ b/d/two words\t\n"));
  EXPECT_THAT(text, HasSubstr("rename to \"d/t\\tb\"\n"));
  EXPECT_THAT(text, HasSubstr("+++ \"b/d/\\303\\251 \\001\"\t\n"));
  EXPECT_THAT(text, HasSubstr("+++ \"b/d/\\\"quoted\\\\\"\n"));
}

TEST(Patch, BinaryFilesAreNamedOnly) {
  const KernelSession session(kBase, R"(
echo x >> src/binary; rm src/binary2; printf '\0' > new; echo t >> doc/readme
)");
  SKIP_UNLESS_MADE(session);
  const Written written = patch_of_session(session);
  EXPECT_TRUE(written.count.binary);
  EXPECT_EQ(written.count.added, 1U);
  EXPECT_THAT(written.text,
              HasSubstr("Binary files a/src/binary and b/src/binary differ\n"
                        "Binary files a/src/binary2 and /dev/null differ\n"));
  EXPECT_THAT(written.text, HasSubstr("Binary files /dev/null and b/new"));
  // The rest of the patch is still good.
  std::ofstream(session.path("patch"), std::ios::binary) << written.text;
  shell(session.path(""),
        "cp -a base by-git; cd by-git; export GIT_CEILING_DIRECTORIES=/\n"
        "git apply ../patch; grep -q t doc/readme");
}

TEST(Patch, HugeFilesCountAsBinary) {
  const KernelSession session("echo text > f", "truncate -s 65M f");
  SKIP_UNLESS_MADE(session);
  const Written written = patch_of_session(session);
  EXPECT_EQ(written.text, "Binary files a/f and b/f differ\n");
  EXPECT_TRUE(written.count.binary);
}

TEST(Patch, DevicesAndFifosAreLeftOut) {
  const KernelSession session("mkfifo p; mknod c c 1 3",
                              "rm p; mkfifo q; chmod 600 c; mknod b b 7 1");
  SKIP_UNLESS_MADE(session);
  EXPECT_EQ(patch_of_session(session).text, "");
}

}  // namespace
}  // namespace veneer::finalize
