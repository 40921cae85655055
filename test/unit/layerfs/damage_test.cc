// SPDX-License-Identifier: MIT
//
// Layers cut short at every length and with bits turned: an error, or the right
// tree; never another tree, a crash or a hang. Without our own file there are
// no digests: then anything but a crash or a hang.

#include <gmock/gmock.h>

#include <random>

#include "base/log.h"
#include "test/unit/layerfs/layer_scene.h"

namespace veneer::layerfs {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

class DamageTest : public LayerScene {
 protected:
  void SetUp() override {
    LayerScene::SetUp();
    veneer::set_log_level(LogLevel::kOff);
    build_with("l0", {}, [&](BottomLayerBuilder& b) {
      EXPECT_TRUE(b.add_file("a/one", {0644, 1}, inline_text("inline")));
      EXPECT_TRUE(b.add_file("b/two", {0600, 2}, Empty{}));
      EXPECT_TRUE(b.add_symlink("l", "a/one"));
      EXPECT_TRUE(b.add_link("b/three", "a/one"));
    });
    build_with("l1", {}, [&](BottomLayerBuilder& b) {
      EXPECT_TRUE(b.add_file("a/four", {0755, 3}, inline_text("more")));
      EXPECT_TRUE(b.add_whiteout("b/two"));
      EXPECT_TRUE(b.add_file("c/five", {0640, 4}, Empty{}));
    });
    stack("s1", open("l0"), open("l1"));
    // Nothing is shared with it, so that it can be damaged alone.
    std::filesystem::remove_all(path("l1"));
    whole_ = *walk();
  }
  void TearDown() override { veneer::set_log_level(LogLevel::kWarning); }

  // All there is to see, as text; nothing if anything is an error.
  Result<std::string> walk() const {
    TRY_ASSIGN(const LayerFs layer, LayerFs::from_path(path("s1"), blobs()));
    TRY_ASSIGN(const auto view, layer.as_layer({.uid = 1, .gid = 1}));
    std::string text;
    struct Dir {
      LayerNodeRef node;
      int depth;
    };
    std::vector<Dir> waiting = {{view->root().node, 0}};
    text += describe(view->root());
    while (!waiting.empty()) {
      const Dir dir = waiting.back();
      waiting.pop_back();
      // A hostile tree may have no end; those who mount it have one.
      if (dir.depth > 20) return Error(ELOOP, "walk");
      std::vector<std::string> names;
      TRY(view->read_dir(*dir.node, [&](const DirEntry& entry) {
        names.emplace_back(entry.name);
        text.append(entry.name).push_back(static_cast<char>('A' + entry.type));
      }));
      for (const std::string& name : names) {
        TRY_ASSIGN(const auto child, view->lookup(*dir.node, name));
        if (!child) return Error(ENOENT, "walk");
        text += describe(*child);
        if (!child->node) continue;
        if (S_ISDIR(child->attr.mode)) {
          waiting.push_back({child->node, dir.depth + 1});
        } else if (S_ISLNK(child->attr.mode)) {
          TRY_ASSIGN(const std::string target, view->read_link(*child->node));
          text += target;
        } else if (S_ISREG(child->attr.mode)) {
          TRY_ASSIGN(const FileData data, view->open_data(*child->node));
          std::string bytes(std::min<std::uint64_t>(*data.length, 4096), 0);
          if (data.fd >= 0) {
            TRY(sys::pread_full(data.fd, bytes.data(), bytes.size(),
                                data.offset));
          }
          text += bytes;
        }
      }
    }
    return text;
  }

  static std::string describe(const Child& child) {
    if (!child.node) return "whiteout\n";
    const Attr& a = child.attr;
    return std::to_string(a.ino) + " " + std::to_string(a.mode) + " " +
           std::to_string(a.size) + " " + std::to_string(a.nlink) + " " +
           std::to_string(a.mtime.tv_sec) +
           (child.marks.opaque ? " opaque\n" : "\n");
  }

  Words files(const std::string& layer) const {
    Words names;
    for (const auto& entry : std::filesystem::directory_iterator(path(layer))) {
      names.push_back(layer + "/" + entry.path().filename().string());
    }
    return names;
  }

