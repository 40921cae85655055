// SPDX-License-Identifier: MIT
//
// The one seam to storage: what a layer of the overlay must answer.
//
// A Layer is a read-only tree of inodes: a directory on this machine, a
// LayerFS layer, a composefs image. An UpperLayer adds the writes. The overlay
// above speaks only this; it knows no path, no xattr name and no whiteout
// form. A layer translates its own way of saying "deleted", "opaque",
// "renamed from" into Marks, and hides those ways from the user's view.
//
// Inodes. A LayerNode stands for one object of one layer. The layer makes it,
// anyone may hold it; holding one holds no descriptor. Nodes of read-only
// layers never change place. Nodes of the upper do, by the calls below.
//
// Names are bytes, never empty, ".", ".." and without '/' and NUL; callers
// have checked. No call follows a symbolic link or leaves the layer.
//
// Threads: every method may be called from any thread. What two concurrent
// calls on one name do is the caller's to order (the overlay holds the
// directory's lock), what they do to one object is safe.
//
// Errors: errno values of the storage. "Not there" is a value, not an error.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "veneer/attr.h"
#include "veneer/ref.h"
#include "veneer/result.h"

struct statvfs;
struct fsxattr;  // <linux/fs.h>

namespace veneer {

using Name = std::string_view;

/// An object of a layer. Concrete layers derive their own.
class LayerNode : public RefCounted {};
using LayerNodeRef = Ref<LayerNode>;

/// What a layer says about an object beyond what stat(2) would.
struct Marks {
  bool whiteout = false;     ///< the name is deleted here; nothing else holds
  bool opaque = false;       ///< directory: layers below do not show through
  bool metacopy = false;     ///< regular file: the data are in a lower layer
  bool impure = false;       ///< directory: may hold objects with `number`
  bool indexed = false;      ///< reached through, or linked in, the inode index
  bool no_xattrs = false;    ///< known to have no user-visible xattr at all
  bool default_acl = false;  ///< directory: new entries inherit an ACL
  bool immutable = false;    ///< protattr 'i'
  bool append_only = false;  ///< protattr 'a'

  /// Where layers below continue: a name in the same directory, or a path
  /// from the layers' root starting with '/'.
  std::optional<std::string> redirect;
  /// The inode number the object was first seen with, where recorded.
  std::optional<std::uint64_t> number;
  /// Identity record of the lower object this one was copied from.
  std::optional<std::string> origin;
  /// What that object was like then, for telling whether it was changed since.
  std::optional<std::string> base_state;
  /// Link count relative to the upper's ('U') or the lower's ('L') own.
  struct Nlink {
    bool of_upper = true;
    std::int64_t delta = 0;
  };
  std::optional<Nlink> nlink;
};

/// Bytes of a regular file that lie in several places. Threads: thread-safe.
class DataReader {
 public:
  virtual ~DataReader() = default;
  /// Returns how many bytes were read, fewer than asked for only at the end.
  virtual Result<std::size_t> read(std::uint64_t offset,
                                   std::span<std::byte> into) const = 0;
};

/// Where the bytes of a regular file are. Either a descriptor (with an offset
/// and a length within it), or bytes in memory, kept alive by `owner`, or a
/// reader of them.
struct FileData {
  int fd = -1;
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;  ///< none: to the end of `fd`
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::shared_ptr<const DataReader> reader;  ///< if set, nothing else is
};

/// What a name leads to in one layer.
struct Child {
  LayerNodeRef node;  ///< null for a whiteout
  Attr attr;
  Marks marks;
  /// A file just created comes open for writing.
  std::optional<FileData> data;
};

struct DirEntry {
  Name name;
  std::uint64_t ino = 0;  ///< the layer's own number
  std::uint8_t type = 0;  ///< DT_*
  bool whiteout = false;
};

class Layer {
 public:
  virtual ~Layer() = default;

  /// The root directory and what is known of it. No I/O after construction.
  virtual const Child& root() const = 0;

  /// One step down. nullopt: nothing of that name, whiteouts included.
  virtual Result<std::optional<Child>> lookup(const LayerNode& dir,
                                              Name name) = 0;

  /// Calls `sink` for each entry, in no order; "." and ".." left out. Markers
  /// that are entries of their own are reported as whiteouts of their name.
  virtual Result<void> read_dir(
      const LayerNode& dir,
      const std::function<void(const DirEntry&)>& sink) = 0;

