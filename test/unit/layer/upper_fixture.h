// SPDX-License-Identifier: MIT
//
// An upper of one test, in either form, with short ways to reach into it.

#pragma once

#include <linux/fs.h>

#include "layer/host/open_layers.h"
#include "test/unit/layer/scratch.h"

namespace veneer::testing {

class UpperFixture : public Scratch,
                     public ::testing::WithParamInterface<layer::WhiteoutForm> {
 protected:
  void SetUp() override {
    Scratch::SetUp();
    make_dir("u");
    make_dir("w");
    reopen();
  }
  void TearDown() override {
    upper_.reset();
    Scratch::TearDown();
  }
  void reopen() {
    upper_.reset();
    layer::UpperReport report;
    auto opened = layer::open_host_upper(
        {.upper = path("u"), .work = path("w"), .form = GetParam()}, report);
    ASSERT_TRUE(opened) << opened.error().message();
    upper_ = *std::move(opened);
  }

  bool kernel_form() const {
    return GetParam() == layer::WhiteoutForm::kKernel;
  }
  LayerNode& root() { return *upper_->root().node; }
  std::optional<Child> lookup(const std::string& where) {
    std::optional<Child> at = upper_->root();
    for (const auto& name : std::filesystem::path(where)) {
      auto child = upper_->lookup(*at->node, name.string());
      EXPECT_TRUE(child) << where << ": " << child.error().message();
      if (!child || !*child) return std::nullopt;
      at = **child;
      if (!at->node) return at;
    }
    return at;
  }
  LayerNodeRef node(const std::string& where) {
    const auto child = lookup(where);
    EXPECT_TRUE(child && child->node) << where;
    return child ? child->node : nullptr;
  }
  LayerNodeRef make(const std::string& name, mode_t mode,
                    std::string target = {}) {
    auto made = upper_->create(root(), name,
                               {.mode = mode,
                                .uid = ::geteuid(),
                                .gid = ::getegid(),
                                .target = std::move(target)});
    EXPECT_TRUE(made) << name << ": " << made.error().message();
    return made ? made->node : nullptr;
  }
  /// The layer says that `where` is deleted.
  bool is_deleted(const std::string& where) {
    const auto child = lookup(where);
    return child && child->marks.whiteout;
  }
  bool work_is_empty() const {
    // One whiteout is kept there for linking.
    for (const std::string& name : names_in("w/work")) {
      if (!is_whiteout("w/work/" + name)) return false;
    }
    return true;
  }

  std::unique_ptr<UpperLayer> upper_;
};

#define VENEER_IN_BOTH_FORMS(suite)                             \
  INSTANTIATE_TEST_SUITE_P(                                     \
      Form, suite,                                              \
      ::testing::Values(::veneer::layer::WhiteoutForm::kKernel, \
                        ::veneer::layer::WhiteoutForm::kDotWh), \
      ::veneer::testing::form_name)

}  // namespace veneer::testing
