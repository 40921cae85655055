// SPDX-License-Identifier: MIT
//
// The upper is a complete record: applied to a copy of the lower by the rules
// of the on-disk format, read with ordinary tools, it gives the merged tree.

#include <fcntl.h>
#include <unistd.h>

#include "test/support/overlay_test.h"

namespace veneer::testing {
namespace {

// Copies upper entry `path` onto the tree at `base`.
void apply_entry(const std::string& path, const Entry& entry,
                 const std::string& upper, const std::string& base) {
  const std::string to = base + "/" + path;
  const bool is_opaque = entry.xattrs.contains("trusted.overlay.opaque");
  if (entry.kind != Kind::kDir || is_opaque) run({"rm", "-rf", to});
  if (entry.kind == Kind::kWhiteout) return;
  if (entry.kind == Kind::kDir) {
    run({"mkdir", "-p", to});
    run({"chmod", "--reference=" + upper + "/" + path, to});
    run({"chown", "--reference=" + upper + "/" + path, to});
  } else {
    run({"cp", "-a", "--no-preserve=links", upper + "/" + path, to});
  }
}

class FlattenTest : public OverlayTest {};

// Row 73
TEST_P(FlattenTest, UpperAppliedToTheLowerIsTheMergedTree) {
  mount({.lower = {{{"a", File("1")},
                    {"b", File("2")},
                    {"d", Dir()},
                    {"d/x", File("3")},
                    {"d/y", File("4")},
                    {"old", Dir()},
                    {"old/f", File("5")},
                    {"to_dir", File("6")},
                    {"s", Symlink("a")}}},
         .upper = {}});
  ASSERT_THAT(append("a", "+"), Succeeds());
  ASSERT_THAT(unlink("b"), Succeeds());
  ASSERT_THAT(unlink("d/x"), Succeeds());
  ASSERT_THAT(write_file("d/new", "n"), Succeeds());
  ASSERT_THAT(chmod("d", 0700), Succeeds());
  ASSERT_THAT(unlink("old/f"), Succeeds());
  ASSERT_THAT(rmdir("old"), Succeeds());
  ASSERT_THAT(mkdir("old"), Succeeds());
  ASSERT_THAT(write_file("old/g", "7"), Succeeds());
  ASSERT_THAT(unlink("to_dir"), Succeeds());
  ASSERT_THAT(mkdir("to_dir"), Succeeds());
  ASSERT_THAT(unlink("s"), Succeeds());
  ASSERT_THAT(symlink("d/new", "s"), Succeeds());
  const Tree view = merged();
  unmount();

  const std::string base = make_dir("flat");
  ASSERT_EQ(run({"cp", "-a", l(0, "") + "/.", base}).status, 0);
  accept_lower_changes();  // the copy above has read them
  for (const auto& [path, entry] : upper().entries()) {
    if (!path.empty()) apply_entry(path, entry, u(), base);
  }

  constexpr Compare kLoose = {.dir_mtime = false, .root = false};
  Tree flat = read_tree(base);
  for (const std::string& path : flat.paths()) {
    Entry entry = flat.at(path);
    std::erase_if(entry.xattrs, [](const auto& attribute) {
      return attribute.first.starts_with("trusted.overlay.");
    });
    flat.set(path, entry);
  }
  EXPECT_EQ(differences(view, flat, kLoose), "");
}

VENEER_ON_EVERY_TARGET(FlattenTest);

}  // namespace
}  // namespace veneer::testing
