// SPDX-License-Identifier: MIT
//
// Option strings: what is understood, and how what is not is refused.

#include "session/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace veneer::session {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Config parse(std::string_view text) {
  Config config;
  const auto applied = apply_option_string(text, config);
  EXPECT_TRUE(applied) << text << ": " << applied.error().message();
  return config;
}

std::string refusal_of(std::string_view text) {
  Config config;
  const auto applied = apply_option_string(text, config);
  EXPECT_FALSE(applied) << text;
  if (applied) return "";
  EXPECT_EQ(applied.error().code(), EINVAL);
  return applied.error().message();
}

TEST(OptionString, NamesTheDirectoriesAsMountDoes) {
  const Config config = parse("lowerdir=/top:/base,upperdir=/up,workdir=/work");

  EXPECT_THAT(config.lowers, ElementsAre("/top", "/base"));
  EXPECT_EQ(config.upper, "/up");
  EXPECT_EQ(config.work, "/work");
}

TEST(OptionString, BackslashMakesColonAndCommaPartOfAPath) {
  const Config config =
      parse(R"(lowerdir=/a\:b:/c\,d:/e\\f,upperdir=/x\,y,lowerdir+=/z)");

  EXPECT_THAT(config.lowers, ElementsAre("/a:b", "/c,d", "/e\\f", "/z"));
  EXPECT_EQ(config.upper, "/x,y");
}

TEST(OptionString, LowerdirPlusTakesColonsAsTheyAre) {
  EXPECT_THAT(parse("lowerdir+=/a:b,lowerdir+=/c").lowers,
              ElementsAre("/a:b", "/c"));
}

TEST(OptionString, EmptyPathIsRefused) {
  EXPECT_THAT(refusal_of("lowerdir=/a::/data"), HasSubstr("empty path"));
  EXPECT_THAT(refusal_of("lowerdir="), HasSubstr("empty path"));
  EXPECT_EQ(refusal_of("upperdir="), "upperdir must not be empty");
}

TEST(OptionString, SetsBehaviour) {
  const Config config = parse(
      "ro,inode_mode=persistent,whiteouts=dotwh,io_uring=off,writeback=on,"
      "fsync=strict,timeout=1.5,threads=3");

  EXPECT_TRUE(config.read_only);
  EXPECT_EQ(config.options.inode_mode, overlay::InodeMode::kPersistent);
  EXPECT_EQ(config.options.whiteouts, layer::WhiteoutForm::kDotWh);
  EXPECT_EQ(config.options.io_uring, Choice::kOff);
  EXPECT_EQ(config.options.writeback, Choice::kOn);
  EXPECT_EQ(config.options.fsync, overlay::FsyncPolicy::kStrict);
  EXPECT_EQ(config.options.timeout, 1.5);
  EXPECT_EQ(config.options.threads, 3U);
}

TEST(OptionString, VolatileIsFsyncVolatile) {
  EXPECT_EQ(parse("volatile").options.fsync, overlay::FsyncPolicy::kVolatile);
  EXPECT_EQ(parse("fsync=volatile").options.fsync,
            overlay::FsyncPolicy::kVolatile);
}

TEST(OptionString, LaterWordsWin) {
  EXPECT_FALSE(parse("ro,rw").read_only);
  EXPECT_EQ(parse("dev,nodev").options.dev, false);
  EXPECT_EQ(parse("nosuid,suid").options.suid, true);
  EXPECT_EQ(parse("allow_other,noallow_other").options.allow_other, false);
}

TEST(OptionString, MountFlagsStayUnsetUnlessNamed) {
  const Options options = parse("").options;

  EXPECT_EQ(options.dev, std::nullopt);
  EXPECT_EQ(options.suid, std::nullopt);
  EXPECT_EQ(options.allow_other, std::nullopt);
  EXPECT_TRUE(options.exec);
}

