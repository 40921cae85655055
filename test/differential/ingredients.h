// SPDX-License-Identifier: MIT
//
// What random calls and random layers are made of: names, sizes, modes, values.
// The pools are small and hold the awkward ones.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "test/differential/op.h"
#include "test/differential/random.h"
#include "test/differential/world.h"

namespace veneer::testing::differential {

/// Deeper than this nothing is made.
inline constexpr std::size_t kMaxDepth = 5;

const std::vector<std::string>& names();
const std::vector<std::string>& wh_names();
const std::vector<std::string>& xattr_names();

/// A path in a directory that is there; whether it is free is not looked at.
std::string random_new_path(Random& random, const World& world, bool for_dir);
std::string random_target(Random& random);
std::int64_t random_mode(Random& random);
std::int64_t random_size(Random& random);
Op random_node(Random& random);
Op random_acl(Random& random, bool may_be_default);
Op random_setxattr(Random& random, bool with_flags);

}  // namespace veneer::testing::differential
