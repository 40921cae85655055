// SPDX-License-Identifier: MIT
//
// One pass over the steps of a plan: what they share.
//
// Objects are built in the staging directory and appear by a rename. Names
// there, where N is the number of the step and S a slot:
//
//   S, S.new          what stash and stage put aside; the latter, unfinished
//   cN.new lN.new wN.new   a copy, a link, a whiteout on its way to its name
//   pN                a symbolic link whose target says which of "immutable"
//                     and "append-only" an object is to have that was moved
//                     here without its mark
//
// Numbers count all steps, so that a pass after a crash finds the same names.
//
// Threads: thread-compatible.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "finalize/apply.h"
#include "finalize/dir_cursor.h"
#include "veneer/attr.h"

namespace veneer::finalize {

/// Of kAttrs. The root's name in the upper is empty, too; where nothing of it
/// has changed its xattrs and flags need not be looked at.
bool is_without_upper(const Step& step);

class Applier {
 public:
  /// Both outlive it.
  Applier(const Site& site, const std::vector<Step>& steps)
      : site_(site),
        steps_(steps),
        base_(site.base),
        linked_(site.base),
        upper_(site.upper),
        index_(site.index) {}

  Result<void> run(Which which,
                   const std::function<bool(const ApplyProgress&)>& progress);

 private:
  Result<void> do_step(const Step& step);
  // apply.cc
  Result<void> stash(const Step& step);
  Result<void> place(const Step& step);
  Result<void> make_dir(const Step& step);
  Result<void> link(const Step& step);
  Result<void> set_attributes(const Step& step);
  Result<void> whiteout(const Step& step);
  // install.cc
  Result<void> stage(const Step& step);
  Result<void> install(const Step& step);

  /// An object of the upper, open to be looked at.
  struct UpperObject {
    Spot spot;
    Attr attr;
  };
  Result<std::optional<UpperObject>> find_upper(const std::string& path);
  Result<UpperObject> get_upper(const std::string& path);

  /// False: it would have to cross file systems.
  Result<bool> move(const Step& step, const UpperObject& from);
  Result<void> copy(const Step& step, const UpperObject& from);
  Result<void> build(const std::string& name, const Step& step,
                     const UpperObject& from, const FileData& data);
  Result<void> build_regular(const std::string& name, const Step& step,
                             const UpperObject& from, const FileData& data);
  Result<void> strip(const Step& step, const UpperObject& from,
                     const std::vector<std::string>& names);
  Result<FileData> open_data(const std::string& path) const;

  /// The name in the staging directory for what this step makes.
  std::string temporary(char letter) const;
  /// Renames what is in the staging directory to a name in the base.
  Result<void> publish(const std::string& staged, const Step& step);
  Result<void> rename_over(const Spot& from, const Spot& to, unsigned flags);
  /// Removes a `.wh.` name that hides `name` from the layers below.
  Result<void> uncover(const Spot& name) const;
  Result<void> set_marks(const Spot& dir, const Step& step) const;
  /// A device 0:0, which has no meaning but over layers below.
  bool is_whiteout(const Attr& attr) const;
  bool something_came_above(const std::string& path) const;
  /// Paths that go through a directory of this name are to be looked up anew.
  void forget(const std::string& path);

  /// `path` gets these flags after all steps.
  void protect_later(const std::string& path, unsigned flags);
  /// The same, over a crash.
  Result<void> write_protection(unsigned flags) const;
  Result<void> read_protections();
  Result<void> keep_protections();
  unsigned written_protection() const;

  const Site& site_;
  const std::vector<Step>& steps_;
  DirCursor base_;
  DirCursor linked_;
  DirCursor upper_;
  DirCursor index_;
  std::string index_name_;  // what the last spot of index_ points to
  std::size_t number_ = 0;  // of the step at hand
  ApplyProgress progress_;
  std::unordered_map<std::uint64_t, const Step*> staged_;  // by slot
  std::unordered_map<std::size_t, unsigned> written_;      // by step
  std::vector<std::pair<std::string, unsigned>> protected_;
};

}  // namespace veneer::finalize
