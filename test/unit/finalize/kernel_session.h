// SPDX-License-Identifier: MIT
//
// A session made by the kernel's overlayfs: a base, an upper that real work
// through a real mount has left, and what the user saw at the end of it. Needs
// root; where nothing can be mounted, is_made() is false and the test skips.

#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <string>

#include "finalize/scan.h"
#include "finalize/trees.h"
#include "test/support/process.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"

namespace veneer::finalize {

/// Runs a shell script in `dir`, which must succeed.
inline void shell(const std::string& dir, const std::string& script) {
  const auto done =
      veneer::testing::run({"sh", "-ec", "cd \"$0\"\n" + script, dir}, 120);
  ASSERT_EQ(done.status, 0) << script << "\n" << done.out << done.err;
}

class KernelSession {
 public:
  /// `before` makes the base, `work` changes the merged tree; both are shell
  /// scripts.
  KernelSession(const std::string& before, const std::string& work) {
    if (!scratch_.is_made()) return;
    for (const char* name : {"base", "upper", "work", "merged"}) {
      std::filesystem::create_directory(scratch_.path(name));
    }
    shell(base(), before);
    shell(upper(), "touch -r ../base .");
    const std::string options = "lowerdir=" + base() + ",upperdir=" + upper() +
                                ",workdir=" + scratch_.path("work") +
                                ",redirect_dir=on,index=on,metacopy=on,xino=on";
    const std::string merged = scratch_.path("merged");
    if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) !=
        0) {
      return;
    }
    shell(merged, work);
    seen_ = veneer::testing::read_tree(merged);
    made_ = true;
    ::umount2(merged.c_str(), MNT_DETACH);
  }

  [[nodiscard]] bool is_made() const { return made_; }
  [[nodiscard]] std::string base() const { return scratch_.path("base"); }
  [[nodiscard]] std::string upper() const { return scratch_.path("upper"); }
  [[nodiscard]] std::string path(std::string_view name) const {
    return scratch_.path(name);
  }
  /// The merged tree.
  [[nodiscard]] const veneer::testing::Tree& seen() const { return seen_; }

  [[nodiscard]] Trees trees() const {
    auto trees = open_trees(
        {.lowers = {base()}, .upper = upper(), .work = scratch_.path("work")});
    EXPECT_TRUE(trees) << trees.error().message();
    return *std::move(trees);
  }
  static Changes changes(Trees& trees) {
    auto changes = scan(trees, {.unchanged = true});
    EXPECT_TRUE(changes) << changes.error().message();
    return changes ? *std::move(changes) : Changes();
  }

 private:
  veneer::testing::ScratchDir scratch_;
  veneer::testing::Tree seen_;
  bool made_ = false;
};

}  // namespace veneer::finalize
