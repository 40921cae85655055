// SPDX-License-Identifier: MIT
//
// The fuzzer's option strings as an ordinary test: a broken promise aborts.

#include "fuzz/option_string.h"
#include "test/support/corpus.h"

namespace veneer::session {
namespace {

TEST(FuzzCorpus, OptionStringsAreUnderstoodOrRefused) {
  veneer::testing::check_corpus("option_string", fuzz::check_option_string);
}

}  // namespace
}  // namespace veneer::session
