// SPDX-License-Identifier: MIT
//
// The fuzzers' inputs, whole and cut short: nothing is broken by them.

#include "test/support/corpus.h"

#include <gtest/gtest.h>

#include "fuzz/manifest.h"
#include "fuzz/tar_layer.h"

namespace veneer::layerfs {
namespace {

TEST(Corpus, ManifestsKeepThePromises) {
  veneer::testing::check_corpus("manifest", &fuzz::check_manifest);
}

TEST(Corpus, TarsKeepThePromises) {
  veneer::testing::check_corpus("tar_layer", [](std::string_view bytes) {
    fuzz::check_tar_layer(bytes);
  });
}

}  // namespace
}  // namespace veneer::layerfs