TEST(OptionString, WordsOfFstabAreLeftToOthers) {
  const Config config = parse(
      "defaults,user,nofail,noauto,_netdev,x-systemd.automount,"
      "X-mount.mkdir=0755,comment=home,noatime");

  EXPECT_TRUE(config.lowers.empty());
  EXPECT_FALSE(config.read_only);
}

TEST(OptionString, UnknownWordIsRefusedWithTheNearest) {
  EXPECT_THAT(refusal_of("lowerdr=/a"), HasSubstr("'lowerdr'"));
  EXPECT_THAT(refusal_of("lowerdr=/a"), HasSubstr("did you mean 'lowerdir'?"));
  EXPECT_THAT(refusal_of("allow-other"), HasSubstr("'allow_other'"));
  EXPECT_THAT(refusal_of("bananas"), HasSubstr("--help"));
}

TEST(OptionString, ValueIsNeededOrForbidden) {
  EXPECT_THAT(refusal_of("upperdir"), HasSubstr("upperdir=DIR"));
  EXPECT_THAT(refusal_of("ro=1"), HasSubstr("takes no value"));
}

TEST(OptionString, ValueOutsideItsRangeIsRefused) {
  EXPECT_THAT(refusal_of("fsync=maybe"),
              HasSubstr("auto or strict or volatile"));
  EXPECT_THAT(refusal_of("threads=0"), HasSubstr("from 1 to 1024"));
  EXPECT_THAT(refusal_of("threads=2x"), HasSubstr("'2x'"));
  EXPECT_THAT(refusal_of("timeout=-1"), HasSubstr("must be a number"));
  EXPECT_THAT(refusal_of("timeout=nan"), HasSubstr("must be a number"));
  EXPECT_THAT(refusal_of("timeout="), HasSubstr("must be a number"));
}

TEST(OptionString, RemembersWhatWasGiven) {
  EXPECT_THAT(parse("fsync=auto,allow_other,ro").given,
              ElementsAre("allow_other", "fsync", "read-only"));
}

TEST(OptionTable, HasEachFlagAndEachWordOnce) {
  std::set<std::string_view> flags;
  std::set<std::string_view> words;
  for (const OptionSpec& option : option_table()) {
    if (!option.flag.empty()) {
      EXPECT_TRUE(flags.insert(option.flag).second) << option.flag;
    }
    if (!option.word.empty()) {
      EXPECT_TRUE(words.insert(option.word).second) << option.word;
    }
    EXPECT_FALSE(option.flag.empty() && option.word.empty());
  }
}

TEST(OptionTable, ExplainsEachOptionThatHasAnEffect) {
  for (const OptionSpec& option : option_table()) {
    if (option.group == OptionGroup::kIgnored) continue;
    EXPECT_FALSE(option.help.empty()) << option.flag << option.word;
  }
}

TEST(OptionTable, AcceptsEveryValueItOffers) {
  for (const OptionSpec& option : option_table()) {
    if (option.value.find('|') == std::string_view::npos) continue;
    for (const std::string& value : split_unescaped(option.value, '|')) {
      Config config;
      EXPECT_TRUE(apply_option(option, option.word, value, config))
          << option.word << "=" << value;
    }
  }
}

TEST(FindNearest, KnowsSlipsFromStrangers) {
  const std::vector<std::string_view> known = {"mount", "umount", "status"};

  EXPECT_EQ(find_nearest("moutn", known), "mount");
  EXPECT_EQ(find_nearest("unmount", known), "umount");
  EXPECT_EQ(find_nearest("stats", known), "status");
  EXPECT_EQ(find_nearest("export", known), "");
}

TEST(SplitUnescaped, KeepsBackslashesAndEmptyParts) {
  EXPECT_THAT(split_unescaped(R"(a\,b,,c\)", ','),
              ElementsAre(R"(a\,b)", "", R"(c\)"));
}

TEST(Unescape, TakesOneBackslashFromEachCharacter) {
  EXPECT_EQ(unescape(R"(\a\\b\:c\)"), R"(a\b:c\)");
}

}  // namespace
}  // namespace veneer::session
