// SPDX-License-Identifier: MIT
//
// The two trees that a session consists of, opened to be read: the upper as it
// is stored, and the base as its layers show it together.
//
// The base is the engine's own merged tree without the upper, so names resolve
// by the same rules as under a mount.
//
// Threads: not thread-safe; each reader opens its own.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "overlay/filesystem.h"
#include "stack/open_lower.h"
#include "veneer/layer.h"
#include "veneer/result.h"

namespace veneer::finalize {

/// Absolute paths. `lowers`: topmost first, at least one, as people name them
/// (stack/open_lower.h).
struct Directories {
  std::vector<std::string> lowers;
  stack::Stores stores;
  std::string upper;
  std::string work;
  /// When the session began, in seconds; 0: not known. What changed in the
  /// base since is a conflict where nothing better is recorded.
  std::int64_t began = 0;
};

/// Name and value.
using Xattr = std::pair<std::string, std::string>;

/// The base, by paths and nodes. A node is given back when its Object goes.
class BaseTree {
 public:
  class Object {
   public:
    Object() = default;
    Object(Object&& other) noexcept { *this = std::move(other); }
    Object& operator=(Object&& other) noexcept;
    ~Object() { release(); }

    explicit operator bool() const { return tree_ != nullptr; }
    overlay::NodeId id() const { return id_; }
    const Attr& attr() const { return attr_; }

   private:
    friend class BaseTree;
    void release();
    BaseTree* tree_ = nullptr;
    overlay::NodeId id_{};
    Attr attr_;
  };

  static Result<std::unique_ptr<BaseTree>> open(
      const std::vector<std::string>& lowers, const stack::Stores& stores);

  Result<Object> root();
  /// An empty Object: there is no such name.
  Result<Object> lookup(const Object& dir, Name name);
  /// From the root; "" is the root.
  Result<Object> walk(const std::string& path);

  Result<std::string> read_link(const Object& object);
  /// All that a user sees, by name.
  Result<std::vector<Xattr>> xattrs(const Object& object);
  /// 0 where the file system has none.
  Result<unsigned> flags(const Object& object);
  /// The bytes of a regular file, from its start.
  Result<FileData> data(const Object& file);
  /// Names and DT_ types, without "." and "..", by name.
  struct Entry {
    std::string name;
    std::uint8_t type;
    std::uint64_t ino;
  };
  Result<std::vector<Entry>> list(const Object& dir);

 private:
  Object taken(const overlay::Entry& entry);
  explicit BaseTree(std::unique_ptr<overlay::Filesystem> fs)
      : fs_(std::move(fs)) {}
  std::unique_ptr<overlay::Filesystem> fs_;
};

/// Those in a NUL-separated list of names, by name; one that has gone
/// meanwhile is left out.
Result<std::vector<Xattr>> read_xattrs(
    const std::string& names,
    const std::function<Result<std::optional<std::string>>(const std::string&)>&
        get);
/// All that a user sees of an object of a layer, by name.
Result<std::vector<Xattr>> xattrs_of(Layer& layer, const LayerNode& node);

struct Trees {
  Directories directories;
  std::unique_ptr<Layer> upper;  ///< as stored: with marks and whiteouts
  std::unique_ptr<Layer> index;  ///< the inode index; null: there is none
  std::vector<std::unique_ptr<Layer>> lowers;  ///< as stored, topmost first
  std::unique_ptr<BaseTree> base;
};

/// What one layer has at a path of its own, following nothing. Whiteouts count
/// as absent.
Result<std::optional<Child>> find_stored(Layer& layer, const std::string& path);

/// The object that a copy was made of, by its record, as it is now.
std::optional<Attr> origin_of(Trees& trees, const std::string& origin);

/// Where the lowers below the topmost have what the base shows at `base_path`,
/// a directory: from their root, with a slash; "" where they have no part in
/// it. The topmost lower's own redirects and opaque directories say so.
Result<std::string> path_below(Trees& trees, const std::string& base_path);

/// The same as a function that a plan can ask; what cannot be read has no part.
std::function<std::string(const std::string&)> below_paths(Trees& trees);

/// Fails  ENOENT, ENOTDIR, EACCES  about a directory, which is the subject
Result<Trees> open_trees(Directories directories);

}  // namespace veneer::finalize
