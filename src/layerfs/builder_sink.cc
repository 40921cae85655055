// SPDX-License-Identifier: MIT

#include "layerfs/builder_sink.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "base/bytes.h"
#include "layerfs/entry_path.h"

namespace veneer::layerfs {
namespace {

struct Adder {
  BottomLayerBuilder& builder;
  const Entry& entry;

  Result<void> file(const NewContent& content) const {
    TRY(builder.add_file(entry.path, attributes(), content));
    return {};
  }
  Attributes attributes() const { return {entry.mode, entry.mtime}; }

  Result<void> operator()(const DirectoryEntry& dir) const {
    if (!dir.implicit) TRY(builder.add_dir(entry.path, attributes()));
    if (dir.opaque) TRY(builder.set_opaque(entry.path));
    return {};
  }
  Result<void> operator()(const BlobRange& range) const { return file(range); }
  Result<void> operator()(const InlineBytes& bytes) const {
    if (bytes.bytes.empty()) return file(Empty());
    return file(Inline{as_bytes(bytes.bytes)});
  }
  Result<void> operator()(const Empty& empty) const { return file(empty); }
  Result<void> operator()(const SymlinkEntry& link) const {
    TRY(builder.add_symlink(entry.path, link.target, entry.mtime));
    return {};
  }
  Result<void> operator()(const HardLinkEntry& link) const {
    TRY(builder.add_link(entry.path, link.target));
    return {};
  }
  Result<void> operator()(const WhiteoutEntry&) const {
    return builder.add_whiteout(entry.path);
  }
};

// The object in the way from the root to `path`, as far as there is one.
std::string find_obstacle(BottomLayerBuilder& builder, std::string_view path) {
  for (std::size_t slash = path.find('/'); slash != path.npos;
       slash = path.find('/', slash + 1)) {
    const std::string_view above = path.substr(0, slash);
    const auto found = builder.find(above);
    if (!found || !*found || (*found)->kind == Kind::kDirectory) continue;
    return fmt::format(
        "{}, which is a {}", printable(above),
        (*found)->kind == Kind::kSymlink ? "symbolic link" : "file");
  }
  return {};
}

std::string explain(BottomLayerBuilder& builder, const Entry& entry,
                    const Error& error) {
  const auto* const link = std::get_if<HardLinkEntry>(&entry.data);
  const auto path = clean_path(entry.path);
  if (error.code() == ENOTDIR && path) {
    std::string obstacle = find_obstacle(builder, *path);
    if (obstacle.empty() && link != nullptr) {
      const auto target = clean_path(link->target);
      if (target) obstacle = find_obstacle(builder, *target);
    }
    if (!obstacle.empty()) return "it is below " + obstacle;
  }
  if (link != nullptr && error.code() == ENOENT) {
    return fmt::format("a hard link to {}, which does not stand before it",
                       printable(link->target));
  }
  if (link != nullptr && error.code() == EPERM) {
    return fmt::format("a hard link to {}, which is a directory",
                       printable(link->target));
  }
  return error.message();
}

}  // namespace

Result<void> add_entry(BottomLayerBuilder& builder, const Entry& entry) {
  const auto added = std::visit(Adder{builder, entry}, entry.data);
  if (added) return {};
  return Error(added.error().code(), "",
               explain(builder, entry, added.error()));
}

}  // namespace veneer::layerfs
