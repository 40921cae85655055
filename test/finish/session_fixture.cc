// SPDX-License-Identifier: MIT

#include "test/finish/session_fixture.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "test/support/isolation.h"
#include "test/support/overlay_test.h"

namespace veneer::testing {

::testing::AssertionResult is_refused(const Finished& end,
                                      const std::string& what, int status) {
  const bool is_one_line = std::ranges::count(end.err, '\n') == 1;
  const bool is_good =
      end.status == status && is_one_line && end.err.starts_with("veneer: ") &&
      end.err.ends_with(")\n") && end.err.find(what) != std::string::npos;
  if (is_good) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "status " << end.status << ", out: " << end.out
         << "\nerr: " << end.err;
}

void SessionTest::SetUp() {
  if (::geteuid() != 0) VENEER_SKIP_WITHOUT("root's rights, to mount");
  if (veneer_program().empty()) VENEER_SKIP_WITHOUT("the program veneer");
  if (scratch_root().empty()) VENEER_SKIP_WITHOUT("a scratch directory");
  static std::atomic<int> number = 0;
  place_ = scratch_root() + "/session" + std::to_string(number++);
  ASSERT_THAT(::mkdir(place_.c_str(), 0755), Succeeds());
  build_tree({{"etc", Dir()},
              {"etc/motd", File("hello\n")},
              {"etc/hosts", File("localhost\n")},
              {"run", File("#!/bin/sh\n").mode(0755)},
              {"old", Dir()},
              {"old/a", File("a")}},
             make_dir("base"));
}

void SessionTest::TearDown() {
  if (place_.empty()) return;
  // Mounts that a failed test left.
  run({"umount", "-l", m()});
  run({"umount", "-l", base()});
  run({"rm", "-rf", "--one-file-system", place_});
}

std::string SessionTest::make_dir(const std::string& name) const {
  EXPECT_THAT(::mkdir(path(name).c_str(), 0755), Succeeds());
  return path(name);
}

bool SessionTest::exists(const std::string& name) const {
  return std::filesystem::exists(std::filesystem::symlink_status(path(name)));
}

std::vector<std::string> SessionTest::list(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path(name))) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

void SessionTest::write(const std::string& file,
                        const std::string& text) const {
  std::ofstream(path(file)) << text;
}

std::string SessionTest::read(const std::string& file) const {
  std::ifstream in(path(file));
  return {std::istreambuf_iterator<char>(in), {}};
}

Finished SessionTest::veneer(const std::vector<std::string>& arguments,
                             const std::string& directory) const {
  std::vector<std::string> argv;
  if (!directory.empty()) argv = {"env", "-C", directory};
  argv.push_back(veneer_program());
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run(argv);
}

nlohmann::json SessionTest::veneer_json(
    const std::vector<std::string>& arguments) const {
  const Finished end = veneer(arguments);
  EXPECT_EQ(end.status, 0) << end.err;
  const auto parsed = nlohmann::json::parse(end.out, nullptr, false);
  EXPECT_TRUE(parsed.is_object()) << end.out;
  return parsed;
}

void SessionTest::change(const std::string& script) const {
  const Finished end = run({"env", "-C", m(), "sh", "-ec", script});
  ASSERT_EQ(end.status, 0) << end.err;
}

void SessionTest::mount() const {
  const Finished end = veneer({"mount", "--lower", base()});
  ASSERT_EQ(end.status, 0) << end.err;
}

void SessionTest::unmount() const {
  seen_ = read_tree(m());
  const Finished end = veneer({"umount", m()});
  ASSERT_EQ(end.status, 0) << end.err;
}

void SessionTest::session(const std::string& script) const {
  ASSERT_NO_FATAL_FAILURE(mount());
  ASSERT_NO_FATAL_FAILURE(change(script));
  ASSERT_NO_FATAL_FAILURE(unmount());
}

}  // namespace veneer::testing
