// SPDX-License-Identifier: MIT
//
// These tests mount file systems, so they run in namespaces of their own.

#include "test/support/isolation.h"

int main(int argc, char** argv) {
  return veneer::testing::run_isolated(argc, argv);
}
