// SPDX-License-Identifier: MIT
//
// One step as one line of JSON, and back.
//
//   {"do":"install","path":"etc/motd","from":"etc/motd","ino":12,"from_ino":34,
//    "mode":420,"uid":0,"gid":0,"atime":[1,2],"mtime":[3,4],"move":true,
//    "why":"M"}
//
// What is empty, zero or false is left out. Paths are as in json_path.h.
// Writing is by hand, for there may be a million of them and a move costs a few
// microseconds; reading, which happens after a crash, is not. What is read may
// be anything: a line is accepted only if each path stays in its tree.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "finalize/plan.h"

namespace veneer::finalize {

/// Appends a line with its end.
void append_step(std::string& out, const Step& step);

/// `line`: without its end. nullopt: it is no step.
std::optional<Step> parse_step(std::string_view line);

}  // namespace veneer::finalize
