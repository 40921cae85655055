// SPDX-License-Identifier: MIT
//
// Which of the changes a commit takes.
//
// Patterns are those of the shell. One with a slash in it is matched against
// paths of the merged tree from the root ("etc/*.conf"), one without against
// the names at any depth ("*.o"). "*" and "?" stop at a slash, a component "**"
// stands for any number of directories, and what matches a directory goes for
// all that is in it. A change is taken if an include matches (or there is none)
// and no exclude does; the root itself if there are no patterns.
//
// What cannot be without the other comes along: the new or renamed directories
// above a change, all names of one file, both ends of a rename, and whatever
// shows parts of the base that a taken change removes from their place.
//
// Pure.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "finalize/change.h"
#include "veneer/result.h"

namespace veneer::finalize {

struct Selection {
  Changes taken;
  Changes left;
  /// Something that is a change (not kNone) is among `left`.
  bool is_partial = false;
};

Selection select(Changes all, const std::vector<std::string>& include,
                 const std::vector<std::string>& exclude);

/// Whether `pattern` matches `path` or a directory above it.
bool matches(std::string_view pattern, std::string_view path);

}  // namespace veneer::finalize
