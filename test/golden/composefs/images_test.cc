// SPDX-License-Identifier: MIT
//
// Images of fixed dumps, by their digests. expected.json has, for each dump and
// for the versions 0 to 1, 0 and 1, the SHA-256 of the image, its fs-verity
// digest and its size; they were made with the reference tool. An image is
// known by its digest, so none of them may ever change.

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "base/bytes.h"
#include "base/digest.h"
#include "composefs/dump_text.h"
#include "composefs/image_writer.h"
#include "composefs/plan.h"

namespace veneer::composefs {
namespace {

constexpr std::array kVersions = {ImageVersions{0, 1}, ImageVersions{0, 0},
                                  ImageVersions{1, 1}};

std::string read_file(const std::string& name) {
  std::ostringstream content;
  content << std::ifstream(VENEER_SOURCE_DIR "/test/golden/composefs/" + name,
                           std::ios::binary)
                 .rdbuf();
  return content.str();
}

// The bytes of what `file` holds, from the start.
std::string read_back(std::FILE* file) {
  std::string bytes;
  std::array<char, 65536> buffer;
  std::rewind(file);
  while (const std::size_t n =
             std::fread(buffer.data(), 1, buffer.size(), file)) {
    bytes.append(buffer.data(), n);
  }
  return bytes;
}

TEST(ComposefsImages, AreThoseOfTheReferenceToTheByte) {
  const auto expected = nlohmann::json::parse(read_file("expected.json"));
  ASSERT_EQ(expected.size(), 19U);
  for (const auto& row : expected) {
    const std::string name = row[0];
    const auto tree = read_dump(read_file(name + ".dump"));
    ASSERT_TRUE(tree) << tree.error().message();
    for (std::size_t i = 0; i < kVersions.size(); ++i) {
      SCOPED_TRACE(name + ", versions " + std::to_string(i));
      const auto plan = Plan::make(**tree, kVersions[i]);
      ASSERT_TRUE(plan) << plan.error().message();
      std::FILE* const file = std::tmpfile();
      ASSERT_NE(file, nullptr);
      const auto written = write_image(**plan, ::fileno(file));
      ASSERT_TRUE(written) << written.error().message();
      const std::string image = read_back(file);
      std::fclose(file);

      EXPECT_EQ(to_hex(sha256(as_bytes(image))), row[i + 1][0]);
      EXPECT_EQ(to_hex(written->digest), row[i + 1][1]);
      EXPECT_EQ(written->size, row[i + 1][2]);
      EXPECT_EQ(image.size(), row[i + 1][2]);
    }
  }
}

TEST(ComposefsImages, DigestNeedsNoImage) {
  const auto tree = read_dump(read_file("simple.dump"));
  ASSERT_TRUE(tree) << tree.error().message();
  const auto plan = Plan::make(**tree, {});
  ASSERT_TRUE(plan) << plan.error().message();

  const auto written = write_image(**plan, -1);

  ASSERT_TRUE(written) << written.error().message();
  EXPECT_EQ(to_hex(written->digest),
            "9f3f5620ee0c54708516467d0d58741e7963047c7106b245d94c298259d0fa01");
}

}  // namespace
}  // namespace veneer::composefs
