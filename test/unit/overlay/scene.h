// SPDX-License-Identifier: MIT
//
// An overlay without FUSE: real directories, the real engine, called directly,
// by path.
//
//   write("lower/f", "text");
//   open({.lowers = {"lower"}});
//   EXPECT_EQ(remove("f"), 0);
//
// Operations return errno values, 0 for success.

#pragma once

#include <dirent.h>
#include <linux/fs.h>

#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "layer/host/open_layers.h"
#include "overlay/filesystem.h"
#include "test/unit/layer/scratch.h"

namespace veneer::testing {

struct Stack {
  std::vector<std::string> lowers = {"lower"};  ///< topmost first
  std::string upper = "upper";                  ///< "": read-only
  layer::WhiteoutForm form = layer::WhiteoutForm::kKernel;
  bool index = true;
  overlay::Options options = {};
};

class Scene : public Scratch {
 protected:
  using NodeId = overlay::NodeId;
  using Caller = overlay::Caller;

  void TearDown() override {
    fs_.reset();
    Scratch::TearDown();
  }

  /// Opens the layers, making directories that are missing.
  void open(const Stack& stack = {}) {
    fs_.reset();
    stack_ = stack;
    std::vector<std::unique_ptr<Layer>> lowers;
    for (const std::string& name : stack.lowers) {
      if (!exists(name)) make_dir(name);
      auto lower =
          layer::open_host_lower(path(name), &name == &stack.lowers.back());
      ASSERT_TRUE(lower) << lower.error().message();
      lowers.push_back(*std::move(lower));
    }
    std::unique_ptr<UpperLayer> upper;
    if (!stack.upper.empty()) {
      for (const std::string& name : {stack.upper, work()}) {
        if (!exists(name)) make_dir(name);
      }
      layer::UpperReport report;
      auto opened = layer::open_host_upper({.upper = path(stack.upper),
                                            .work = path(work()),
                                            .form = stack.form,
                                            .index = stack.index},
                                           report);
      ASSERT_TRUE(opened) << opened.error().message();
      upper = *std::move(opened);
    }
    auto fs = overlay::Filesystem::make(std::move(lowers), std::move(upper),
                                        stack.options);
    ASSERT_TRUE(fs) << fs.error().message();
    fs_ = *std::move(fs);
  }
  /// What the next mount would do.
  void remount() { open(Stack(stack_)); }
  void close() { fs_.reset(); }

  overlay::Filesystem& fs() { return *fs_; }
  std::string work() const { return stack_.upper + ".work"; }

  // --- Finding ---
  Result<NodeId> find(std::string_view where) {
    NodeId at = overlay::kRootId;
    while (!where.empty()) {
      const std::size_t slash = where.find('/');
      TRY_ASSIGN(const auto entry, fs_->lookup(at, where.substr(0, slash)));
      if (!entry) return Error(ENOENT, "find", std::string(where));
      at = entry->id;
      where.remove_prefix(slash == where.npos ? where.size() : slash + 1);
    }
    return at;
  }
  NodeId at(std::string_view where) {
    const auto id = find(where);
    EXPECT_TRUE(id) << id.error().message();
    return id ? *id : NodeId{};
  }
  bool has(std::string_view where) {
    const auto id = find(where);
    EXPECT_TRUE(id || id.error().code() == ENOENT ||
                id.error().code() == ENOTDIR)
        << where << ": " << id.error().message();
    return bool(id);
  }
  Attr attr_of(std::string_view where) {
    const auto attr = fs_->get_attr(at(where));
    EXPECT_TRUE(attr) << where << ": " << attr.error().message();
    return attr ? *attr : Attr{};
  }
  /// Content; "error: ..." if it cannot be had.
  std::string content(NodeId id) {
    const auto attr = fs_->get_attr(id);
    if (!attr) return "error: " + attr.error().message();
    std::string text(attr->size, '\0');
    const auto got = fs_->read(id, 0, std::as_writable_bytes(std::span(text)));
    if (!got) return "error: " + got.error().message();
    text.resize(got->bytes.size());
    return text;
  }
  std::string content(std::string_view where) {
    const auto id = find(where);
    return id ? content(*id) : "error: " + id.error().message();
  }
  /// Names in the directory, with their listed inode numbers.
  std::map<std::string, std::uint64_t> listing(std::string_view where) {
    std::map<std::string, std::uint64_t> names;
    const auto done =
        fs_->read_dir(at(where), 2, [&](const overlay::ListedEntry& entry) {
          EXPECT_TRUE(names.emplace(entry.name, entry.ino).second)
              << entry.name << " is listed twice";
          return true;
        });
    EXPECT_TRUE(done) << where << ": " << done.error().message();
    return names;
  }
  std::set<std::string> names(std::string_view where = "") {
    std::set<std::string> names;
    for (const auto& [name, ino] : listing(where)) names.insert(name);
    return names;
  }

  // --- Changing: errno, 0 if it was done ---
  int create(const std::string& where, mode_t mode = S_IFREG | 0644,
             std::string_view target = {}) {
    const auto [dir, name] = split(where);
    return code_of(fs_->make(caller_, at(dir), name, mode, 0, target));
  }
  int make_directory(const std::string& where) {
    return create(where, S_IFDIR | 0755);
  }
  int put(NodeId id, std::string_view text, std::uint64_t offset = 0) {
    return code_of(
        fs_->write(caller_, id, offset,
                   std::as_bytes(std::span(text.data(), text.size()))));
  }
  int put(const std::string& where, std::string_view text,
          std::uint64_t offset = 0) {
    return put(at(where), text, offset);
  }
  int chmod(const std::string& where, mode_t mode) {
    return code_of(fs_->set_attr(caller_, at(where), {.mode = mode}));
  }
  int remove(const std::string& where) {
    const auto [dir, name] = split(where);
    return code_of(fs_->unlink(caller_, at(dir), name));
  }
  int remove_directory(const std::string& where) {
    const auto [dir, name] = split(where);
    return code_of(fs_->remove_dir(caller_, at(dir), name));
  }
  int rename(const std::string& from, const std::string& to,
             unsigned flags = 0) {
    const auto [dir, name] = split(from);
    const auto [new_dir, new_name] = split(to);
    return code_of(
        fs_->rename(caller_, at(dir), name, at(new_dir), new_name, flags));
  }
  int link_to(const std::string& existing, const std::string& another) {
    const auto [dir, name] = split(another);
    return code_of(fs_->link(caller_, at(existing), at(dir), name));
  }

  static std::pair<std::string, std::string> split(const std::string& where) {
    const std::size_t slash = where.rfind('/');
    if (slash == std::string::npos) return {"", where};
    return {where.substr(0, slash), where.substr(slash + 1)};
  }

  Caller caller_{.uid = ::geteuid(), .gid = ::getegid()};

 private:
  Stack stack_;
  std::unique_ptr<overlay::Filesystem> fs_;
};

}  // namespace veneer::testing