  virtual Result<Attr> get_attr(const LayerNode& node) = 0;
  virtual Result<std::string> read_link(const LayerNode& node) = 0;

  /// Xattrs as a user sees them: the overlay's own are neither listed nor
  /// found, and one escaped by a nested overlay is unescaped once.
  virtual Result<std::optional<std::string>> get_xattr(
      const LayerNode& node, const std::string& name) = 0;
  /// Names, each ended by NUL.
  virtual Result<std::string> list_xattrs(const LayerNode& node) = 0;

  /// Opens the bytes of a regular file for reading.
  virtual Result<FileData> open_data(const LayerNode& node) = 0;

  /// FS_IOC_GETFLAGS word of the object; ENOTTY where the storage has none.
  virtual Result<unsigned> get_flags(const LayerNode& node) = 0;
  /// FS_IOC_FSGETXATTR, likewise.
  virtual Result<void> get_fsxattr(const LayerNode& node, fsxattr& out) = 0;

  /// Identity of the object in the kernel's file-handle record, for `origin`
  /// and the inode index; empty where it cannot be made.
  virtual std::string origin_record(const LayerNode& node) = 0;
  /// The object that a record made by origin_record names, if it is of this
  /// layer's file system and may be looked up by this process.
  virtual std::optional<Attr> resolve_origin(std::string_view record) = 0;

  /// The object's path from the layer's root, "" for the root.
  virtual std::string path_of(const LayerNode& node) const = 0;

  virtual Result<void> stat_fs(struct statvfs& out) = 0;

  /// False where it is certain that no name of the layer is a `.wh.` marker,
  /// so that one look answers a lookup.
  virtual bool may_hold_markers() const = 0;
};

// ---------------------------------------------------------------------------

/// What a new object is to be. The umask has been applied.
struct NewObject {
  mode_t mode = 0;  ///< type and permissions
  uid_t uid = 0;
  gid_t gid = 0;
  dev_t rdev = 0;
  std::string target;                   ///< of a symbolic link
  std::optional<std::uint64_t> number;  ///< to record, in persistent mode
};

/// A copy of a lower object, to be published on the upper.
struct CopySpec {
  Attr attr;           ///< type, owner, mode, times, rdev
  std::string target;  ///< of a symbolic link
  std::vector<std::pair<std::string, std::string>> xattrs;  ///< user's view
  std::optional<FileData> data;  ///< none: no data are copied
  std::uint64_t length = 0;      ///< the size the copy gets
  bool metacopy = false;         ///< mark: data stay below
  std::optional<std::string> redirect;
  std::string origin;  ///< record, "" where not encodable
  std::optional<std::uint64_t> number;
  std::optional<Marks::Nlink> nlink;  ///< of a copy that goes to the index
  bool immutable = false;
  bool append_only = false;
  unsigned flags = 0;  ///< FS_*_FL that the copy gets
  bool sync_data = false;
};

/// Something built in the work directory. Dropping it removes it.
class Staged {
 public:
  virtual ~Staged() = default;
  virtual LayerNodeRef node() const = 0;
};
using StagedPtr = std::unique_ptr<Staged>;

struct SetAttr {
  std::optional<mode_t> mode;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> size;
  std::optional<timespec> atime;  ///< tv_nsec may be UTIME_NOW
  std::optional<timespec> mtime;
  bool kill_suid = false;  ///< clear set-id bits (and capabilities) as well
  bool outsider = false;   ///< kill_suid: by one who is not in the file's group
  bool any() const {
    return mode || uid || gid || size || atime || mtime || kill_suid;
  }
};

struct RenameHow {
  bool leave_whiteout = false;  ///< a layer below has the old name
  bool over_whiteout = false;   ///< a whiteout stands at the new name
  bool exchange = false;
  bool directory = false;  ///< the moved object is one
};

/// The writable layer. Each method is one commit point: after a crash the
/// change is there or not, never half of it.
class UpperLayer : public Layer {
 public:
  /// Creates `name`, which must be free. EEXIST: something stands there, maybe
  /// a whiteout. Done with the owner's rights, inheriting the directory's
  /// default ACL and group as its file system does.
  virtual Result<Child> create(LayerNode& dir, Name name,
                               const NewObject& what) = 0;
  /// The same where a whiteout stands; a directory is made opaque.
  virtual Result<Child> create_over_whiteout(LayerNode& dir, Name name,
                                             const NewObject& what) = 0;
  /// A regular file without a name; link() can give it one.
  virtual Result<Child> create_unnamed(LayerNode& dir,
                                       const NewObject& what) = 0;

