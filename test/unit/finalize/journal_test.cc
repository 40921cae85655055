// SPDX-License-Identifier: MIT
//
// The journal: read back as it was written, whole or not at all, and never
// trusted.

#include "finalize/journal.h"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include "finalize/step_json.h"
#include "test/unit/sys/temp_dir.h"

namespace veneer::finalize {
namespace {

using sys::code_of;

Journal example() {
  return {.action = Journal::Action::kCommitAtomic,
          .phase = Journal::Phase::kStaged,
          .directories = {.lowers = {"/srv/b\xC3\xA4se", "/srv/\xFF\xFEraw"},
                          .upper = "/srv/upper",
                          .work = "/srv/work",
                          .began = -5},
          .staging = "/srv/.new\n\"\\",
          .partial = true,
          .new_ino = 0xFFFFFFFFFFFFFFFF};
}

// All fields, none of them empty.
Step full_step() {
  return {.kind = StepKind::kInstall,
          .path = "d/\xFF\x01name \"q\" \\ \n",
          .from = "\xC3\xA4/\xE2\x82\xAC",
          .data_path = "data",
          .slot = 7,
          .ino = 0xFFFFFFFFFFFFFFFF,
          .from_ino = 1,
          .metadata = {.mode = 07777,
                       .uid = 0xFFFFFFFE,
                       .gid = 5,
                       .atime = {-1, 999999999},
                       .mtime = {1, 0}},
          .move = true,
          .opaque = true,
          .redirect = "/a/b",
          .reason = ChangeKind::kReplaced};
}

void expect_same(const Step& a, const Step& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.path, b.path);
  EXPECT_EQ(a.from, b.from);
  EXPECT_EQ(a.data_path, b.data_path);
  EXPECT_EQ(a.slot, b.slot);
  EXPECT_EQ(a.ino, b.ino);
  EXPECT_EQ(a.from_ino, b.from_ino);
  EXPECT_EQ(a.metadata, b.metadata);
  EXPECT_EQ(a.move, b.move);
  EXPECT_EQ(a.opaque, b.opaque);
  EXPECT_EQ(a.redirect, b.redirect);
  EXPECT_EQ(a.reason, b.reason);
}

std::vector<Step> all_kinds() {
  std::vector<Step> steps;
  for (int i = 0; i <= static_cast<int>(StepKind::kSettle); ++i) {
    steps.push_back(
        {.kind = static_cast<StepKind>(i), .path = "p" + std::to_string(i)});
  }
  for (int i = 0; i <= static_cast<int>(ChangeKind::kReplaced); ++i) {
    steps.push_back({.path = "q", .reason = static_cast<ChangeKind>(i)});
  }
  steps.push_back(full_step());
  steps.push_back({.kind = StepKind::kInstall,
                   .path = "i",
                   .from = std::string(kIndexPrefix) + "00fb1d"});
  return steps;
}

class JournalTest : public sys::TempDirTest {
 protected:
  void write_both(const std::vector<Step>& steps) {
    ASSERT_TRUE(write_steps(dir(), steps));
    ASSERT_TRUE(write_journal(dir(), example()));
  }
  void expect_unclean(const std::string& what) {
    const auto journal = read_journal(dir());
    EXPECT_EQ(code_of(journal), EUCLEAN) << what;
    EXPECT_THAT(std::string(journal.error().subject()),
                ::testing::StartsWith("veneer.journal, which "));
    EXPECT_EQ(code_of(read_steps(dir())), EUCLEAN) << what;
  }
  void expect_unclean_steps(const std::string& what) {
    const auto steps = read_steps(dir());
    EXPECT_EQ(code_of(steps), EUCLEAN) << what;
    EXPECT_THAT(std::string(steps.error().subject()),
                ::testing::StartsWith("veneer.steps, "));
    EXPECT_TRUE(read_journal(dir()));
  }
};

TEST_F(JournalTest, ReadsBackWhatWasWritten) {
  const std::vector<Step> steps = all_kinds();
  write_both(steps);

  const auto journal = read_journal(dir());
  ASSERT_TRUE(journal) << journal.error().message();
  const Journal wanted = example();
  EXPECT_EQ(journal->action, wanted.action);
  EXPECT_EQ(journal->phase, wanted.phase);
  EXPECT_EQ(journal->directories.lowers, wanted.directories.lowers);
  EXPECT_EQ(journal->directories.upper, wanted.directories.upper);
  EXPECT_EQ(journal->directories.work, wanted.directories.work);
  EXPECT_EQ(journal->directories.began, wanted.directories.began);
  EXPECT_EQ(journal->staging, wanted.staging);
  EXPECT_EQ(journal->partial, wanted.partial);
  EXPECT_EQ(journal->new_ino, wanted.new_ino);

  const auto read = read_steps(dir());
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    expect_same((*read)[i], steps[i]);
  }
}

TEST_F(JournalTest, StepsOverManyPieces) {
  std::vector<Step> steps(20000, full_step());
  steps.back().path = "last";
  write_both(steps);
  const auto read = read_steps(dir());
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), steps.size());
  EXPECT_EQ((*read)[0].path, steps[0].path);
  EXPECT_EQ(read->back().path, "last");
}

