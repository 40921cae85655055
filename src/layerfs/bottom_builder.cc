// SPDX-License-Identifier: MIT
//
// BottomLayerBuilder: inodes go to the tables as they come, the tree of names
// is planned in memory and written at the end.
//
// The order in which inodes are numbered is Maelstrom's: an object before the
// parents that are made for it.

#include <algorithm>

#include "base/utf8.h"
#include "layerfs/bottom_plan.h"
#include "layerfs/staging_dir.h"
#include "veneer/layerfs.h"

namespace veneer::layerfs {
namespace {

constexpr int kMostHops = 40;
constexpr std::uint32_t kOriginalImplicitMode = 0777;
constexpr std::uint32_t kSymlinkMode = 0777;

// The first name of `path`, which is taken from it.
std::string_view take_name(std::string_view& path) {
  const std::size_t slash = path.find('/');
  const std::string_view name = path.substr(0, slash);
  path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
  return name;
}

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

std::string_view last_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

class BottomLayerBuilder::Impl {
 public:
  Impl(StagingDir dir, const BuildOptions& options)
      : dir_(std::move(dir)), options_(options), plan_(true) {
    if (options_.as_original) options_.implicit_mode = kOriginalImplicitMode;
  }

  Result<void> start();
  Result<FileId> add_file(std::string_view path, const Attributes& attributes,
                          const NewContent& content);
  Result<FileId> add_dir(std::string_view path, const Attributes& attributes);
  Result<FileId> add_symlink(std::string_view path, std::string_view target,
                             std::optional<std::int64_t> mtime);
  Result<FileId> add_link(std::string_view path, std::string_view target);
  Result<void> add_whiteout(std::string_view path);
  Result<void> set_opaque(std::string_view path);
  Result<void> set_attributes(FileId id, const Attributes& attributes);
  Result<std::optional<Found>> find(std::string_view path);
  Result<void> finish();

 private:
  // How far a path exists: the last directory, and the names that do not.
  struct Place {
    DirIndex dir = kRootDir;
    std::string missing;
  };
  Result<std::string> clean(std::string_view path) const;
  Result<Place> walk(std::string_view path);
  Result<std::string> symlink_target(const TreeNode& node);
  Result<Place> parent(std::string_view path);
  Result<DirIndex> make_missing(const Place& place);
  Result<void> check_new(const Place& place, std::string_view name);
  Result<std::uint32_t> add_inode(Kind kind, const Content& content,
                                  std::uint64_t size,
                                  const Attributes& attributes);
  Result<Content> keep(const NewContent& content);
  Result<FileId> put(std::string_view path, Kind kind,
                     const NewContent& content, const Attributes& attributes);
  Attributes implicit_attributes() const {
    return {.mode = options_.implicit_mode, .mtime = options_.default_time};
  }
  Result<void> write_dirs(VeneerContents& contents);

  StagingDir dir_;
  BuildOptions options_;
  BottomPlan plan_;
  TableWriter file_table_;
  TableWriter attributes_;
  TableWriter inline_;
  bool root_opaque_ = false;
  BeWriter item_;

