// SPDX-License-Identifier: MIT
//
// The common part of all workers, and the tree they start from.

#include "test/stress/workers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "test/support/outcome.h"

namespace veneer::testing {
namespace {

constexpr std::size_t kHeader = 16;

std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

void make_dir(const std::string& path) { ::mkdir(path.c_str(), 0755); }

void make_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

std::string record(std::uint64_t seed) {
  const std::uint64_t size = mix(seed) % 20000;
  std::string bytes(kHeader + size, '\0');
  std::memcpy(bytes.data(), &seed, 8);
  std::memcpy(bytes.data() + 8, &size, 8);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[kHeader + i] = static_cast<char>(mix(seed + i / 8) >> (i % 8 * 8));
  }
  return bytes;
}

bool is_whole(const std::string& bytes) {
  std::uint64_t seed = 0;
  if (bytes.size() < kHeader) return false;
  std::memcpy(&seed, bytes.data(), 8);
  return bytes == record(seed);
}

void Complaints::add(const std::string& what) {
  constexpr std::size_t kEnough = 20;
  const std::lock_guard lock(mutex_);
  any_ = true;
  if (texts_.size() < kEnough) texts_.push_back(what);
}

std::string Complaints::text() const {
  const std::lock_guard lock(mutex_);
  std::string all;
  for (const std::string& text : texts_) all += "  " + text + "\n";
  return all;
}

Ground::Ground(const std::string& where)
    : root(where),
      race(::open((where + "/race").c_str(), O_DIRECTORY | O_CLOEXEC)) {
  for (unsigned i = 0; i < kSharedDirs; ++i) {
    const std::string path = where + "/d" + std::to_string(i);
    dirs.emplace_back(::open(path.c_str(), O_DIRECTORY | O_CLOEXEC));
    if (!dirs.back().is_open()) {
      complaints.add("open " + path + ": " + error_name(errno));
    }
  }
}

void Ground::close() {
  dirs.clear();
  race.reset();
}

void Worker::run() {
  while (!ground_.stop && !ground_.complaints.any()) {
    step();
    ++steps_;
  }
}

std::uint64_t Worker::random(std::uint64_t bound) {
  return mix(++state_) % bound;
}

void Worker::complain(const std::string& what) const {
  ground_.complaints.add(name() + " " + std::to_string(number_) + ": " + what);
}

void Worker::complain_errno(const std::string& what) const {
  complain(what + ": " + error_name(errno));
}

void build_lower(const std::string& lower) {
  for (unsigned d = 0; d < kSharedDirs; ++d) {
    const std::string dir = lower + "/d" + std::to_string(d);
    make_dir(dir);
    for (unsigned i = 0; i < kAnchors; ++i) {
      make_file(dir + "/anchor" + std::to_string(i), record(d * 1000 + i));
    }
    for (unsigned i = 0; i < 8; ++i) {
      make_file(dir + "/pub" + std::to_string(i), record(d * 1000 + 500 + i));
    }
  }
  for (unsigned k = 0; k < kKeepers; ++k) {
    const std::string dir = lower + "/keep" + std::to_string(k);
    make_dir(dir);
    for (unsigned i = 0; i < 16; ++i) {
      make_file(dir + "/f" + std::to_string(i), record(i));
    }
  }
  for (unsigned m = 0; m < kMovers; ++m) {
    for (unsigned t = 0; t < kTokens; ++t) {
      make_file(lower + "/d" + std::to_string(t % kSharedDirs) + "/tok" +
                    std::to_string(m) + "." + std::to_string(t),
                record(m * 100 + t));
    }
  }
  make_dir(lower + "/race");
  for (unsigned i = 0; i < kRaceFiles; ++i) {
    make_file(lower + "/race/r" + std::to_string(i),
              std::string(kRaceSize, '.'));
  }
  make_file(lower + "/log", "");
  make_file(lower + "/linked", "0123456789");
  [[maybe_unused]] const int linked =
      ::link((lower + "/linked").c_str(), (lower + "/d0/linked").c_str());
}

}  // namespace veneer::testing