TEST_F(JournalTest, WithoutStepsThereAreNone) {
  Journal discard = example();
  discard.action = Journal::Action::kDiscard;
  discard.staging.clear();
  ASSERT_TRUE(write_journal(dir(), discard));
  const auto steps = read_steps(dir());
  ASSERT_TRUE(steps);
  EXPECT_TRUE(steps->empty());

  ASSERT_TRUE(write_steps(dir(), {}));
  ASSERT_TRUE(write_journal(dir(), discard));
  ASSERT_TRUE(read_steps(dir()));
}

TEST_F(JournalTest, PhaseIsReplaced) {
  write_both({full_step()});
  Journal next = example();
  next.phase = Journal::Phase::kApplied;
  ASSERT_TRUE(write_journal(dir(), next));
  const auto journal = read_journal(dir());
  ASSERT_TRUE(journal);
  EXPECT_EQ(journal->phase, Journal::Phase::kApplied);
  EXPECT_EQ(read_steps(dir())->size(), 1U);
}

TEST_F(JournalTest, NoneIsNotFound) {
  EXPECT_FALSE(has_journal(dir()));
  EXPECT_EQ(code_of(read_journal(dir())), ENOENT);
  EXPECT_EQ(code_of(read_steps(dir())), ENOENT);
  EXPECT_TRUE(remove_journal(dir()));
}

TEST_F(JournalTest, RemovesBoth) {
  write_both({full_step()});
  EXPECT_TRUE(has_journal(dir()));
  EXPECT_TRUE(remove_journal(dir()));
  EXPECT_FALSE(has_journal(dir()));
  EXPECT_FALSE(exists("veneer.steps"));
}

TEST_F(JournalTest, CutOffAnywhereIsCorrupt) {
  write_both({full_step()});
  const std::string whole = read("veneer.journal");
  // Its last byte is the end of the line.
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    write("veneer.journal", whole.substr(0, size));
    expect_unclean("cut to " + std::to_string(size));
  }
}

TEST_F(JournalTest, WrongValuesAreCorrupt) {
  write_both({full_step()});
  const std::string whole = read("veneer.journal");
  const auto replaced = [&](std::string_view from, std::string_view to) {
    const std::size_t at = whole.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return std::string(whole).replace(at, from.size(), to);
  };
  for (const std::string& bad : {
           std::string("null"),
           std::string("[]"),
           std::string(100000, '['),
           replaced("\"format\": 1", "\"format\": 2"),
           replaced("commit-atomic", "commit-now"),
           replaced("\"staged\"", "7"),
           replaced("\"/srv/upper\"", "\"srv/upper\""),
           replaced("\"/srv/upper\"", "\"/srv/\\u0000upper\""),
           replaced("\"/srv/work\"", "[]"),
           replaced("\"/srv/.new", "\".new"),
           replaced("18446744073709551615", "-1"),
           replaced("18446744073709551615", "18446744073709551616"),
           replaced("\"partial\": true", "\"partial\": 1"),
           replaced("\"steps\": \"", "\"steps\": \"0"),
           replaced("\"began\": -5,", ""),
       }) {
    write("veneer.journal", bad);
    expect_unclean(bad.substr(0, 200));
  }
}

TEST_F(JournalTest, WhatIsNoFileIsCorrupt) {
  write("elsewhere", "{}");
  link("elsewhere", "veneer.journal");
  expect_unclean("a link");
  ASSERT_EQ(::unlink(path("veneer.journal").c_str()), 0);
  ASSERT_EQ(::mkfifo(path("veneer.journal").c_str(), 0600), 0);
  expect_unclean("a FIFO");
  ASSERT_EQ(::unlink(path("veneer.journal").c_str()), 0);
  make_dir("veneer.journal");
  expect_unclean("a directory");
}

TEST_F(JournalTest, StepsThatDoNotMatchTheirDigestAreCorrupt) {
  write_both({full_step(), full_step()});
  const std::string whole = read("veneer.steps");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write("veneer.steps", whole.substr(0, size));
    expect_unclean_steps("cut to " + std::to_string(size));
  }
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    write("veneer.steps", flipped);
    expect_unclean_steps("byte " + std::to_string(at));
  }
  write("veneer.steps", whole + whole);
  expect_unclean_steps("twice");
  ASSERT_EQ(::unlink(path("veneer.steps").c_str()), 0);
  expect_unclean_steps("missing");
  write("elsewhere", whole);
  link("elsewhere", "veneer.steps");
  expect_unclean_steps("a link");
}

// Whoever can write the digest can write steps; they cannot leave the trees.
TEST_F(JournalTest, StepsThatAreNoneAreCorruptWithTheRightDigest) {
  for (const std::string bad : {"", "\n", "{}\n", "[]\n", "nonsense\n",
                                R"({"do":"make","path":"a"})"}) {
    write("veneer.steps", R"({"do":"make","path":"a"})"
                          "\n" +
                              bad);
    ASSERT_TRUE(write_journal(dir(), example()));
    if (bad.empty()) {
      EXPECT_TRUE(read_steps(dir()));
    } else {
      expect_unclean_steps(bad);
      EXPECT_THAT(std::string(read_steps(dir()).error().subject()),
                  ::testing::HasSubstr("line 2"));
    }
  }
}