  // The directory that the last path was in, as the next is often in it too.
  std::string last_parent_;
  DirIndex last_dir_ = kRootDir;
  bool last_known_ = false;
};

Result<void> BottomLayerBuilder::Impl::start() {
  TRY(dir_.write_file(kSuperFile, encode_super({})));
  TRY(file_table_.open(dir_, kFileTable));
  TRY(attributes_.open(dir_, kAttributesTable));
  TRY(inline_.open(dir_, kInlineData));
  write_table_header(item_);
  TRY(file_table_.append(item_.bytes()));
  TRY(attributes_.append(item_.bytes()));
  TRY(add_inode(Kind::kDirectory, Empty{}, 0, implicit_attributes()));
  return {};
}

// --- Paths -------------------------------------------------------------------

Result<std::string> BottomLayerBuilder::Impl::clean(
    std::string_view path) const {
  auto cleaned = clean_path(path);
  if (!cleaned) {
    return Error(
        cleaned.error().code(), "add",
        printable(path) + ": " + std::string(cleaned.error().subject()));
  }
  if (options_.as_original && !is_utf8(*cleaned)) {
    return Error(EILSEQ, "add", printable(path));
  }
  return cleaned;
}

Result<std::string> BottomLayerBuilder::Impl::symlink_target(
    const TreeNode& node) {
  std::byte item[kLongestInode];
  const std::uint64_t at = position_of(node.id.offset);
  const auto size = static_cast<std::size_t>(
      std::min<std::uint64_t>(sizeof(item), file_table_.size() - at));
  TRY(file_table_.read(at, std::span(item).first(size)));
  TRY_ASSIGN(const InodeRecord inode,
             decode_inode(std::span(item).first(size)));
  const auto range = std::get<InlineRange>(inode.content);
  std::string target(static_cast<std::size_t>(range.length), '\0');
  TRY(inline_.read(range.offset, std::as_writable_bytes(std::span(target))));
  return target;
}

// From the root along `path`, through symbolic links if asked for. ".." comes
// from those alone, and the root is its own parent.
Result<BottomLayerBuilder::Impl::Place> BottomLayerBuilder::Impl::walk(
    std::string_view path) {
  DirIndex at = kRootDir;
  std::string held;  // what a link has put in front
  for (int hops = 0; !path.empty();) {
    std::string_view rest = path;
    const std::string_view name = take_name(rest);
    if (name.empty() || name == ".") {
      path = rest;
      continue;
    }
    if (name == "..") {
      at = plan_.dir(at).parent;
      path = rest;
      continue;
    }
    const TreeNode* const node = plan_.find(at, name);
    if (node == nullptr || node->whiteout) {
      TRY_ASSIGN(std::string missing, clean_path(path));
      return Place{at, std::move(missing)};
    }
    if (node->kind == Kind::kDirectory) {
      at = node->dir;
      path = rest;
      continue;
    }
    if (node->kind != Kind::kSymlink || !options_.follow_symlinks) {
      return Error(ENOTDIR, "add");
    }
    if (++hops > kMostHops) return Error(ELOOP, "add");
    TRY_ASSIGN(const std::string target, symlink_target(*node));
    if (target.starts_with('/')) at = kRootDir;
    held = target + "/" + std::string(rest);
    if (held.size() > kLongestPath) return Error(ENAMETOOLONG, "add");
    path = held;
  }
  return Place{at, {}};
}

// Where the parent of `path` is, or is to be.
Result<BottomLayerBuilder::Impl::Place> BottomLayerBuilder::Impl::parent(
    std::string_view path) {
  const std::string_view above = parent_of(path);
  if (last_known_ && above == last_parent_) return Place{last_dir_, {}};
  auto place = walk(above);
  if (!place) return place.error().about(printable(path));
  return place;
}

Result<DirIndex> BottomLayerBuilder::Impl::make_missing(const Place& place) {
  DirIndex at = place.dir;
  for (std::string_view rest = place.missing; !rest.empty();) {
    const std::string_view name = take_name(rest);
    TRY_ASSIGN(const std::uint32_t offset,
               add_inode(Kind::kDirectory, Empty{}, 0, implicit_attributes()));
    TRY_ASSIGN(at, plan_.put_dir(at, name, offset, true));
  }
  return at;
}

Result<void> BottomLayerBuilder::Impl::check_new(const Place& place,
                                                 std::string_view path) {
  if (!options_.refuse_duplicates || !place.missing.empty()) return {};
  if (plan_.find(place.dir, last_name(path)) == nullptr) return {};
  return Error(EEXIST, "add", printable(path));
}

// --- Inodes ------------------------------------------------------------------

Result<std::uint32_t> BottomLayerBuilder::Impl::add_inode(
    Kind kind, const Content& content, std::uint64_t size,
    const Attributes& attributes) {
  const std::uint64_t at = file_table_.size();
  if (at + kLongestInode > kMostTableBytes) return Error(EFBIG, "add");
  item_.clear();
  write_inode(item_, {.kind = kind,
                      .content = content,
                      .attributes_id = attributes_.size() - kTableHeader + 1});
  TRY(file_table_.append(item_.bytes()));
  item_.clear();
  write_attributes(
      item_,
      {.size = size, .mode = attributes.mode, .mtime = attributes.mtime});
  TRY(attributes_.append(item_.bytes()));
  return static_cast<std::uint32_t>(at - kTableHeader + 1);
}

Result<Content> BottomLayerBuilder::Impl::keep(const NewContent& content) {
  if (const auto* blob = std::get_if<BlobRange>(&content)) {
    return Content(*blob);
  }
  const auto* bytes = std::get_if<Inline>(&content);
  if (bytes == nullptr) return Content(Empty{});
  const InlineRange range{inline_.size(), bytes->bytes.size()};
  TRY(inline_.append(bytes->bytes));
  return Content(range);
}

Result<FileId> BottomLayerBuilder::Impl::put(std::string_view path, Kind kind,
                                             const NewContent& content,
                                             const Attributes& attributes) {
  TRY_ASSIGN(const Place place, parent(path));
  TRY(check_new(place, path));
  const bool replaces =
      place.missing.empty() && plan_.find(place.dir, last_name(path));
  TRY_ASSIGN(const Content kept, keep(content));
  const bool sizeless = kind == Kind::kSymlink && options_.as_original;
  TRY_ASSIGN(const std::uint32_t offset,
             add_inode(kind, kept, sizeless ? 0 : length_of(kept), attributes));
  TRY_ASSIGN(const DirIndex dir, make_missing(place));
  TRY(plan_.put_inode(dir, last_name(path), offset, kind));
  last_parent_ = parent_of(path);
  last_dir_ = dir;
  // What was remembered may lie in what was replaced.
  last_known_ = !replaces;
  return FileId{0, offset};
}

Result<FileId> BottomLayerBuilder::Impl::add_file(std::string_view path,
                                                  const Attributes& attributes,
                                                  const NewContent& content) {
  TRY_ASSIGN(const std::string cleaned, clean(path));
  if (cleaned.empty()) return Error(EISDIR, "add", "/");
  return put(cleaned, Kind::kRegular, content, attributes);
}

Result<FileId> BottomLayerBuilder::Impl::add_symlink(
    std::string_view path, std::string_view target,
    std::optional<std::int64_t> mtime) {
  TRY_ASSIGN(const std::string cleaned, clean(path));
  if (cleaned.empty()) return Error(EISDIR, "add", "/");
  if (auto valid = check_link_target(target); !valid) {
    return Error(EINVAL, "add",
                 printable(path) + ": " + std::string(valid.error().subject()));
  }
  if (options_.as_original) mtime.reset();
  const Attributes attributes{.mode = kSymlinkMode,
                              .mtime = mtime.value_or(options_.default_time)};
  return put(cleaned, Kind::kSymlink, Inline{as_bytes(target)}, attributes);
}

Result<FileId> BottomLayerBuilder::Impl::add_dir(std::string_view path,
                                                 const Attributes& attributes) {
  TRY_ASSIGN(const std::string cleaned, clean(path));
  if (cleaned.empty()) {
    plan_.dir(kRootDir).implicit = false;
    TRY(set_attributes({0, kRootOffset}, attributes));
    return FileId{0, kRootOffset};
  }
  TRY_ASSIGN(const Place place, parent(cleaned));
  if (place.missing.empty()) {
    TreeNode* const node = plan_.find(place.dir, last_name(cleaned));
    if (node != nullptr && !node->whiteout && node->kind == Kind::kDirectory) {
      plan_.dir(node->dir).implicit = false;
      const FileId id{0, node->id.offset};
      TRY(set_attributes(id, attributes));
      return id;
    }
  }
  TRY(check_new(place, cleaned));
  TRY_ASSIGN(const std::uint32_t offset,
             add_inode(Kind::kDirectory, Empty{}, 0, attributes));
  TRY_ASSIGN(const DirIndex dir, make_missing(place));
  TRY(plan_.put_dir(dir, last_name(cleaned), offset, false));
  last_known_ = false;
  return FileId{0, offset};
}

Result<FileId> BottomLayerBuilder::Impl::add_link(std::string_view path,
                                                  std::string_view target) {
  TRY_ASSIGN(const std::string cleaned, clean(path));
  if (cleaned.empty()) return Error(EISDIR, "add", "/");
  TRY_ASSIGN(const std::string target_path, clean(target));
  TRY_ASSIGN(const auto found, find(target_path));
  if (!found) return Error(ENOENT, "link to", printable(target));
  if (found->kind == Kind::kDirectory) {
    return Error(EPERM, "link to", printable(target));
  }
  TRY_ASSIGN(const Place place, parent(cleaned));
  TRY(check_new(place, cleaned));
  TRY_ASSIGN(const DirIndex dir, make_missing(place));
  TRY(plan_.put_link(dir, last_name(cleaned), found->id.offset, found->kind));
  last_known_ = false;
  return found->id;
}

Result<void> BottomLayerBuilder::Impl::add_whiteout(std::string_view path) {
  TRY_ASSIGN(const std::string cleaned, clean(path));
  if (cleaned.empty()) return Error(EINVAL, "hide", "/");
  TRY_ASSIGN(const Place place, parent(cleaned));
  TRY(check_new(place, cleaned));
  TRY_ASSIGN(const DirIndex dir, make_missing(place));
  last_known_ = false;
  return plan_.put_whiteout(dir, last_name(cleaned));
}

Result<void> BottomLayerBuilder::Impl::set_opaque(std::string_view path) {
  TRY_ASSIGN(const std::string cleaned, clean(path));
  if (cleaned.empty()) {
    root_opaque_ = true;
    return {};
  }
  TRY_ASSIGN(const Place place, parent(cleaned));
  TRY_ASSIGN(const DirIndex dir, make_missing(place));
  const std::string_view name = last_name(cleaned);
  last_known_ = false;
  if (const TreeNode* node = plan_.find(dir, name);
      node == nullptr || node->whiteout) {
    TRY(make_missing({dir, std::string(name)}));
  }
  TreeNode* const node = plan_.find(dir, name);
  if (node->kind != Kind::kDirectory) {
    return Error(ENOTDIR, "add", printable(path));
  }
  node->opaque = true;
  return {};
}

Result<void> BottomLayerBuilder::Impl::set_attributes(
    FileId id, const Attributes& attributes) {
  const std::uint64_t at = position_of(id.offset);
  if (id.layer != 0 || id.offset == 0 || at >= file_table_.size()) {
    return Error(ENOENT, "set attributes");
  }
  std::byte item[kLongestInode];
  const auto size = static_cast<std::size_t>(
      std::min<std::uint64_t>(sizeof(item), file_table_.size() - at));
  TRY(file_table_.read(at, std::span(item).first(size)));
  const auto inode = decode_inode(std::span(item).first(size));
  const std::uint64_t record = inode ? inode->attributes_id - 1 : 1;
  if (record % kAttributesItem != 0 ||
      record >= attributes_.size() - kTableHeader) {
    return Error(ENOENT, "set attributes");
  }
  // All but the size, which is the content's.
  BeWriter out;
  out.u32(attributes.mode);
  out.i64(attributes.mtime);
  return attributes_.patch(kTableHeader + record + kPrefix + 8, out.bytes());
}

Result<std::optional<BottomLayerBuilder::Found>> BottomLayerBuilder::Impl::find(
    std::string_view path) {
  TRY_ASSIGN(const std::string cleaned, clean(path));
  if (cleaned.empty()) {
    return std::optional(Found{{0, kRootOffset}, Kind::kDirectory});
  }
  TRY_ASSIGN(const Place place, parent(cleaned));
  if (!place.missing.empty()) return std::optional<Found>();
  const TreeNode* const node = plan_.find(place.dir, last_name(cleaned));
  if (node == nullptr || node->whiteout) return std::optional<Found>();
  return std::optional(Found{{0, node->id.offset}, node->kind});
}

// --- The end -----------------------------------------------------------------

Result<void> BottomLayerBuilder::Impl::write_dirs(VeneerContents& contents) {
  for (const PlannedDir& dir : plan_.dirs()) {
    if (dir.dropped) continue;
    DirRecord record{.offset = dir.offset};
    TRY_ASSIGN(const auto bytes, plan_.pool().encode(dir.tree, record.subdirs,
                                                     options_.as_original));
    record.digest = blake3(bytes);
    TRY(dir_.write_file(dir_file_name(dir.offset).c_str(), bytes));
    contents.dirs.push_back(record);
    if (dir.implicit && dir.offset != kRootOffset && !options_.as_original) {
      contents.implicit.push_back(dir.offset);
    }
  }
  std::ranges::sort(contents.dirs, {}, &DirRecord::offset);
  std::ranges::sort(contents.implicit);
  return {};
}

Result<void> BottomLayerBuilder::Impl::finish() {
  VeneerContents contents;
  TRY_ASSIGN(contents.file_table, file_table_.finish());
  TRY_ASSIGN(contents.attributes, attributes_.finish());
  TRY_ASSIGN(contents.inline_data, inline_.finish());
  TRY(write_dirs(contents));
  contents.links = plan_.links();
  VeneerHeader& header = contents.header;
  header.right_kinds = !options_.as_original;
  header.root_opaque = root_opaque_;
  header.root_implicit = plan_.dir(kRootDir).implicit && !options_.as_original;
  header.super = blake3(encode_super({}));
  header.file_table_size = file_table_.size();
  header.attributes_size = attributes_.size();
  header.inline_size = inline_.size();
  TRY(dir_.write_file(kVeneerFile, encode_veneer(contents)));
  return dir_.publish();
}

// --- The face ----------------------------------------------------------------

BottomLayerBuilder::BottomLayerBuilder(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
BottomLayerBuilder::~BottomLayerBuilder() = default;
BottomLayerBuilder::BottomLayerBuilder(BottomLayerBuilder&&) noexcept = default;
BottomLayerBuilder& BottomLayerBuilder::operator=(
    BottomLayerBuilder&&) noexcept = default;

Result<BottomLayerBuilder> BottomLayerBuilder::create(
    const std::string& out, const BuildOptions& options) {
  TRY_ASSIGN(StagingDir dir, StagingDir::create(out));
  auto impl = std::make_unique<Impl>(std::move(dir), options);
  TRY(impl->start());
  return BottomLayerBuilder(std::move(impl));
}

Result<FileId> BottomLayerBuilder::add_file(std::string_view path,
                                            const Attributes& attributes,
                                            const NewContent& content) {
  return impl_->add_file(path, attributes, content);
}
Result<FileId> BottomLayerBuilder::add_dir(std::string_view path,
                                           const Attributes& attributes) {
  return impl_->add_dir(path, attributes);
}
Result<FileId> BottomLayerBuilder::add_symlink(
    std::string_view path, std::string_view target,
    std::optional<std::int64_t> mtime) {
  return impl_->add_symlink(path, target, mtime);
}
Result<FileId> BottomLayerBuilder::add_link(std::string_view path,
                                            std::string_view target) {
  return impl_->add_link(path, target);
}
Result<void> BottomLayerBuilder::add_whiteout(std::string_view path) {
  return impl_->add_whiteout(path);
}
Result<void> BottomLayerBuilder::set_opaque(std::string_view path) {
  return impl_->set_opaque(path);
}
Result<void> BottomLayerBuilder::set_attributes(FileId id,
                                                const Attributes& attributes) {
  return impl_->set_attributes(id, attributes);
}
Result<std::optional<BottomLayerBuilder::Found>> BottomLayerBuilder::find(
    std::string_view path) {
  return impl_->find(path);
}

Result<void> BottomLayerBuilder::finish() && {
  const std::unique_ptr<Impl> impl = std::move(impl_);
  return impl->finish();
}

}  // namespace veneer::layerfs
