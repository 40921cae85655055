// SPDX-License-Identifier: MIT
//
// A session in a scratch directory: work in it through the engine, close it,
// look at its changes, commit it.

#pragma once

#include <string>
#include <vector>

#include "finalize/commit.h"
#include "finalize/scan.h"
#include "test/unit/overlay/scene.h"

namespace veneer::testing {

class FinishScene : public Scene {
 protected:
  finalize::Directories directories() const {
    finalize::Directories dirs{.lowers = {},
                               .upper = path("upper"),
                               .work = path("upper.work"),
                               .began = began_};
    for (const std::string& lower : lowers_) dirs.lowers.push_back(path(lower));
    return dirs;
  }

  /// As `veneer diff` prints them: "M etc/motd", "R old -> new"; the session
  /// must be closed. Without the root, whose upper is made by the test.
  std::vector<std::string> lines(finalize::ScanOptions options = {}) const {
    auto trees = finalize::open_trees(directories());
    EXPECT_TRUE(trees) << trees.error().message();
    if (!trees) return {};
    const auto changes = finalize::scan(*trees, options);
    EXPECT_TRUE(changes) << changes.error().message();
    return changes ? lines_of(*changes) : std::vector<std::string>();
  }
  static std::vector<std::string> lines_of(const finalize::Changes& changes) {
    std::vector<std::string> all;
    for (const finalize::Change& change : changes) {
      if (change.path.empty()) continue;
      std::string line(1, finalize::letter_of(change.kind));
      line += ' ';
      if (change.kind == finalize::ChangeKind::kRenamed) {
        line += change.base_path + " -> ";
      }
      line += change.path;
      if (!change.conflict.empty()) line += " !";
      all.push_back(line);
    }
    return all;
  }

  /// Closes the session and commits it; the error's text, or "".
  std::string commit(const finalize::CommitOptions& options = {}) {
    close();
    const auto done = finalize::commit(directories(), options);
    return done ? "" : done.error().message();
  }

  std::vector<std::string> lowers_ = {"lower"};
  std::int64_t began_ = 0;
};

}  // namespace veneer::testing
