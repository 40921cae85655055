// SPDX-License-Identifier: MIT
//
// The commands for composefs images, as a user runs them.

#include "test/support/isolation.h"

int main(int argc, char** argv) {
  return veneer::testing::run_isolated(argc, argv);
}
