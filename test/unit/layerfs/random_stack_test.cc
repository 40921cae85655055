// SPDX-License-Identifier: MIT
//
// Random layers, stacked 2 to 20 deep, against a model that knows nothing of
// files and trees: a map of paths, on which each layer acts as its call says.

#include <gmock/gmock.h>

#include <map>
#include <random>
#include <set>

#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using ::testing::IsEmpty;

// An object as a user sees it: the type, the content or target, the mode.
struct Thing {
  char type = '?';
  std::string data;
  std::uint32_t mode = 0;
  bool implicit = false;

  bool operator==(const Thing& other) const {
    return type == other.type && data == other.data && mode == other.mode;
  }
  friend void PrintTo(const Thing& thing, std::ostream* out) {
    *out << thing.type << ' ' << thing.data << ' ' << std::oct << thing.mode;
  }
};
using Things = std::map<std::string, Thing>;

// What one layer says: what it has, what it hides, where it is opaque.
struct Said {
  Things things;
  std::set<std::string> whiteouts;
  std::set<std::string> opaque;
};

bool is_below(const std::string& path, const std::string& dir) {
  return path.size() > dir.size() && path.starts_with(dir) &&
         path[dir.size()] == '/';
}

void erase_tree(Things& things, const std::string& path) {
  std::erase_if(things, [&](const auto& entry) {
    return entry.first == path || is_below(entry.first, path);
  });
}

// What shows of `top` over `below`.
Things laid_over(Things below, const Said& top) {
  for (const std::string& path : top.whiteouts) erase_tree(below, path);
  for (const std::string& path : top.opaque) {
    std::erase_if(
        below, [&](const auto& entry) { return is_below(entry.first, path); });
  }
  for (const auto& [path, thing] : top.things) {
    const auto old = below.find(path);
    if (thing.type != 'd') {
      erase_tree(below, path);
      below[path] = thing;
    } else if (old == below.end() || old->second.type != 'd') {
      below[path] = thing;
    } else if (!thing.implicit) {
      old->second = thing;
    }
  }
  return below;
}

