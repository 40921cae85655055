// SPDX-License-Identifier: MIT
//
// The fixture of the tests that finish a session as a user does: a base in a
// directory of its own, mounted with nothing else named, changed through the
// mount, unmounted, and then the program run on what is there.

#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/support/process.h"
#include "test/support/tree.h"

namespace veneer::testing {

/// Whether `end` failed with one line that names `what` and ends with a remedy.
::testing::AssertionResult is_refused(const Finished& end,
                                      const std::string& what, int status = 1);

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? place_ : place_ + "/" + name;
  }
  [[nodiscard]] std::string base() const { return path("base"); }
  [[nodiscard]] std::string upper() const { return path("base.upper"); }
  [[nodiscard]] std::string m(const std::string& name = "") const {
    return path("base.mountpoint") + (name.empty() ? "" : "/" + name);
  }

  std::string make_dir(const std::string& name) const;
  [[nodiscard]] bool exists(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> list(const std::string& name) const;
  void write(const std::string& file, const std::string& text) const;
  [[nodiscard]] std::string read(const std::string& file) const;

  /// Runs the program under test; in `directory`, if one is given.
  Finished veneer(const std::vector<std::string>& arguments,
                  const std::string& directory = "") const;
  nlohmann::json veneer_json(const std::vector<std::string>& arguments) const;
  /// A shell script in the mount.
  void change(const std::string& script) const;

  void mount() const;
  void unmount() const;
  /// Mounts, runs `script` in the mount, unmounts.
  void session(const std::string& script) const;
  /// What the user saw at the end of session(), all of it.
  [[nodiscard]] const Tree& seen() const { return seen_; }

 private:
  std::string place_;
  mutable Tree seen_;
};

}  // namespace veneer::testing
