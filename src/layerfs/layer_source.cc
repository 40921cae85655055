// SPDX-License-Identifier: MIT

#include "layerfs/layer_source.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "layerfs/entry_path.h"
#include "layerfs/layer_reader.h"

namespace veneer::layerfs {
namespace {

constexpr std::uint32_t kPermissions = 07777;

class LayerWalk {
 public:
  LayerWalk(LayerReader& reader, bool marks, const EntrySink& sink)
      : reader_(reader), marks_(marks), sink_(sink) {}

  Result<void> run();

 private:
  // A directory on the way to where we are.
  struct Level {
    DirFileRef dir;
    DirFile::Cursor cursor;
    std::size_t path_length;  // of its parent
    explicit Level(DirFileRef file, std::size_t length)
        : dir(std::move(file)), cursor(*dir), path_length(length) {}
  };

  Result<void> enter(FileId id, bool opaque, std::size_t parent_length);
  Result<void> see(const DirItem& item);
  Result<void> see_inode(const DirItem& item);
  Result<EntryData> data_of(FileId id, const InodeRecord& inode);
  Result<bool> has_other_names(FileId id);
  Error damaged(std::string_view what) const {
    return Error(EIO, "",
                 fmt::format("{}: {}: {}", reader_.path(),
                             path_.empty() ? "." : printable(path_), what));
  }

  LayerReader& reader_;
  const bool marks_;
  const EntrySink& sink_;
  std::string path_;
  std::vector<std::unique_ptr<Level>> levels_;
  absl::flat_hash_set<std::uint64_t> entered_;
  // The first name of inodes that may have more.
  absl::flat_hash_map<std::uint64_t, std::string> first_names_;
};

Result<void> LayerWalk::run() {
  const OneLayer& top = reader_.top();
  const bool is_opaque =
      marks_ && top.header() != nullptr && top.header()->root_opaque;
  TRY(enter(reader_.root(), is_opaque, 0));
  while (!levels_.empty()) {
    Level& level = *levels_.back();
    if (level.cursor.at_end()) {
      path_.resize(level.path_length);
      levels_.pop_back();
      continue;
    }
    const DirItem item = level.cursor.item();
    level.cursor.next();
    TRY(see(item));
  }
  return {};
}

// Gives the entry of the directory at path_, and stands in it then.
Result<void> LayerWalk::enter(FileId id, bool opaque,
                              std::size_t parent_length) {
  if (!entered_.insert(id.number()).second) {
    return damaged("a directory that is in the tree twice");
  }
  TRY_ASSIGN(const InodeRecord inode, reader_.inode(id));
  if (inode.kind != Kind::kDirectory) return damaged("no directory");
  TRY_ASSIGN(const AttributesRecord attributes, reader_.attributes(id, inode));
  TRY_ASSIGN(const bool implicit,
             reader_.layer(id.layer).is_implicit(id.offset));
  TRY_ASSIGN(DirFileRef dir, reader_.read_dir_file(id));
  TRY(sink_(Entry{
      .path = path_,
      .size = 0,
      .mode = type_bits(Kind::kDirectory) | (attributes.mode & kPermissions),
      .mtime = attributes.mtime,
      .data = DirectoryEntry{opaque, implicit}}));
  levels_.push_back(std::make_unique<Level>(std::move(dir), parent_length));
  return {};
}

Result<void> LayerWalk::see(const DirItem& item) {
  if (!is_valid_name(item.name)) {
    return damaged(fmt::format("the name \"{}\"", printable(item.name)));
  }
  const std::size_t length = path_.size();
  if (length + 1 + item.name.size() > kLongestPath) {
    return damaged("a path that is too long");
  }
  if (!path_.empty()) path_ += '/';
  path_ += item.name;
  if (item.target.whiteout) {
    if (marks_) TRY(sink_(Entry{.path = path_, .data = WhiteoutEntry()}));
  } else {
    TRY_ASSIGN(const Kind kind, reader_.kind_of(item.target));
    if (kind == Kind::kDirectory) {
      return enter(item.target.id, marks_ && item.target.opaque, length);
    }
    TRY(see_inode(item));
  }
  path_.resize(length);
  return {};
}

Result<void> LayerWalk::see_inode(const DirItem& item) {
  const FileId id = item.target.id;
  const auto known = first_names_.find(id.number());
  if (known != first_names_.end()) {
    return sink_(Entry{.path = path_, .data = HardLinkEntry{known->second}});
  }
  TRY_ASSIGN(const bool may_have_more, has_other_names(id));
  if (may_have_more) first_names_.emplace(id.number(), path_);
  TRY_ASSIGN(const InodeRecord inode, reader_.inode(id));
  TRY_ASSIGN(const AttributesRecord attributes, reader_.attributes(id, inode));
  TRY_ASSIGN(EntryData data, data_of(id, inode));
  const bool is_file = inode.kind == Kind::kRegular;
  return sink_(
      Entry{.path = path_,
            .size = is_file ? length_of(inode.content) : 0,
            .mode = type_bits(inode.kind) | (attributes.mode & kPermissions),
            .mtime = attributes.mtime,
            .data = std::move(data)});
}

// Layers that others have made do not say.
Result<bool> LayerWalk::has_other_names(FileId id) {
  TRY_ASSIGN(const auto links, reader_.layer(id.layer).links(id.offset));
  return !links || *links > 1;
}

Result<EntryData> LayerWalk::data_of(FileId id, const InodeRecord& inode) {
  if (inode.kind == Kind::kSymlink) {
    SymlinkEntry link;
    TRY_ASSIGN(link.target, reader_.read_link(id, inode));
    return link;
  }
  if (inode.kind != Kind::kRegular) {
    return damaged("an object that is no file, directory or link");
  }
  if (const auto* range = std::get_if<InlineRange>(&inode.content)) {
    InlineBytes file;
    TRY_ASSIGN(file.bytes, reader_.layer(id.layer).read_inline(*range));
    return file;
  }
  if (const auto* range = std::get_if<BlobRange>(&inode.content)) return *range;
  return Empty();
}

}  // namespace

Result<void> read_layer(const LayerFs& layer, const LayerSourceOptions& options,
                        const EntrySink& sink) {
  const bool marks = options.marks && layer.layer_id() == 0;
  return LayerWalk(*layer.reader(), marks, sink).run();
}

}  // namespace veneer::layerfs