class RandomStackTest : public LayerScene,
                        public ::testing::WithParamInterface<int> {
 protected:
  std::mt19937 random_{static_cast<unsigned>(GetParam())};

  std::size_t below(std::size_t limit) { return random_() % limit; }

  // Few names, so that layers meet.
  std::string random_path() {
    std::string path;
    const std::size_t depth = 1 + below(4);
    for (std::size_t i = 0; i < depth; ++i) {
      if (i > 0) path.push_back('/');
      path.push_back(static_cast<char>('a' + below(5)));
    }
    return path;
  }

  void imply_parents(Said& said, const std::string& path) {
    for (std::size_t slash = path.find('/'); slash != path.npos;
         slash = path.find('/', slash + 1)) {
      const std::string parent = path.substr(0, slash);
      if (said.things.contains(parent)) continue;
      const bool hidden = said.whiteouts.erase(parent) > 0;
      said.things[parent] = {'d', "", 0755, !hidden};
      if (hidden) said.opaque.insert(parent);
    }
  }

  // Forgets what is there, as a new object takes its place.
  void replace(Said& said, const std::string& path) {
    erase_tree(said.things, path);
    std::erase_if(said.whiteouts,
                  [&](const std::string& p) { return is_below(p, path); });
    std::erase_if(said.opaque, [&](const std::string& p) {
      return p == path || is_below(p, path);
    });
    said.whiteouts.erase(path);
  }

  bool parent_is_directory(const Said& said, const std::string& path) const {
    for (std::size_t slash = path.find('/'); slash != path.npos;
         slash = path.find('/', slash + 1)) {
      const auto parent = said.things.find(path.substr(0, slash));
      if (parent != said.things.end() && parent->second.type != 'd') {
        return false;
      }
    }
    return true;
  }

  void random_call(BottomLayerBuilder& b, Said& said) {
    const std::string path = random_path();
    const bool possible = parent_is_directory(said, path);
    const auto mode = static_cast<std::uint32_t>(random_() & 0777);
    const std::string text = std::to_string(random_() % 1000);
    const auto old = said.things.find(path);
    const bool is_dir = old != said.things.end() && old->second.type == 'd';
    const bool is_there = old != said.things.end();
    switch (below(6)) {
      case 0:
      case 1: {
        ASSERT_EQ(
            possible,
            b.add_file(path, {mode, kTime}, inline_text(text)).has_value());
        if (!possible) return;
        imply_parents(said, path);
        replace(said, path);
        said.things[path] = {'f', text, mode, false};
        return;
      }
      case 2: {
        ASSERT_EQ(possible, b.add_dir(path, {mode, kTime}).has_value());
        if (!possible) return;
        imply_parents(said, path);
        if (!is_dir) {
          const bool hidden = said.whiteouts.contains(path);
          replace(said, path);
          if (hidden) said.opaque.insert(path);
        }
        said.things[path] = {'d', "", mode, false};
        return;
      }
      case 3: {
        ASSERT_EQ(possible, b.add_symlink(path, text).has_value());
        if (!possible) return;
        imply_parents(said, path);
        replace(said, path);
        said.things[path] = {'l', text, 0777, false};
        return;
      }
      case 4: {
        ASSERT_EQ(possible, b.add_whiteout(path).has_value());
        if (!possible) return;
        imply_parents(said, path);
        if (is_dir) {
          said.opaque.insert(path);
          said.things[path].implicit = false;
        } else if (!is_there) {
          said.whiteouts.insert(path);
        }
        return;
      }
      default: {
        const bool opaque_possible = possible && (!is_there || is_dir);
        ASSERT_EQ(opaque_possible, b.set_opaque(path).has_value());
        if (possible) imply_parents(said, path);
        if (!opaque_possible) return;
        if (!is_dir) {
          const bool hidden = said.whiteouts.erase(path) > 0;
          said.things[path] = {'d', "", 0755, !hidden};
        }
        said.opaque.insert(path);
        return;
      }
    }
  }

  Said random_layer(const std::string& name) {
    Said said;
    build_with(name, {}, [&](BottomLayerBuilder& b) {
      const std::size_t calls = below(30);
      for (std::size_t i = 0; i < calls; ++i) random_call(b, said);
    });
    return said;
  }

  static void collect(Layer& layer, const LayerNode& dir,
                      const std::string& prefix, Things& things) {
    std::vector<std::pair<std::string, std::uint8_t>> names;
    ASSERT_TRUE(layer.read_dir(dir, [&](const DirEntry& entry) {
      if (!entry.whiteout) names.emplace_back(entry.name, entry.type);
    }));
    for (const auto& [name, type] : names) {
      const auto found = layer.lookup(dir, name);
      ASSERT_TRUE(found && *found && (*found)->node) << prefix << name;
      const Child& child = **found;
      EXPECT_EQ(IFTODT(child.attr.mode), type);
      Thing thing{.mode = child.attr.mode & 07777};
      const std::string path = prefix + name;
      EXPECT_EQ(layer.path_of(*child.node), path);
      if (type == DT_DIR) {
        thing.type = 'd';
        collect(layer, *child.node, path + "/", things);
      } else if (type == DT_LNK) {
        thing.type = 'l';
        thing.data = *layer.read_link(*child.node);
      } else {
        thing.type = 'f';
        thing.data = read(layer, path);
        EXPECT_EQ(child.attr.size, thing.data.size());
      }
      things[path] = thing;
    }
  }

  static Things seen_in(const LayerFs& layer) {
    Things things;
    const auto shown = view(layer);
    collect(*shown, *shown->root().node, "", things);
    return things;
  }
};

TEST_P(RandomStackTest, ShowsWhatTheModelShows) {
  const std::size_t depth = 2 + below(19);
  Said first = random_layer("l0");
  Things expected = laid_over({}, first);
  LayerFs stacked = open("l0");
  ASSERT_EQ(seen_in(stacked), expected);
  for (std::size_t i = 1; i < depth; ++i) {
    const auto n = std::to_string(i);
    const Said said = random_layer("l" + n);
    ASSERT_FALSE(HasFatalFailure());
    expected = laid_over(std::move(expected), said);
    stacked = stack("s" + n, stacked, open("l" + n));
    ASSERT_EQ(seen_in(stacked), expected) << "at layer " << i;
  }
  EXPECT_THAT(faults(stacked), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomStackTest, ::testing::Range(1, 61));

}  // namespace
}  // namespace veneer::layerfs
