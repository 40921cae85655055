// SPDX-License-Identifier: MIT
//
// Random trees: written, read back and written again they are the same.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "composefs/dump_text.h"
#include "composefs/image.h"
#include "composefs/image_tree.h"
#include "test/unit/composefs/from_dump.h"

namespace veneer::composefs {
namespace {

class RandomDump {
 public:
  explicit RandomDump(unsigned seed) : random_(seed) {}

  std::string make() {
    std::string dump =
        "/ 0 40755 2" + owner_and_times(0) + " - - -" + xattrs() + "\n";
    const unsigned count = std::array{0U, 3U, 30U, 200U}[below(4)];
    for (unsigned i = 0; i < count; ++i) dump += line(i);
    return dump;
  }

 private:
  unsigned below(unsigned limit) {
    return std::uniform_int_distribution<unsigned>(0, limit - 1)(random_);
  }

  std::string owner_and_times(unsigned rdev) {
    constexpr std::array kOwners = {" 0 0 ", " 0 0 ", " 70000 5 ", " 1 65536 "};
    constexpr std::array kTimes = {" 0.0", " 0.0", " -1.9", " 1700000000.123"};
    return kOwners[below(4)] + std::to_string(rdev) + kTimes[below(4)];
  }

  std::string bytes(unsigned size) {
    std::string text;
    for (unsigned i = 0; i < size; ++i) text += static_cast<char>(below(256));
    return text;
  }

  std::string escaped(const std::string& text, Escape how) {
    std::string result;
    append_escaped(result, text, how);
    return result;
  }

  std::string xattrs() {
    constexpr std::array kNames = {"user.a",
                                   "user.b",
                                   "trusted.overlay.opaque",
                                   "trusted.t",
                                   "security.selinux",
                                   "system.posix_acl_access",
                                   "trusted.overlay.overlay.x",
                                   "lustre.l",
                                   "user.",
                                   "odd"};
    std::set<std::string> names;
    for (unsigned i = below(4); i > 0; --i) names.insert(kNames[below(10)]);
    std::string text;
    for (const std::string& name : names) {
      const std::string value = below(2) == 0 ? "same" : bytes(below(40));
      text += " " + name + "=" + escaped(value, Escape::kXattr);
    }
    return text;
  }

  std::string line(unsigned i) {
    const std::string name =
        escaped(bytes_of_name() + std::to_string(i), Escape::kPlain);
    const std::string path = dirs_[below(unsigned(dirs_.size()))] + "/" + name;
    switch (below(8)) {
      case 0:
        dirs_.push_back(path);
        return path + " 0 40755 2" + owner_and_times(0) + " - - -" + xattrs() +
               "\n";
      case 1:
        return path + " 0 120777 1" + owner_and_times(0) + " " +
               std::string(1 + below(4095), 't') + " - -" + xattrs() + "\n";
      case 2:
        return path + " 0 20644 1" + owner_and_times(below(2) * 259) +
               " - - -" + xattrs() + "\n";
      case 3: {
        const std::string content = bytes(1 + below(5000));
        return path + " " + std::to_string(content.size()) + " 100600 1" +
               owner_and_times(0) + " - " +
               escaped(content, Escape::kOptional) + " -" + xattrs() + "\n";
      }
      case 4:
        if (files_.empty()) return "";
        return path + " 0 @100644 - - - - - " +
               files_[below(unsigned(files_.size()))] + " - -\n";
      default:
        files_.push_back(path);
        return path + " " + std::to_string(1 + below(1U << 30)) + " 100644 1" +
               owner_and_times(0) + object() + xattrs() + "\n";
    }
  }

  std::string bytes_of_name() {
    std::string name = bytes(1 + below(40));
    std::ranges::replace(name, '/', '_');
    std::ranges::replace(name, '\0', '_');
    return name;
  }

  std::string object() {
    Digest256 digest = {};
    digest[0] = static_cast<std::uint8_t>(below(below(2) == 0 ? 3 : 256));
    const std::string payload =
        below(4) == 0 ? std::string(1 + below(90), 'p') : object_name(digest);
    return " " + payload + " - " +
           (below(4) == 0 ? std::string("-") : to_hex(digest));
  }

  std::mt19937 random_;
  std::vector<std::string> dirs_ = {""};
  std::vector<std::string> files_;
};

std::string dump_of(const std::string& image) {
  sys::UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  EXPECT_EQ(::pwrite(fd.get(), image.data(), image.size(), 0),
            static_cast<ssize_t>(image.size()));
  const auto opened = Image::open(std::move(fd), "image");
  EXPECT_TRUE(opened) << opened.error().message();
  if (!opened) return "";
  const auto tree = read_image_tree(*opened);
  EXPECT_TRUE(tree) << tree.error().message();
  if (!tree) return "";
  std::string text;
  const auto keep = [&text](std::string_view more) -> Result<void> {
    text += more;
    return {};
  };
  EXPECT_TRUE(write_dump(**tree, {}, keep));
  return text;
}

TEST(RoundTrip, DumpsOfImagesOfDumpsAreEqual) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    const std::string first = dump_of(image_of(RandomDump(seed).make()));
    const std::string image = image_of(first);

    EXPECT_EQ(dump_of(image), first);
    EXPECT_TRUE(image_of(dump_of(image)) == image);
    if (::testing::Test::HasFailure()) break;
  }
}

TEST(RoundTrip, GoldenDumpsComeBackWithTheirImages) {
  for (const auto& [name, dump] : golden_dumps()) {
    SCOPED_TRACE(name);
    for (const unsigned version : {0U, 1U}) {
      const ImageVersions versions = {version, version};
      const std::string image = image_of(dump, versions);
      // The first of two names in the order of a walk becomes the file.
      if (name == "hardlink") continue;
      EXPECT_TRUE(image_of(dump_of(image), versions) == image);
    }
  }
}

}  // namespace
}  // namespace veneer::composefs