TEST(StepJson, LinesThatAreNoSteps) {
  for (const char* const bad : {
           R"({"path":"a"})",
           R"({"do":"dance","path":"a"})",
           R"({"do":7,"path":"a"})",
           R"({"do":"make"})",
           R"({"do":"make","path":""})",
           R"({"do":"make","path":"/a"})",
           R"({"do":"make","path":"a/"})",
           R"({"do":"make","path":"a//b"})",
           R"({"do":"make","path":"a/../b"})",
           R"({"do":"make","path":".."})",
           R"({"do":"make","path":"."})",
           R"({"do":"make","path":"a\u0000b"})",
           R"({"do":"make","path":{"bytes":"2e2e"}})",
           R"({"do":"link","path":"a","from":"../b"})",
           R"({"do":"install","path":"a","from":"\u0000index/"})",
           R"({"do":"install","path":"a","from":"\u0000index/.."})",
           R"({"do":"install","path":"a","from":"\u0000index/a/b"})",
           R"({"do":"install","path":"a","from":"\u0000other/a"})",
           R"({"do":"stage","from":"a","data_path":"../b"})",
           R"({"do":"make","path":7})",
           R"({"do":"make","path":"a","slot":-1})",
           R"({"do":"make","path":"a","slot":1.5})",
           R"({"do":"make","path":"a","ino":"1"})",
           R"({"do":"attrs","path":"a","mode":4096})",
           R"({"do":"attrs","path":"a","uid":4294967296})",
           R"({"do":"attrs","path":"a","mtime":[1]})",
           R"({"do":"attrs","path":"a","mtime":[1,1000000000]})",
           R"({"do":"attrs","path":"a","mtime":[1,-1]})",
           R"({"do":"make","path":"a","move":1})",
           R"({"do":"make","path":"a","redirect":"../x"})",
           R"({"do":"make","path":"a","why":"X"})",
           R"({"do":"make","path":"a","why":"MM"})",
       }) {
    EXPECT_FALSE(parse_step(bad)) << bad;
  }
  EXPECT_FALSE(parse_step(std::string(100000, '[')));
  EXPECT_FALSE(
      parse_step(R"({"do":"make","path":")" + std::string(256, 'a') + "\"}"));
  EXPECT_TRUE(parse_step(R"({"do":"attrs"})"));
}

// Both are there in the old form or in the new one, wherever it stops.
TEST_F(JournalTest, KilledAtEachChangeIsTheOldOrTheNew) {
  Journal next = example();
  next.phase = Journal::Phase::kApplied;
  bool was_done = false;
  for (std::uint64_t n = 1; !was_done; ++n) {
    ASSERT_LT(n, 30U);
    write_both({full_step()});
    const pid_t child = ::fork();
    if (child == 0) {
      sys::fault::arm_crash(n);
      ::_exit(write_journal(dir(), next) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    was_done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    const auto journal = read_journal(dir());
    ASSERT_TRUE(journal) << journal.error().message() << ", change " << n;
    if (was_done) {
      EXPECT_EQ(journal->phase, Journal::Phase::kApplied);
    }
    EXPECT_TRUE(read_steps(dir()));
  }
}

TEST_F(JournalTest, KilledWhileItIsRemovedIsThereOrNot) {
  bool was_done = false;
  for (std::uint64_t n = 1; !was_done; ++n) {
    ASSERT_LT(n, 30U);
    write_both({full_step()});
    const pid_t child = ::fork();
    if (child == 0) {
      sys::fault::arm_crash(n);
      ::_exit(remove_journal(dir()) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    was_done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (has_journal(dir())) {
      EXPECT_TRUE(read_steps(dir())) << "change " << n;
    }
    EXPECT_TRUE(remove_journal(dir()));
    EXPECT_FALSE(exists("veneer.steps"));
  }
}

TEST_F(JournalTest, FullDiskIsAnErrorAndKeepsTheOld) {
  write_both({full_step()});
  sys::fault::arm_error(1, ENOSPC, sys::fault::kForever);
  const auto steps = write_steps(dir(), {});
  const auto journal = write_journal(dir(), example());
  sys::fault::disarm();
  EXPECT_EQ(code_of(steps), ENOSPC);
  EXPECT_EQ(steps.error().subject(), "veneer.steps");
  EXPECT_EQ(code_of(journal), ENOSPC);
  EXPECT_EQ(journal.error().subject(), "veneer.journal");
  EXPECT_EQ(read_steps(dir())->size(), 1U);
}

TEST(JournalEntry, IsOneOfOurNames) {
  for (const char* const name : {"veneer.journal", "veneer.journal.new",
                                 "veneer.steps", "veneer.steps.new"}) {
    EXPECT_TRUE(is_journal_entry(name)) << name;
  }
  for (const char* const name : {"", "veneer.json", "veneer.journal.old"}) {
    EXPECT_FALSE(is_journal_entry(name)) << name;
  }
}

}  // namespace
}  // namespace veneer::finalize
