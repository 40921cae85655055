// SPDX-License-Identifier: MIT
//
// The fuzzer's layers as an ordinary test: a broken promise aborts.

#include "fuzz/layerfs_layer.h"
#include "test/support/corpus.h"

namespace veneer::layerfs {
namespace {

TEST(LayerCorpus, LayersHoldWhatIsPromised) {
  veneer::testing::check_corpus("layerfs_layer", fuzz::check_layerfs_layer);
  set_log_level(LogLevel::kWarning);
}

}  // namespace
}  // namespace veneer::layerfs
