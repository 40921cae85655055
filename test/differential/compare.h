// SPDX-License-Identifier: MIT
//
// When are two trees, or two answers, the same? The subject is what is tested,
// the reference is what it is measured by.
//
//   Identity   st_ino is compared as a relation: what is one object here must
//   be
//              one object there, at every sight during a run. The numbers
//              themselves are free.
//   Times      a stamp from before the run must be equal to the nanosecond, one
//              made during the run only has to be one made during the run.
//   Directory  nlink and size of directories are free in the reference (it says
//              1 for a merged one); the subject's nlink must count.
//
// Everything else must be equal, but for the documented exceptions.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "test/differential/executor.h"
#include "test/differential/op.h"
#include "test/differential/snapshot.h"

namespace veneer::testing::differential {

/// A one-to-one relation between the objects of two trees, built as seen.
class Identity {
 public:
  /// False if either object was met before as another's partner.
  bool same(std::uint64_t subject, std::uint64_t reference);

  void forget() {
    forward_.clear();
    backward_.clear();
  }

 private:
  std::map<std::uint64_t, std::uint64_t> forward_;
  std::map<std::uint64_t, std::uint64_t> backward_;
};

/// What is asked of a subject beyond agreement with the reference.
struct Demands {
  bool dir_nlink_counts = false;  ///< nlink = 2 + subdirectories
  bool d_ino_is_st_ino = false;
  bool numbers_live_on = true;  ///< a number is not given to a later object
  bool numbers_survive_remount = true;
  bool link_numbers_survive_remount = true;  ///< of files with several names
  /// How far a number may move at a remount, where others stand in its way.
  std::uint64_t numbers_drift = 0;
  bool times_survive_remount = true;  ///< to the nanosecond
  bool shares_kernel_defects = true;  ///< those listed in exceptions.h
};

/// The result as a number, or the name of the errno.
std::string describe(const Outcome& answer);

/// What the subject wrote on disk, beside what the reference wrote for the same
/// calls. It may have copied up less or other names of a file, but must hide
/// nothing that the reference does not hide, and where both wrote, it must be
/// the same kind of thing. That both mean the same tree is seen when the uppers
/// change sides; redirects and the like have more than one spelling.
std::optional<std::string> compare_uppers(const Snapshot& subject,
                                          const Snapshot& reference);

class Comparer {
 public:
  /// `start`: seconds; later time stamps are the run's own.
  Comparer(Demands demands, std::int64_t start)
      : demands_(demands), start_(start) {}

  /// None if the answers agree, else what does not.
  std::optional<std::string> compare(const Outcome& subject,
                                     const Outcome& reference);

  /// All objects have new numbers from here on.
  void forget_numbers() { identity_.forget(); }

  /// The same of whole trees; lists the first few differences.
  std::optional<std::string> compare(const Snapshot& subject,
                                     const Snapshot& reference);

  /// Of two looks at one tree, before and after a remount.
  std::optional<std::string> compare_again(const Snapshot& now,
                                           const Snapshot& before) const;

 private:
  std::string differences(const StatView& subject, const StatView& reference,
                          Identity& identity) const;
  std::string differences(const Entry& subject, const Entry& reference,
                          Identity& identity) const;
  std::optional<std::string> compare_trees(const Snapshot& subject,
                                           const Snapshot& reference,
                                           Identity& identity) const;
  std::string shortcomings(const Entry& entry) const;
  std::string stamp(std::int64_t seconds, std::uint32_t nanoseconds) const;

  Demands demands_;
  std::int64_t start_;
  Identity identity_;
};

}  // namespace veneer::testing::differential
