// SPDX-License-Identifier: MIT
//
// Stacks of fifty layers with whiteouts and opaque directories in between,
// compared with a model of a few lines: layers are put on one another from the
// bottom, and what is deleted is erased. Then operations at random, on the
// overlay and on the model, and the same again after a remount.

#include <random>

#include "test/unit/overlay/scene.h"

namespace veneer::overlay {
namespace {

using veneer::layer::WhiteoutForm;

/// Path to content; a directory has none.
using Model = std::map<std::string, std::optional<std::string>>;

constexpr int kLayers = 50;

void erase_below(Model& model, const std::string& path) {
  const std::string prefix = path + "/";
  for (auto it = model.lower_bound(prefix);
       it != model.end() && it->first.starts_with(prefix);) {
    it = model.erase(it);
  }
}

class DeepStackTest : public veneer::testing::Scene,
                      public ::testing::WithParamInterface<unsigned> {
 protected:
  void SetUp() override {
    Scene::SetUp();
    random_.seed(GetParam());
  }

  unsigned pick(unsigned below) {
    return static_cast<unsigned>(random_()) % below;
  }
  std::string pick_path() {
    static constexpr const char* kNames[] = {"a", "b", "c", "d"};
    std::string path = kNames[pick(4)];
    while (path.size() < 7 && pick(3) != 0) {
      path.append("/").append(kNames[pick(4)]);
    }
    return path;
  }

  // One more layer on top: what it holds on disk, and what that means.
  void add_layer(const std::string& layer) {
    make_dir(layer);
    Model held;  // in this layer alone
    for (unsigned n = pick(6) + 1; n > 0; --n) {
      std::string where = pick_path();
      const auto [dir, name] = split(where);
      const bool in_the_way = [&] {
        for (std::string up = dir; !up.empty(); up = split(up).first) {
          const auto it = held.find(up);
          if (it != held.end() && it->second) return true;
        }
        return held.contains(where);
      }();
      if (in_the_way) continue;
      for (std::string up = dir; !up.empty(); up = split(up).first) {
        held.emplace(up, std::nullopt);
        put_dir(up);
      }
      std::filesystem::create_directories(path(layer + "/" + dir));
      const std::string on_disk = layer + "/" + where;
      switch (pick(6)) {
        case 0:
          whiteout(on_disk);
          held.emplace(where, "");
          erase(where);
          break;
        case 1:
          write(layer + "/" + (dir.empty() ? "" : dir + "/") + ".wh." + name,
                "");
          held.emplace(where, "");
          erase(where);
          break;
        case 2:
          make_dir(on_disk);
          pick(2) == 0 ? mark(on_disk, "opaque", "y")
                       : write(on_disk + "/.wh..wh..opq", "");
          held.emplace(where, std::nullopt);
          erase(where);
          put_dir(where);
          break;
        case 3:
          make_dir(on_disk);
          held.emplace(where, std::nullopt);
          put_dir(where);
          break;
        default: {
          const std::string text = layer + ":" + where;
          write(on_disk, text);
          held.emplace(where, text);
          erase(where);
          model_[where] = text;
        }
      }
    }
  }
  void put_dir(const std::string& where) {
    const auto it = model_.find(where);
    if (it != model_.end() && !it->second) return;
    model_[where] = std::nullopt;
  }
  void erase(const std::string& where) {
    model_.erase(where);
    erase_below(model_, where);
  }

  Model view(const std::string& where = "") {
    Model view;
    for (const std::string& name : names(where)) {
      const std::string below = where.empty() ? name : where + "/" + name;
      const Attr attr = attr_of(below);
      if (S_ISDIR(attr.mode)) {
        view[below] = std::nullopt;
        view.merge(this->view(below));
      } else {
        view[below] = content(below);
      }
    }
    return view;
  }
  // Asks for names directly, before anything was listed.
  void expect_lookups_agree() {
    for (int i = 0; i < 300; ++i) {
      const std::string where = pick_path();
      ASSERT_EQ(has(where), model_.contains(where)) << where;
    }
  }

  bool is_dir(const std::string& where) const {
    const auto it = model_.find(where);
    return where.empty() || (it != model_.end() && !it->second);
  }
  bool is_empty(const std::string& where) const {
    const auto it = model_.upper_bound(where + "/");
    return it == model_.end() || !it->first.starts_with(where + "/");
  }
  // One operation on both; their outcomes agree.
  void step() {
    const std::string where = pick_path();
    const auto [dir, name] = split(where);
    if (!is_dir(dir)) return;
    const bool there = model_.contains(where);
    const bool was_dir = is_dir(where);
    switch (pick(7)) {
      case 0:
        ASSERT_EQ(create(where), there ? EEXIST : 0) << where;
        if (!there) model_[where] = "";
        break;
      case 1:
        ASSERT_EQ(make_directory(where), there ? EEXIST : 0) << where;
        if (!there) model_[where] = std::nullopt;
        break;
      case 2:
        ASSERT_EQ(remove(where), !there    ? ENOENT
                                 : was_dir ? EISDIR
                                           : 0)
            << where;
        if (there && !was_dir) model_.erase(where);
        break;
      case 3: {
        const int expected = !there             ? ENOENT
                             : !was_dir         ? ENOTDIR
                             : !is_empty(where) ? ENOTEMPTY
                                                : 0;
        ASSERT_EQ(remove_directory(where), expected) << where;
        if (expected == 0) model_.erase(where);
        break;
      }
      case 4:
        if (!there || was_dir) break;
        ASSERT_EQ(put(where, "XY", 1), 0) << where;
        model_[where]->resize(std::max<std::size_t>(model_[where]->size(), 3));
        model_[where]->replace(1, 2, "XY");
        break;
      default:
        step_rename(where, pick_path());
    }
  }
  void step_rename(const std::string& from, const std::string& to) {
    if (!is_dir(split(to).first) || from == to) return;
    const bool there = model_.contains(from);
    const bool was_dir = is_dir(from);
    int expected = 0;
    if (!there) {
      expected = ENOENT;
    } else if (was_dir && to.starts_with(from + "/")) {
      expected = EINVAL;
    } else if (from.starts_with(to + "/")) {
      expected = ENOTEMPTY;
    } else if (model_.contains(to)) {
      if (was_dir && !is_dir(to)) expected = ENOTDIR;
      if (!was_dir && is_dir(to)) expected = EISDIR;
      if (was_dir && is_dir(to) && !is_empty(to)) expected = ENOTEMPTY;
    }
    const int code = rename(from, to);
    // Without redirects directories of the lowers stay where they are.
    if (code == EXDEV && was_dir && !has_redirects_) return;
    ASSERT_EQ(code, expected) << from << " to " << to;
    if (expected != 0) return;
    Model moved;
    moved[to] = model_[from];
    for (const auto& [path, text] : model_) {
      if (path.starts_with(from + "/")) {
        moved[to + path.substr(from.size())] = text;
      }
    }
    erase(from);
    erase(to);
    model_.merge(moved);
  }

  bool has_redirects_ = true;
  std::mt19937 random_;
  Model model_;
};

TEST_P(DeepStackTest, FiftyLayersAreWhatTheModelSays) {
  veneer::testing::Stack stack{.lowers = {}, .upper = ""};
  for (int i = 0; i < kLayers; ++i) {
    const std::string layer = "l" + std::to_string(i);
    add_layer(layer);
    stack.lowers.insert(stack.lowers.begin(), layer);
  }
  open(stack);

  expect_lookups_agree();
  EXPECT_EQ(view(), model_);
}

class DeepStackChangesTest : public DeepStackTest {
 protected:
  void run(WhiteoutForm form) {
    has_redirects_ = form == WhiteoutForm::kKernel;
    veneer::testing::Stack stack{.lowers = {}, .form = form};
    for (int i = 0; i < kLayers / 5; ++i) {
      const std::string layer = "l" + std::to_string(i);
      add_layer(layer);
      stack.lowers.insert(stack.lowers.begin(), layer);
    }
    open(stack);
    for (int round = 0; round < 4; ++round) {
      for (int i = 0; i < 60; ++i) {
        ASSERT_NO_FATAL_FAILURE(step()) << "round " << round << " step " << i;
      }
      ASSERT_EQ(view(), model_) << "round " << round;
      remount();
      expect_lookups_agree();
      ASSERT_EQ(view(), model_) << "remounted in round " << round;
    }
  }
};

TEST_P(DeepStackChangesTest, KernelFormIsWhatTheModelSays) {
  run(WhiteoutForm::kKernel);
}

TEST_P(DeepStackChangesTest, DotWhFormIsWhatTheModelSays) {
  run(WhiteoutForm::kDotWh);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DeepStackTest, ::testing::Range(1U, 7U));
INSTANTIATE_TEST_SUITE_P(Seeds, DeepStackChangesTest, ::testing::Range(1U, 9U));

}  // namespace
}  // namespace veneer::overlay
