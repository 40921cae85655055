// SPDX-License-Identifier: MIT
//
// Runs a test program so that nothing outlives it.
//
// As root the program runs in a mount and a process namespace of its own: the
// mounts it makes and the daemons it starts vanish with it, however it ends,
// and none of them is ever seen outside. Without the right to make namespaces
// it runs as it is; the tests that need mounts then skip.

#pragma once

#include <string>

namespace veneer::testing {

/// Runs every test of the program. To be returned by main().
int run_isolated(int argc, char** argv);

/// An empty directory for this run, removed with all it holds at the end.
const std::string& scratch_root();

}  // namespace veneer::testing
