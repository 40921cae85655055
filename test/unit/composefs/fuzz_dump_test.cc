// SPDX-License-Identifier: MIT
//
// The fuzzer's dumps, whole and cut short at each byte.

#include <gtest/gtest.h>

#include "fuzz/composefs_dump.h"
#include "test/support/corpus.h"

namespace veneer::composefs {
namespace {

TEST(DumpFuzzCorpus, EachIsRefusedOrComesBack) {
  testing::check_corpus("composefs_dump", [](std::string_view text) {
    fuzz::check_composefs_dump(text);
  });
}

}  // namespace
}  // namespace veneer::composefs
