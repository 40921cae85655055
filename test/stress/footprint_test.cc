// SPDX-License-Identifier: MIT
//
// What a tree costs the daemon when it is large: memory for each file that was
// seen, and no descriptor for any of them.

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "test/stress/stage.h"
#include "test/support/fd.h"

namespace veneer::testing {
namespace {

constexpr int kDirs = 200;
constexpr int kFilesInEach = 1000;
constexpr rlim_t kDescriptors = 1024;
constexpr long kMemoryKib = 100 * 1024;

std::string dir_name(int d) { return "/d" + std::to_string(d); }

void build_many(const std::string& lower) {
  for (int d = 0; d < kDirs; ++d) {
    const std::string path = lower + dir_name(d);
    ::mkdir(path.c_str(), 0755);
    const Fd dir(::open(path.c_str(), O_DIRECTORY | O_CLOEXEC));
    for (int f = 0; f < kFilesInEach; ++f) {
      const std::string name = "file" + std::to_string(f);
      const Fd file(::openat(dir.get(), name.c_str(),
                             O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
      if (::write(file.get(), "x", 1) != 1) return;
    }
  }
}

// stat, open, read and close each; how many could not be.
long visit_all(const std::string& merged) {
  long failures = 0;
  for (int d = 0; d < kDirs; ++d) {
    const Fd dir(
        ::open((merged + dir_name(d)).c_str(), O_DIRECTORY | O_CLOEXEC));
    for (int f = 0; f < kFilesInEach; ++f) {
      const std::string name = "file" + std::to_string(f);
      struct stat status{};
      char byte = 0;
      const bool seen = ::fstatat(dir.get(), name.c_str(), &status, 0) == 0;
      const Fd file(::openat(dir.get(), name.c_str(), O_RDONLY | O_CLOEXEC));
      if (!seen || ::read(file.get(), &byte, 1) != 1 || byte != 'x') {
        ++failures;
      }
    }
  }
  return failures;
}

long resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("VmRSS:")) return std::atol(line.c_str() + 6);
  }
  return -1;
}

rlim_t open_descriptors(pid_t pid) {
  DIR* dir = ::opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
  if (dir == nullptr) return RLIM_INFINITY;
  rlim_t count = 0;
  while (::readdir(dir) != nullptr) ++count;
  ::closedir(dir);
  return count - 2;
}

// Holds for what is started meanwhile.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lowered{limit, limit};
    ::setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

TEST(FootprintTest, TwoHundredThousandFilesFitInMemoryAndDescriptors) {
  const std::string missing = missing_for(Target::kVeneer);
  if (!missing.empty()) VENEER_SKIP_WITHOUT(missing);
  Stage stage(Target::kVeneer);
  build_many(stage.lower());
  {
    const DescriptorLimit limit(kDescriptors);
    ASSERT_EQ(stage.mount(600), "");
  }
  const auto daemon = stage.daemon();
  ASSERT_TRUE(daemon) << "no process serves the mount";
  const long before = resident_kib(*daemon);

  EXPECT_EQ(visit_all(stage.merged()), 0);

  const long grown = resident_kib(*daemon) - before;
  std::printf("grown by %ld KiB, %ld bytes for each file\n", grown,
              grown * 1024 / (kDirs * kFilesInEach));
  EXPECT_LT(open_descriptors(*daemon), kDescriptors);
  if (!is_sanitized()) {
    EXPECT_LT(grown, kMemoryKib);
  }
  EXPECT_EQ(stage.unmount(), "");
}

}  // namespace
}  // namespace veneer::testing
