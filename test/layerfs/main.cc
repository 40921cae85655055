// SPDX-License-Identifier: MIT
//
// Reading a directory makes a private copy of its mount, so these tests run in
// namespaces of their own.

#include "test/support/isolation.h"

int main(int argc, char** argv) {
  return veneer::testing::run_isolated(argc, argv);
}
