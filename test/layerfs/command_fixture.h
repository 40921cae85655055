// SPDX-License-Identifier: MIT
//
// The fixture of the tests that make layers as a user does: a place with a
// store in it, and the program run there.

#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "test/support/process.h"
#include "test/support/scratch_dir.h"
#include "test/support/tree.h"

namespace veneer::testing {

class LayerCommandTest : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  void SetUp() override { ASSERT_TRUE(scratch_.is_made()); }

  [[nodiscard]] std::string path(const std::string& name) const {
    return scratch_.path(name);
  }
  [[nodiscard]] std::string store() const { return path("store"); }

  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(path(name));
  }
  void make_tree(const std::string& name, const Tree& tree) const {
    std::filesystem::create_directory(path(name));
    build_tree(tree, path(name));
  }

  /// veneer layer ...
  [[nodiscard]] static Finished layer(Words words) {
    const char* const named = ::getenv("VENEER_BIN");
    words.insert(words.begin(), {named ? named : VENEER_BIN_DEFAULT, "layer"});
    return run(words);
  }
  /// The same, which must succeed; its output.
  static std::string made(const Words& words) {
    const Finished end = layer(words);
    EXPECT_EQ(end.status, 0) << end.err;
    return end.out;
  }
  static nlohmann::json made_json(const Words& words) {
    return nlohmann::json::parse(made(words), nullptr, false);
  }
  /// Builds the layer `out` from `sort` ("--tar") `source`.
  nlohmann::json build(const std::string& out, const std::string& sort,
                       const std::string& source, Words more = {}) const {
    Words words = {"build",   "--json", "--out", path(out),
                   "--blobs", store(),  sort,    path(source)};
    words.insert(words.end(), more.begin(), more.end());
    return made_json(words);
  }
  /// It fails with one line that names `what`, and leaves no layer.
  void build_fails(const std::string& sort, const std::string& source,
                   const std::string& what, Words more = {}) const {
    Words words = {"build", "--out", path("failed"), "--blobs",
                   store(), sort,    path(source)};
    words.insert(words.end(), more.begin(), more.end());
    const Finished end = layer(words);
    EXPECT_EQ(end.status, 1) << end.out;
    EXPECT_THAT(end.err, ::testing::StartsWith("veneer: "));
    EXPECT_THAT(end.err, ::testing::HasSubstr(what));
    EXPECT_EQ(std::ranges::count(end.err, '\n'), 1) << end.err;
    EXPECT_FALSE(exists("failed"));
  }
  /// All that a layer holds, as text.
  [[nodiscard]] std::string text_of(const std::string& name) const {
    return made({"manifest", "--text", "--blobs", store(), path(name)});
  }
  [[nodiscard]] std::string text_of_dir(const std::string& name) const {
    return made({"manifest", "--text", "--dir", path(name)});
  }
  void expect_sound(const std::string& name) const {
    EXPECT_EQ(made({"verify", "--data", "--blobs", store(), path(name)}), "");
  }
  static void shell(const std::string& script) {
    const Finished end = run({"sh", "-ec", script});
    ASSERT_EQ(end.status, 0) << script << "\n" << end.err;
  }

 private:
  ScratchDir scratch_;
};

}  // namespace veneer::testing
