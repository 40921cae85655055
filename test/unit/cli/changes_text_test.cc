// SPDX-License-Identifier: MIT
//
// Changes as lines, fields and JSON, whatever the names are.

#include "cli/changes_text.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace veneer::cli {
namespace {

using finalize::Change;
using finalize::ChangeKind;
using std::string_literals::operator""s;

Change change_of(ChangeKind kind, std::string path,
                 std::uint32_t mode = S_IFREG | 0644) {
  Change change;
  change.kind = kind;
  change.path = std::move(path);
  change.attr.mode = mode;
  change.base_attr.mode = mode;
  return change;
}

Change renamed(std::string from, std::string to) {
  Change change = change_of(ChangeKind::kRenamed, std::move(to));
  change.base_path = std::move(from);
  return change;
}

TEST(ShowPath, PlainNamesStandAsTheyAre) {
  EXPECT_EQ(show_path("etc/motd"), "etc/motd");
  EXPECT_EQ(show_path("a b"), "a b");
  EXPECT_EQ(show_path("\xC3\xA4"), "\xC3\xA4");
  EXPECT_EQ(show_path("etc", true), "etc/");
  EXPECT_EQ(show_path("", true), ".");
}

TEST(ShowPath, WhatATerminalWouldObeyIsEscaped) {
  EXPECT_EQ(show_path("a\nb\t"), R"("a\nb\t")");
  EXPECT_EQ(show_path("\x1B[2J"), R"("\033[2J")");
  EXPECT_EQ(show_path("\xFF"), R"("\377")");
  EXPECT_EQ(show_path("a\"\\"), R"("a\"\\")");
  EXPECT_EQ(show_path("\xC2\x9B"), R"("\302\233")") << "CSI in one character";
  EXPECT_EQ(show_path("a\n", true), R"("a\n/")");
}

TEST(ShowChange, OneLineForEachKind) {
  EXPECT_EQ(show_change(change_of(ChangeKind::kAdded, "a")), "A  a");
  EXPECT_EQ(show_change(change_of(ChangeKind::kDeleted, "d", S_IFDIR)),
            "D  d/");
  EXPECT_EQ(show_change(renamed("old", "new")), "R  old -> new");
  Change change = change_of(ChangeKind::kMetadata, "", S_IFDIR);
  change.differs = finalize::kModeDiffers | finalize::kXattrsDiffer;
  EXPECT_EQ(show_change(change), "m  . (mode, xattrs)");
  change = change_of(ChangeKind::kContent, "f");
  change.conflict = "was changed";
  EXPECT_EQ(show_change(change), "M  f  (conflict: was changed)");
}

TEST(ChangeFields, AreEndedByNulAndNotQuoted) {
  EXPECT_EQ(change_fields(change_of(ChangeKind::kAdded, "a\nb")), "A\0a\nb\0"s);
  EXPECT_EQ(change_fields(renamed("a", "b")), "R\0a\0b\0"s);
  EXPECT_EQ(change_fields(change_of(ChangeKind::kMetadata, "")), "m\0.\0"s);
}

TEST(ChangeToJson, HasTheKeysThatMeanSomething) {
  Change change = renamed("a", "b\xFF");
  change.attr.size = 7;
  change.content_differs = true;
  change.differs = finalize::kOwnerDiffers;
  change.link_group = 3;

  const nlohmann::json value = change_to_json(change);

  EXPECT_EQ(value, nlohmann::json::parse(R"({
    "change": "R", "path": {"bytes": "62ff"}, "old_path": "a", "type": "file",
    "size": 7, "differs": ["content", "owner"], "link_group": 3})"));
  EXPECT_EQ(
      change_to_json(change_of(ChangeKind::kAdded, "f", S_IFIFO)),
      nlohmann::json::parse(R"({"change": "A", "path": "f", "type": "fifo"})"));
}

TEST(ShowSummary, NamesWhatThereIs) {
  EXPECT_EQ(show_summary({}), "nothing changed");
  finalize::Summary summary;
  summary.added = 2;
  summary.deleted = 1;
  summary.bytes = 1536;
  EXPECT_EQ(show_summary(summary), "2 added, 1 deleted (1.5 KiB)");
  summary.conflicts = 1;
  EXPECT_EQ(show_summary(summary),
            "2 added, 1 deleted (1.5 KiB); 1 in conflict with the base");
}

TEST(ShowSize, PicksTheUnit) {
  EXPECT_EQ(show_size(0), "0 bytes");
  EXPECT_EQ(show_size(1), "1 byte");
  EXPECT_EQ(show_size(1023), "1023 bytes");
  EXPECT_EQ(show_size(1024), "1.0 KiB");
  EXPECT_EQ(show_size((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(show_size(std::uint64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(show_size(~std::uint64_t{0}), "16.0 EiB");
}

TEST(ToTreePath, IsCountedFromTheRootOfTheTree) {
  EXPECT_EQ(to_tree_path("etc/motd", "/m"), "etc/motd");
  EXPECT_EQ(to_tree_path("./etc//", "/m"), "etc");
  EXPECT_EQ(to_tree_path(".", "/m"), "");
  EXPECT_EQ(to_tree_path("a/../b", "/m"), "b");
  EXPECT_EQ(to_tree_path("/m/etc", "/m"), "etc");
  EXPECT_EQ(to_tree_path("/m/", "/m"), "");
  EXPECT_EQ(to_tree_path("/other", "/m"), std::nullopt);
  EXPECT_EQ(to_tree_path("/mm", "/m"), std::nullopt);
  EXPECT_EQ(to_tree_path("..", "/m"), std::nullopt);
  EXPECT_EQ(to_tree_path("a/../../b", "/m"), std::nullopt);
}

TEST(SelectPaths, TakesWhatIsAtOrBelow) {
  const finalize::Changes all = {
      change_of(ChangeKind::kAdded, "a"), change_of(ChangeKind::kAdded, "a/b"),
      change_of(ChangeKind::kAdded, "ab"), renamed("x/y", "z")};

  EXPECT_EQ(select_paths(all, {}).size(), 4U);
  EXPECT_EQ(select_paths(all, {""}).size(), 4U);
  EXPECT_EQ(select_paths(all, {"a"}).size(), 2U);
  ASSERT_EQ(select_paths(all, {"x"}).size(), 1U);
  EXPECT_EQ(select_paths(all, {"x"}).front().path, "z");
  EXPECT_TRUE(select_paths(all, {"none"}).empty());
}

}  // namespace
}  // namespace veneer::cli
