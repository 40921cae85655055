// SPDX-License-Identifier: MIT
//
// Threads that work on one tree at once, each with something it can be sure of
// whatever the others do, and says so when it is not true:
//
//   keeper     the files in its own directory are what it last made them
//   publisher  a file published by rename is seen whole or not at all
//   mover      a file moved from directory to directory is always in one
//   linker     a file has as many links as were made, less those removed
//   lister     a listing holds each name that nobody touches, once
//   shuffler   directories change names below all of the others
//   appender   records appended to one file are all there, none torn
//   racer      many first writers of one lower file make one copy of it
//
// The others reach shared directories through descriptors, so the shuffler must
// not disturb them.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "test/support/fd.h"

namespace veneer::testing {

/// Collects what went wrong, from any thread. The first few matter.
class Complaints {
 public:
  void add(const std::string& what);
  [[nodiscard]] bool any() const { return any_.load(); }
  [[nodiscard]] std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
  std::atomic<bool> any_ = false;
};

/// What the workers share. The directories are open for the whole run.
struct Ground {
  explicit Ground(const std::string& where);

  /// Lets go of every descriptor, so that the tree can be unmounted.
  void close();

  std::string root;
  /// Link counts are asked from the server each time. With the writeback cache
  /// the FUSE kernel counts an unlink twice if a listing that already knows of
  /// it is answered first, and keeps the result.
  bool asks_server = false;
  std::vector<Fd> dirs;
  Fd race;
  std::atomic<bool> stop = false;
  Complaints complaints;
};

class Worker {
 public:
  Worker(Ground& ground, unsigned number, std::uint64_t seed)
      : ground_(ground), number_(number), state_(seed * 1000003 + number) {}
  virtual ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// One piece of work; called until the time is over.
  virtual void step() = 0;

  /// After all have stopped: is everything as this one left it? Called again
  /// after a remount, with the new ground.
  virtual void check(Ground& ground) = 0;

  [[nodiscard]] virtual std::string name() const = 0;
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  void run();

 protected:
  std::uint64_t random(std::uint64_t bound);
  void complain(const std::string& what) const;
  void complain_errno(const std::string& what) const;

  Ground& ground_;
  const unsigned number_;

 private:
  std::uint64_t state_;
  std::uint64_t steps_ = 0;
};

inline constexpr unsigned kSharedDirs = 6;
inline constexpr unsigned kAnchors = 40;
inline constexpr unsigned kRaceFiles = 24;
inline constexpr std::size_t kRaceSize = 1 << 18;
inline constexpr unsigned kKeepers = 2;
inline constexpr unsigned kMovers = 2;
inline constexpr unsigned kTokens = 12;

/// The lower layer that the workers expect.
void build_lower(const std::string& lower);

/// One of each kind, more of some.
std::vector<std::unique_ptr<Worker>> make_workers(Ground& ground,
                                                  std::uint64_t seed);

/// Gives the shared directories the names back by which they were opened.
void restore_dirs(Ground& ground);

/// Bytes that tell whether they are whole: a header, then what it promises.
std::string record(std::uint64_t seed);
bool is_whole(const std::string& bytes);

}  // namespace veneer::testing
