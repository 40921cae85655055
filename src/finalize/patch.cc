// SPDX-License-Identifier: MIT

#include "finalize/patch.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace veneer::finalize {

namespace {

constexpr std::uint64_t kGreatestText = 64 << 20;
constexpr std::size_t kLookedAt = 8000;

bool is_text_like(std::uint32_t mode) { return S_ISREG(mode) || S_ISLNK(mode); }

Result<PatchFile> load(MergedObject object, const std::string& path) {
  PatchFile file{.path = path, .mode = object.attr().mode};
  if (S_ISLNK(file.mode)) {
    TRY_ASSIGN(file.text, object.read_link());
    return file;
  }
  if (object.attr().size > kGreatestText) {
    file.binary = true;
    return file;
  }
  file.text.reserve(object.attr().size);
  TRY(object.read_all([&](std::span<const std::byte> piece) -> Result<void> {
    file.text += as_text(piece);
    return {};
  }));
  file.binary = std::string_view(file.text).substr(0, kLookedAt).find('\0') !=
                std::string_view::npos;
  return file;
}

// What `path` below `from` is called below `to`.
std::string moved_path(const std::string& path, const std::string& from,
                       const std::string& to) {
  return to + path.substr(from.size());
}

}  // namespace

// What has been written of one change.
struct PatchWriter::Part {
  const PatchSink& sink;
  LineCount count = {};

  void add(const PatchFile* before, const PatchFile* after) {
    const LineCount one = write_file_diff(before, after, sink);
    count.added += one.added;
    count.removed += one.removed;
    count.binary = count.binary || one.binary;
  }
};

PatchWriter::PatchWriter(Trees& trees, const Changes& changes)
    : trees_(trees), index_(changes), reader_(trees) {
  for (const Change& change : changes) {
    if (change.kind == ChangeKind::kRenamed) renamed_.insert(change.base_path);
  }
}

// Calls `visit` with the path of each object of the base at `path` and below
// it, and goes into a directory if it returns true. In the order of a walk.
template <typename Visit>
Result<void> PatchWriter::visit_base(const std::string& path,
                                     const Visit& visit) {
  std::vector<std::pair<std::string, BaseRef>> pending;
  TRY_ASSIGN(BaseRef top, find_base(trees_, path));
  if (top) pending.emplace_back(path, std::move(top));
  while (!pending.empty()) {
    const auto [at, object] = std::move(pending.back());
    pending.pop_back();
    TRY_ASSIGN(const bool enters, visit(at, object));
    if (!enters || !S_ISDIR(object->attr().mode)) continue;
    TRY_ASSIGN(const auto entries, trees_.base->list(*object));
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
      TRY_ASSIGN(BaseRef child, find_base(trees_, *object, entry->name));
      if (!child) continue;
      pending.emplace_back(
          at.empty() ? entry->name : fmt::format("{}/{}", at, entry->name),
          std::move(child));
    }
  }
  return {};
}

Result<void> PatchWriter::write_deleted(const std::string& base_path,
                                        Part& part) {
  return visit_base(
      base_path,
      [&](const std::string& path, const BaseRef& object) -> Result<bool> {
        if (renamed_.contains(path)) return false;
        if (is_text_like(object->attr().mode)) {
          TRY_ASSIGN(const PatchFile file,
                     load(MergedObject(trees_, object), path));
          part.add(&file, nullptr);
        }
        return true;
      });
}

// Each file below it that has no change of its own is a renamed one.
Result<void> PatchWriter::write_renamed_dir(const Change& dir, Part& part) {
  return visit_base(
      dir.base_path,
      [&](const std::string& path, const BaseRef& object) -> Result<bool> {
        if (path == dir.base_path) return true;
        const std::string merged = moved_path(path, dir.base_path, dir.path);
        if (const Change* own = index_.find(merged); own != nullptr) {
          if (S_ISDIR(object->attr().mode)) {
            return !is_gone(*own) && S_ISDIR(own->attr.mode) &&
                   own->base_path == path && !own->opaque;
          }
          if (is_gone(*own) || own->kind != ChangeKind::kNone) return false;
        }
        if (is_text_like(object->attr().mode)) {
          const std::uint32_t mode = object->attr().mode;
          write_rename({.path = path, .mode = mode},
                       {.path = merged, .mode = mode}, part.sink);
        }
        return true;
      });
}

// A file that is in the merged tree, and was one in the base or was not there.
Result<void> PatchWriter::write_file(const Change& change, Part& part) {
  const std::uint32_t mode = change.attr.mode;
  if (!is_text_like(mode)) return {};
  std::optional<PatchFile> before;
  const bool replaces = change.in_base && change.kind != ChangeKind::kType;
  if (replaces && !change.content_differs) {
    const PatchFile old{.path = change.base_path,
                        .mode = change.base_attr.mode};
    const PatchFile now{.path = change.path, .mode = mode};
    if (old.path != now.path) {
      write_rename(old, now, part.sink);
    } else {
      part.add(&old, &now);
    }
    return {};
  }
  if (replaces) {
    TRY_ASSIGN(MergedObject old, reader_.open_base(change.base_path));
    TRY_ASSIGN(before, load(std::move(old), change.base_path));
  }
  TRY_ASSIGN(MergedObject now, reader_.open(change));
  TRY_ASSIGN(const PatchFile after, load(std::move(now), change.path));
  part.add(before ? &*before : nullptr, &after);
  return {};
}

Result<LineCount> PatchWriter::write(const Change& change,
                                     const PatchSink& sink) {
  Part part{.sink = sink};
  const bool is_dir = S_ISDIR(change.attr.mode);
  switch (change.kind) {
    case ChangeKind::kNone:
      break;
    case ChangeKind::kDeleted:
    case ChangeKind::kReplaced:
      TRY(write_deleted(change.base_path, part));
      break;
    case ChangeKind::kType:
      TRY(write_deleted(change.base_path, part));
      TRY(write_file(change, part));
      break;
    case ChangeKind::kRenamed:
      if (!is_dir) {
        TRY(write_file(change, part));
        break;
      }
      // What the base has where it is now is hidden.
      if (!change.covered_path.empty()) {
        TRY(write_deleted(change.covered_path, part));
      }
      TRY(write_renamed_dir(change, part));
      break;
    case ChangeKind::kAdded:
    case ChangeKind::kContent:
    case ChangeKind::kMetadata:
      TRY(write_file(change, part));
      break;
  }
  return part.count;
}

}  // namespace veneer::finalize
