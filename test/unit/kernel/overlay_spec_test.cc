// SPDX-License-Identifier: MIT
//
// How a mount of overlayfs is said to the kernel.

#include "kernel/overlay_spec.h"

#include <gmock/gmock.h>

namespace veneer::kernel {
namespace {

using ::testing::ElementsAre;

// "key", "key=value" or "key=#fd", an optional one in brackets.
std::vector<std::string> said(const OverlaySpec& spec, LayerForm form) {
  std::vector<std::string> words;
  for (const OverlayParameter& parameter : overlay_parameters(spec, form)) {
    std::string word = parameter.key;
    if (parameter.fd) word += "=#" + std::to_string(*parameter.fd);
    if (!parameter.value.empty()) word += "=" + parameter.value;
    if (parameter.is_optional) word = "[" + word + "]";
    words.push_back(word);
  }
  return words;
}

TEST(OverlaySpecTest, LowersComeBeforeDataLayers) {
  const OverlaySpec spec{.lowers = {3, 4}, .data = {5, 6}};

  EXPECT_THAT(said(spec, LayerForm::kDescriptors),
              ElementsAre("source=veneer", "lowerdir+=#3", "lowerdir+=#4",
                          "datadir+=#5", "datadir+=#6"));
  EXPECT_THAT(
      said(spec, LayerForm::kPaths),
      ElementsAre("source=veneer", "lowerdir+=/proc/self/fd/3",
                  "lowerdir+=/proc/self/fd/4", "datadir+=/proc/self/fd/5",
                  "datadir+=/proc/self/fd/6"));
  EXPECT_THAT(said(spec, LayerForm::kOneString),
              ElementsAre("source=veneer",
                          "lowerdir=/proc/self/fd/3:/proc/self/fd/4"
                          "::/proc/self/fd/5::/proc/self/fd/6"));
}

TEST(OverlaySpecTest, UpperAndWorkAreSaidTogether) {
  const OverlaySpec spec{.lowers = {3}, .upper = 7, .work = 8};

  EXPECT_THAT(said(spec, LayerForm::kDescriptors),
              ElementsAre("source=veneer", "upperdir=#7", "workdir=#8",
                          "lowerdir+=#3"));
}

TEST(OverlaySpecTest, UserxattrExcludesMetacopyAndRedirects) {
  EXPECT_THAT(said(composefs_overlay(3, {4}, true), LayerForm::kDescriptors),
              ElementsAre("source=composefs", "userxattr", "lowerdir+=#3",
                          "datadir+=#4"));
  EXPECT_THAT(said(composefs_overlay(3, {4}, false), LayerForm::kDescriptors),
              ElementsAre("source=composefs", "metacopy=on", "redirect_dir=on",
                          "lowerdir+=#3", "datadir+=#4"));
}

TEST(OverlaySpecTest, VerityIsRequiredOrTried) {
  OverlaySpec spec{.lowers = {3}};
  spec.verity = OverlayVerity::kRequire;
  EXPECT_THAT(said(spec, LayerForm::kDescriptors),
              ElementsAre("source=veneer", "verity=require", "lowerdir+=#3"));
  spec.verity = OverlayVerity::kTry;
  EXPECT_THAT(said(spec, LayerForm::kDescriptors),
              ElementsAre("source=veneer", "[verity=on]", "lowerdir+=#3"));
}

TEST(OverlaySpecTest, LegacyOptionsAreOneStringWithoutTheSource) {
  OverlaySpec spec = composefs_overlay(3, {4}, false);
  spec.upper = 5;
  spec.work = 6;
  spec.verity = OverlayVerity::kTry;
  spec.options.emplace_back("index", "a,b");

  EXPECT_EQ(legacy_options(spec),
            "metacopy=on,redirect_dir=on,index=a\\,b,"
            "upperdir=/proc/self/fd/5,workdir=/proc/self/fd/6,"
            "lowerdir=/proc/self/fd/3::/proc/self/fd/4");
}

TEST(OverlaySpecTest, ColonsAndBackslashesOfPathsAreEscaped) {
  EXPECT_EQ(escape_layer("/a:b\\c,d"), "/a\\:b\\\\c,d");
}

}  // namespace
}  // namespace veneer::kernel
