// SPDX-License-Identifier: MIT
//
// Workers whose care is names: moves, links, listings.

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <vector>

#include "test/stress/workers.h"
#include "test/stress/workers_internal.h"
#include "test/support/outcome.h"

namespace veneer::testing {
namespace {

bool has(int dir, const std::string& name) {
  return ::faccessat(dir, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

class Mover : public Worker {
 public:
  using Worker::Worker;
  std::string name() const override { return "mover"; }

  void step() override {
    const auto token = static_cast<std::size_t>(random(kTokens));
    const auto to = static_cast<unsigned>(random(kSharedDirs));
    const unsigned from = where(token);
    const std::string file = token_name(token);
    if (::renameat2(dir(from), file.c_str(), dir(to), file.c_str(),
                    from == to ? 0 : RENAME_NOREPLACE) != 0) {
      return complain_errno("move " + file);
    }
    where_[token] = to + 1;
    if (!has(dir(to), file)) complain(file + " did not arrive");
    if (from != to && has(dir(from), file)) complain(file + " stayed behind");
  }

  void check(Ground& ground) override {
    for (std::size_t token = 0; token < kTokens; ++token) {
      for (unsigned d = 0; d < kSharedDirs; ++d) {
        const auto bytes = read_whole(ground.dirs[d].get(), token_name(token));
        if (bytes.has_value() != (d == where(token)) ||
            (bytes && !is_whole(*bytes))) {
          ground.complaints.add("mover: " + token_name(token) +
                                " is not where it was put");
        }
      }
    }
  }

 private:
  std::string token_name(std::size_t token) const {
    return "tok" + std::to_string(number_) + "." + std::to_string(token);
  }
  int dir(unsigned i) const { return ground_.dirs[i].get(); }
  unsigned where(std::size_t token) const {
    const unsigned moved = where_.at(token);
    return moved == 0 ? static_cast<unsigned>(token) % kSharedDirs : moved - 1;
  }

  std::array<unsigned, kTokens> where_{};  ///< directory + 1; 0: unmoved
};

// A lower file with two names, given more and robbed of them, in all dirs.
class Linker : public Worker {
 public:
  using Worker::Worker;
  std::string name() const override { return "linker"; }

  void step() override {
    const auto d = static_cast<unsigned>(random(kSharedDirs));
    const std::string file = "ln" + std::to_string(random(6));
    const auto key = std::make_pair(d, file);
    const int dir = ground_.dirs[d].get();
    if (names_.contains(key)) {
      if (::unlinkat(dir, file.c_str(), 0) != 0) {
        return complain_errno("unlink " + file);
      }
      names_.erase(key);
    } else {
      if (::linkat(AT_FDCWD, (ground_.root + "/linked").c_str(), dir,
                   file.c_str(), 0) != 0) {
        return complain_errno("link " + file);
      }
      names_[key] = true;
    }
    count(ground_);
  }

  void check(Ground& ground) override {
    count(ground);
    struct stat original{};
    ::stat((ground.root + "/linked").c_str(), &original);
    for (const auto& [key, present] : names_) {
      struct stat other{};
      if (::fstatat(ground.dirs[key.first].get(), key.second.c_str(), &other,
                    0) != 0 ||
          other.st_ino != original.st_ino) {
        ground.complaints.add("linker: " + key.second + " is another file now");
      }
    }
  }

 private:
  void count(Ground& ground) {
    struct statx status{};
    const std::size_t expected = names_.size() + 2;
    const int how = ground.asks_server ? AT_STATX_FORCE_SYNC : 0;
    if (::statx(AT_FDCWD, (ground.root + "/linked").c_str(), how,
                STATX_BASIC_STATS, &status) != 0 ||
        status.stx_nlink != expected) {
      ground.complaints.add("linker: nlink " +
                            std::to_string(status.stx_nlink) + " instead of " +
                            std::to_string(expected));
    }
  }

  std::map<std::pair<unsigned, std::string>, bool> names_;
};

class Lister : public Worker {
 public:
  using Worker::Worker;
  std::string name() const override { return "lister"; }

  void step() override {
    list(ground_, static_cast<unsigned>(random(kSharedDirs)));
  }
  void check(Ground& ground) override {
    for (unsigned d = 0; d < kSharedDirs; ++d) list(ground, d);
  }

 private:
  static void list(Ground& ground, unsigned d) {
    const int fd =
        ::openat(ground.dirs[d].get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = fd < 0 ? nullptr : ::fdopendir(fd);
    if (stream == nullptr) {
      return ground.complaints.add("lister: opendir: " + error_name(errno));
    }
    std::map<std::string, unsigned> seen;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) ++seen[entry->d_name];
    const int error = errno;
    ::closedir(stream);
    if (error != 0) ground.complaints.add("lister: " + error_name(error));
    for (unsigned i = 0; i < kAnchors; ++i) {
      const auto found = seen.find("anchor" + std::to_string(i));
      if (found == seen.end() || found->second != 1) {
        ground.complaints.add("lister: an untouched name is not listed once");
      }
    }
  }
};

// The names of shared directories change; their descriptors must not care.
class Shuffler : public Worker {
 public:
  using Worker::Worker;
  std::string name() const override { return "shuffler"; }

  void step() override {
    const std::string one = dir(random(kSharedDirs));
    const std::string other = dir(random(kSharedDirs));
    if (one != other && ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD,
                                    other.c_str(), RENAME_EXCHANGE) != 0) {
      return complain_errno("exchange of directories");
    }
    const std::string aside = ground_.root + "/aside";
    if (::rename(one.c_str(), aside.c_str()) != 0 ||
        ::rename(aside.c_str(), one.c_str()) != 0) {
      return complain_errno("rename of a directory");
    }
    ::usleep(200);
  }

  void check(Ground&) override {}

 private:
  std::string dir(std::uint64_t i) const {
    return ground_.root + "/d" + std::to_string(i);
  }
};

}  // namespace

void restore_dirs(Ground& ground) {
  for (unsigned d = 0; d < kSharedDirs; ++d) {
    struct stat mine{};
    ::fstat(ground.dirs[d].get(), &mine);
    const std::string want = ground.root + "/d" + std::to_string(d);
    for (unsigned other = d + 1; other < kSharedDirs; ++other) {
      struct stat named{};
      const std::string path = ground.root + "/d" + std::to_string(other);
      if (::stat(path.c_str(), &named) == 0 && named.st_ino == mine.st_ino) {
        ::renameat2(AT_FDCWD, want.c_str(), AT_FDCWD, path.c_str(),
                    RENAME_EXCHANGE);
      }
    }
  }
}

void add_name_workers(Ground& ground, std::uint64_t seed,
                      std::vector<std::unique_ptr<Worker>>& workers) {
  for (unsigned i = 0; i < kMovers; ++i) {
    workers.push_back(std::make_unique<Mover>(ground, i, seed));
  }
  workers.push_back(std::make_unique<Linker>(ground, 60, seed));
  workers.push_back(std::make_unique<Lister>(ground, 61, seed));
  workers.push_back(std::make_unique<Lister>(ground, 62, seed));
  workers.push_back(std::make_unique<Shuffler>(ground, 63, seed));
}

std::vector<std::unique_ptr<Worker>> make_workers(Ground& ground,
                                                  std::uint64_t seed) {
  std::vector<std::unique_ptr<Worker>> workers;
  add_file_workers(ground, seed, workers);
  add_name_workers(ground, seed, workers);
  return workers;
}

}  // namespace veneer::testing
