// SPDX-License-Identifier: MIT
//
// Workers whose care is the content of files.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>

#include "test/stress/workers.h"
#include "test/stress/workers_internal.h"
#include "test/support/outcome.h"

namespace veneer::testing {
namespace {

// Works alone in a directory and remembers all of it.
class Keeper : public Worker {
 public:
  Keeper(Ground& ground, unsigned number, std::uint64_t seed)
      : Worker(ground, number, seed), dir_("keep" + std::to_string(number)) {
    for (unsigned i = 0; i < 16; ++i) files_[file(i)] = record(i);
  }

  std::string name() const override { return "keeper"; }

  void step() override {
    const std::string one = file(random(24));
    const std::string other = file(random(24));
    switch (random(6)) {
      case 0:
        return publish(one);
      case 1:
        return remove(one);
      case 2:
        return move(one, other);
      case 3:
        return overwrite(one);
      case 4:
        return cut(one);
      default:
        return look(ground_, one);
    }
  }

  void check(Ground& ground) override {
    for (unsigned i = 0; i < 24; ++i) look(ground, file(i));
  }

 private:
  static std::string file(std::uint64_t i) { return "f" + std::to_string(i); }
  std::string path(const std::string& file) const {
    return ground_.root + "/" + dir_ + "/" + file;
  }

  void publish(const std::string& file) {
    const std::string bytes = record(random(1 << 30));
    if (!write_whole(AT_FDCWD, path(file), bytes)) {
      return complain_errno("write " + file);
    }
    files_[file] = bytes;
  }

  void remove(const std::string& file) {
    const int error = ::unlink(path(file).c_str()) == 0 ? 0 : errno;
    const int expected = files_.erase(file) == 1 ? 0 : ENOENT;
    if (error != expected)
      complain("unlink " + file + ": " + error_name(error));
  }

  void move(const std::string& from, const std::string& to) {
    const int error =
        ::rename(path(from).c_str(), path(to).c_str()) == 0 ? 0 : errno;
    const int expected = files_.contains(from) ? 0 : ENOENT;
    if (error != expected) {
      return complain("rename " + from + ": " + error_name(error));
    }
    if (error != 0 || from == to) return;
    files_[to] = files_[from];
    files_.erase(from);
  }

  void overwrite(const std::string& file) {
    const auto found = files_.find(file);
    if (found == files_.end()) return;
    const Fd fd(::open(path(file).c_str(), O_RDWR | O_CLOEXEC));
    const std::string bytes = record(random(1 << 30)).substr(0, 300);
    const auto at = static_cast<std::size_t>(random(5000));
    if (::pwrite(fd.get(), bytes.data(), bytes.size(),
                 static_cast<off_t>(at)) != std::ssize(bytes)) {
      return complain_errno("pwrite " + file);
    }
    std::string& content = found->second;
    if (content.size() < at + bytes.size()) content.resize(at + bytes.size());
    content.replace(at, bytes.size(), bytes);
  }

  void cut(const std::string& file) {
    const auto found = files_.find(file);
    if (found == files_.end()) return;
    const std::uint64_t size = random(8000);
    if (::truncate(path(file).c_str(), static_cast<off_t>(size)) != 0) {
      return complain_errno("truncate " + file);
    }
    found->second.resize(size);
  }

  void look(Ground& ground, const std::string& file) {
    const auto bytes =
        read_whole(AT_FDCWD, ground.root + "/" + dir_ + "/" + file);
    const auto found = files_.find(file);
    const bool exists = found != files_.end();
    if (bytes.has_value() != exists) {
      ground.complaints.add("keeper: " + dir_ + "/" + file +
                            (exists ? " is lost" : " is back"));
    } else if (exists && *bytes != found->second) {
      ground.complaints.add("keeper: " + dir_ + "/" + file +
                            " has other content");
    }
  }

  std::string dir_;
  std::map<std::string, std::string> files_;
};

// Replaces shared files by rename; whoever opens one must read all of it.
class Publisher : public Worker {
 public:
  using Worker::Worker;
  std::string name() const override { return "publisher"; }

  void step() override {
    const int dir = pick_dir();
    const std::string file = "pub" + std::to_string(random(8));
    if (random(3) != 0) return look(dir, file);
    const std::string aside = "new" + std::to_string(number_);
    if (!write_whole(dir, aside, record(random(1 << 30)))) {
      return complain_errno("write " + aside);
    }
    if (::renameat(dir, aside.c_str(), dir, file.c_str()) != 0) {
      complain_errno("publish " + file);
    }
  }

  void check(Ground& ground) override {
    for (const Fd& dir : ground.dirs) {
      for (unsigned i = 0; i < 8; ++i) {
        const auto bytes = read_whole(dir.get(), "pub" + std::to_string(i));
        if (!bytes || !is_whole(*bytes)) {
          ground.complaints.add("publisher: a published file is not whole");
        }
      }
    }
  }

