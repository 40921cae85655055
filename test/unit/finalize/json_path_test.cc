// SPDX-License-Identifier: MIT
//
// Paths in JSON: every byte comes back, and nothing else is taken for a path.

#include "finalize/json_path.h"

#include <gtest/gtest.h>

namespace veneer::finalize {
namespace {

TEST(PathInJson, KeepsEveryByte) {
  for (const std::string path :
       {"", "/plain", "/\xC3\xA4", "/\xFF", "/\xC3", "/\xED\xA0\x80",
        "/\xF4\x90\x80\x80", "/a\nb\"\\", "/\xC0\xAF"}) {
    const nlohmann::json value = path_to_json(path);
    const auto again = nlohmann::json::parse(value.dump());
    EXPECT_EQ(path_from_json(again), path);
  }
}

TEST(PathInJson, StandsAsItIsWhereItIsUtf8) {
  EXPECT_TRUE(
      path_to_json("/\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80").is_string());
  EXPECT_EQ(path_to_json("/\xFF").dump(), R"({"bytes":"2fff"})");
}

TEST(PathInJson, OtherFormsAreNone) {
  for (const char* const text :
       {"7", "null", "{}", R"({"bytes":7})", R"({"bytes":"2"})",
        R"({"bytes":"zz"})", "[]"}) {
    EXPECT_EQ(path_from_json(nlohmann::json::parse(text)), std::nullopt)
        << text;
  }
}

}  // namespace
}  // namespace veneer::finalize