  /// Takes a non-directory's name away, or puts a whiteout in its place.
  virtual Result<void> unlink(LayerNode& dir, Name name, bool whiteout) = 0;
  /// The same for a directory that is empty to the user; whiteouts inside it
  /// go with it.
  virtual Result<void> remove_dir(LayerNode& dir, Name name, bool whiteout) = 0;
  /// Hides `name`, which the upper does not have.
  virtual Result<void> add_whiteout(LayerNode& dir, Name name) = 0;

  virtual Result<void> link(LayerNode& node, LayerNode& dir, Name name,
                            bool over_whiteout) = 0;
  /// Moves names. `node` (and `other`, for an exchange) learn their new place
  /// if they were reached by the old one.
  virtual Result<void> rename(LayerNode& dir, Name name, LayerNode& node,
                              LayerNode& new_dir, Name new_name,
                              LayerNode* other, RenameHow how) = 0;
  /// Puts an empty opaque directory with the same attributes in the place of a
  /// directory that holds only whiteouts. `node` stands for it afterwards.
  virtual Result<void> clear_dir(LayerNode& dir, Name name,
                                 LayerNode& node) = 0;

  /// Builds a copy aside, whole but for its name.
  virtual Result<StagedPtr> stage(const CopySpec& spec) = 0;
  /// Gives a staged copy its name; the directory's times stay as they were.
  virtual Result<LayerNodeRef> publish(StagedPtr staged, LayerNode& dir,
                                       Name name) = 0;
  /// Gives a staged copy no name at all: its file was unlinked meanwhile.
  virtual Result<LayerNodeRef> publish_unnamed(StagedPtr staged) = 0;

  /// The inode index: copies of lower files with several names, by origin.
  virtual bool has_index() const = 0;
  virtual Result<std::optional<Child>> find_in_index(
      std::string_view origin) = 0;
  virtual Result<LayerNodeRef> publish_in_index(StagedPtr staged,
                                                std::string_view origin) = 0;
  virtual Result<void> remove_from_index(std::string_view origin) = 0;

  /// The object is reached by this name, not by another one it has.
  virtual bool is_reached_by(LayerNode& node, LayerNode& dir, Name name) = 0;
  /// The object has another name than the one it was reached by.
  virtual void relocate(LayerNode& node, LayerNode& dir, Name name) = 0;
  /// Keeps an object reachable that is about to lose its last name; release
  /// by dropping the node.
  virtual Result<void> pin(LayerNode& node) = 0;

  virtual Result<FileData> open_for_write(LayerNode& node) = 0;
  virtual Result<void> set_attr(LayerNode& node, const SetAttr& changes) = 0;
  /// As setxattr(2), in the user's view of names.
  virtual Result<void> set_xattr(LayerNode& node, const std::string& name,
                                 std::string_view value, int flags) = 0;
  virtual Result<void> remove_xattr(LayerNode& node,
                                    const std::string& name) = 0;
  virtual Result<void> set_flags(LayerNode& node, unsigned flags) = 0;
  virtual Result<void> set_fsxattr(LayerNode& node, const fsxattr& value) = 0;

  // Marks. EOPNOTSUPP where the upper's form cannot say it.
  virtual bool can_redirect() const = 0;
  virtual bool can_metacopy() const = 0;
  virtual Result<Marks> get_marks(LayerNode& node) = 0;
  virtual Result<void> set_opaque(LayerNode& dir) = 0;
  virtual Result<void> set_impure(LayerNode& dir) = 0;
  virtual Result<void> set_redirect(LayerNode& node,
                                    std::string_view redirect) = 0;
  virtual Result<void> set_nlink(LayerNode& node, Marks::Nlink nlink) = 0;
  virtual Result<void> set_number(LayerNode& node, std::uint64_t number) = 0;
  virtual Result<void> set_protection(LayerNode& node, bool immutable,
                                      bool append_only) = 0;
  /// Brings the data of a metacopy up and removes the mark.
  virtual Result<void> fill_metacopy(LayerNode& node, const FileData& data,
                                     std::uint64_t length, bool sync) = 0;

  /// True for names that this upper's whiteout form cannot store.
  virtual bool is_reserved(Name name) const = 0;

  virtual Result<void> sync(LayerNode& node, bool data_only) = 0;
  virtual Result<void> sync_all() = 0;
};

}  // namespace veneer