  // With the file damaged: what the reader says, then what verify() does.
  void expect_noticed(const std::string& what) {
    const auto seen = walk();
    if (seen) {
      EXPECT_EQ(*seen, whole_) << what;
    }
    const auto layer = LayerFs::from_path(path("s1"), blobs());
    if (!layer) return;
    const auto faults = layer->verify();
    if (!faults) return;
    EXPECT_THAT(*faults, Not(IsEmpty())) << what;
  }

  std::string whole_;
};

TEST_F(DamageTest, EveryFileAtEveryLength) {
  for (const char* layer : {"l0", "s1"}) {
    for (const std::string& file : files(layer)) {
      const std::string bytes = read_file(file);
      for (std::size_t size = 0; size < bytes.size(); ++size) {
        write_file(file, bytes.substr(0, size));
        expect_noticed(file + " cut at " + std::to_string(size));
      }
      write_file(file, bytes + "x");
      expect_noticed(file + " and a byte");
      std::filesystem::remove(path(file));
      // A layer without our own file is one of Maelstrom's.
      if (!file.ends_with(kVeneerFile)) expect_noticed(file + " gone");
      write_file(file, bytes);
      EXPECT_EQ(*walk(), whole_);
    }
  }
}

TEST_F(DamageTest, EveryBitOfEveryFile) {
  for (const char* layer : {"l0", "s1"}) {
    for (const std::string& file : files(layer)) {
      const std::string bytes = read_file(file);
      for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        // All bits of what is short, some of what is long.
        if (bytes.size() > 100 && bit % 61 != 0) continue;
        std::string damaged = bytes;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
        write_file(file, damaged);
        expect_noticed(file + " bit " + std::to_string(bit));
      }
      write_file(file, bytes);
    }
  }
}

TEST_F(DamageTest, WithoutDigestsItNeitherCrashesNorHangs) {
  std::filesystem::remove(path("l0/veneer.bin"));
  std::filesystem::remove(path("s1/veneer.bin"));
  whole_ = *walk();
  std::mt19937 random(7);
  for (const char* layer : {"l0", "s1"}) {
    for (const std::string& file : files(layer)) {
      const std::string bytes = read_file(file);
      if (bytes.empty()) continue;
      for (std::size_t size = 0; size < bytes.size(); ++size) {
        write_file(file, bytes.substr(0, size));
        const auto seen = walk();
        // Inline data may end where nothing has its bytes.
        if (seen) {
          EXPECT_EQ(*seen, whole_) << file << " cut at " << size;
        }
      }
      for (int i = 0; i < 400; ++i) {
        std::string damaged = bytes;
        for (std::size_t k = 0; k <= random() % 3; ++k) {
          damaged[random() % bytes.size()] = static_cast<char>(random());
        }
        write_file(file, damaged);
        veneer::ignore_error(walk());
        if (i % 8 != 0) continue;
        const auto open = LayerFs::from_path(path("s1"), blobs());
        if (open) veneer::ignore_error(open->verify());
      }
      write_file(file, bytes);
    }
  }
}

TEST_F(DamageTest, AFileCutWhileItIsServedIsAnError) {
  for (const char* name :
       {"/file_table.bin", "/attributes_table.bin", "/inline_data.bin"}) {
    const std::string file = "s1" + std::string(name);
    const std::string bytes = read_file(file);
    const LayerFs layer = open("s1");
    const auto shown = view(layer);
    EXPECT_EQ(read(*shown, "a/four"), "more");
    std::filesystem::resize_file(path(file), 3);

    const auto child = find(*shown, "a/four");
    const bool is_inline = std::string_view(name) == "/inline_data.bin";
    EXPECT_EQ(veneer::testing::code_of(child), is_inline ? 0 : EIO) << name;

    write_file(file, bytes);
  }
}

TEST_F(DamageTest, OtherKindsOfFilesAreNoPartOfALayer) {
  for (const std::string& file : files("s1")) {
    const std::string bytes = read_file(file);
    std::filesystem::remove(path(file));
    ASSERT_EQ(::mkfifo(path(file).c_str(), 0600), 0);
    EXPECT_FALSE(walk()) << file;
    std::filesystem::remove(path(file));
    std::filesystem::create_symlink("/etc/passwd", path(file));
    EXPECT_FALSE(walk()) << file;
    std::filesystem::remove(path(file));
    write_file(file, bytes);
  }
}

}  // namespace
}  // namespace veneer::layerfs