 private:
  int pick_dir() { return ground_.dirs[random(kSharedDirs)].get(); }

  // The file must exist all the time: it is only ever replaced.
  void look(int dir, const std::string& file) {
    const auto bytes = read_whole(dir, file);
    if (!bytes) return complain_errno("read " + file);
    if (!is_whole(*bytes)) complain(file + " is seen torn");
  }
};

// Fixed-size records at the end of one file that all appenders share.
class Appender : public Worker {
 public:
  Appender(Ground& ground, unsigned number, std::uint64_t seed)
      : Worker(ground, number, seed),
        log_(::open((ground.root + "/log").c_str(),
                    O_WRONLY | O_APPEND | O_CLOEXEC)) {}
  std::string name() const override { return "appender"; }

  void step() override {
    if (written_ == kMost) return idle();
    const std::string line = text(written_);
    if (::write(log_.get(), line.data(), line.size()) != std::ssize(line)) {
      return complain_errno("append");
    }
    ++written_;
  }

  void check(Ground& ground) override {
    log_.reset();
    const auto log = read_whole(AT_FDCWD, ground.root + "/log");
    if (!log) return ground.complaints.add("appender: the log is lost");
    std::uint64_t next = 0;
    for (std::size_t at = 0; at + kLine <= log->size(); at += kLine) {
      if (log->compare(at, kLine, text(next)) == 0) ++next;
    }
    if (next != written_ || log->size() % kLine != 0) {
      ground.complaints.add("appender " + std::to_string(number_) + ": " +
                            std::to_string(written_ - next) +
                            " records are lost or out of order");
    }
  }

 private:
  static constexpr std::size_t kLine = 24;
  static constexpr std::uint64_t kMost = 20000;

  static void idle() { ::usleep(1000); }

  std::string text(std::uint64_t index) const {
    std::string line =
        "a" + std::to_string(number_) + "." + std::to_string(index);
    line.resize(kLine - 1, ' ');
    return line + "\n";
  }

  Fd log_;
  std::uint64_t written_ = 0;
};

// Each racer owns some bytes of every race file. They all start at the first
// file, so that the first write, which copies it up, comes from many at once.
class Racer : public Worker {
 public:
  using Worker::Worker;
  std::string name() const override { return "racer"; }

  void step() override {
    if (next_ == kRaceFiles) {
      ::usleep(1000);
      return;
    }
    const std::string file = "r" + std::to_string(next_);
    const Fd fd(::openat(ground_.race.get(), file.c_str(), O_RDWR | O_CLOEXEC));
    const auto at = static_cast<off_t>(number_ * kShare);
    const std::string bytes = mine();
    if (::pwrite(fd.get(), bytes.data(), bytes.size(), at) !=
        std::ssize(bytes)) {
      return complain_errno("first write to " + file);
    }
    ++next_;
  }

  void check(Ground& ground) override {
    for (unsigned i = 0; i < next_; ++i) {
      const auto bytes = read_whole(ground.race.get(), "r" + std::to_string(i));
      if (!bytes || bytes->size() != kRaceSize ||
          bytes->substr(number_ * kShare, kShare) != mine()) {
        ground.complaints.add("racer " + std::to_string(number_) +
                              ": a write to r" + std::to_string(i) +
                              " is lost");
      }
    }
  }

 private:
  static constexpr std::size_t kShare = 64;
  std::string mine() const {
    return std::string(kShare, static_cast<char>('A' + number_ % 26));
  }
  unsigned next_ = 0;
};

}  // namespace

std::optional<std::string> read_whole(int dir, const std::string& path) {
  const Fd fd(::openat(dir, path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return std::nullopt;
  std::string bytes;
  std::array<char, 65536> chunk{};
  ssize_t got = 0;
  while ((got = ::read(fd.get(), chunk.data(), chunk.size())) > 0) {
    bytes.append(chunk.data(), static_cast<std::size_t>(got));
  }
  if (got < 0) return std::nullopt;
  return bytes;
}

bool write_whole(int dir, const std::string& path, const std::string& bytes) {
  const Fd fd(::openat(dir, path.c_str(),
                       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  return fd.is_open() &&
         ::write(fd.get(), bytes.data(), bytes.size()) == std::ssize(bytes);
}

void add_file_workers(Ground& ground, std::uint64_t seed,
                      std::vector<std::unique_ptr<Worker>>& workers) {
  for (unsigned i = 0; i < kKeepers; ++i) {
    workers.push_back(std::make_unique<Keeper>(ground, i, seed));
  }
  for (unsigned i = 0; i < 2; ++i) {
    workers.push_back(std::make_unique<Publisher>(ground, 10 + i, seed));
    workers.push_back(std::make_unique<Appender>(ground, 20 + i, seed));
  }
  for (unsigned i = 0; i < 8; ++i) {
    workers.push_back(std::make_unique<Racer>(ground, 30 + i, seed));
  }
}

}  // namespace veneer::testing
