// SPDX-License-Identifier: MIT
//
// The fuzzer's marks, records and ACLs as an ordinary test: a broken promise
// aborts.

#include "fuzz/overlay_marks.h"
#include "test/support/corpus.h"

namespace veneer::layer {
namespace {

TEST(FuzzCorpus, OverlayMarksHoldWhatIsPromised) {
  veneer::testing::check_corpus("overlay_marks", fuzz::check_overlay_marks);
}

}  // namespace
}  // namespace veneer::layer
