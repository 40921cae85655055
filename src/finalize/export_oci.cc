// SPDX-License-Identifier: MIT
//
// One walk over the names that a layer has to say, directory by directory.
//
// A directory is either "shared" or "whole". A shared one is the base's own, at
// the path that the base has it: what did not change need not be said, what
// went needs a whiteout. A whole one comes from somewhere else (it is new, was
// renamed, hides another), so all that is in it is said, changed or not, and a
// whiteout would hide nothing.

#include "finalize/export_oci.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <optional>
#include <vector>

#include "finalize/change_index.h"
#include "finalize/merged_object.h"
#include "finalize/tar_writer.h"
#include "finalize/tree_path.h"

namespace veneer::finalize {

namespace {

using Range = ChangeIndex::Range;

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

bool is_dir(const BaseRef& object) {
  return object && S_ISDIR(object->attr().mode);
}

// A name in a directory, and what the list has at it and below it.
struct Named {
  std::string name;
  Range items;
};

struct Dir {
  std::string path;
  BaseRef base;  // what shows through; null: nothing
  std::string base_path;
  bool whole = false;
  std::vector<Named> names;
  std::size_t next = 0;
};

class Exporter {
 public:
  Exporter(Trees& trees, const Changes& changes, int fd,
           const std::function<bool(std::uint64_t)>& progress)
      : trees_(trees),
        index_(changes),
        reader_(trees),
        tar_(fd),
        progress_(progress) {}

  Result<ExportReport> run();

 private:
  Result<void> enter(Dir dir, Range below, bool hides_base);
  Result<void> see_shared(const Dir& dir, const Named& named);
  Result<void> see_whole(const Dir& dir, const Named& named);
  Result<void> enter_whole(const std::string& path, const Change& own,
                           Range below, bool hides_base);
  Result<bool> needs_whiteout(const Dir& dir, const Named& named);
  Result<void> put_marker(const std::string& dir, std::string_view name);
  Result<void> put_change(const Change& change);
  Result<void> put_base(const std::string& path, const BaseRef& object);
  Result<void> put(const std::string& path, MergedObject object,
                   const std::string* first_name);
  Result<void> tick();

  Trees& trees_;
  ChangeIndex index_;
  MergedReader reader_;
  TarWriter tar_;
  const std::function<bool(std::uint64_t)>& progress_;
  ExportReport report_;
  std::vector<Dir> stack_;
  // The first name that was written, of files that have several.
  std::map<std::uint64_t, std::string> upper_files_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> base_files_;
};

Result<void> Exporter::tick() {
  if (!progress_ || progress_(tar_.size())) return {};
  return Error(ECANCELED, "export");
}

// --- Entries -----------------------------------------------------------------

Result<void> Exporter::put_marker(const std::string& dir,
                                  std::string_view name) {
  ++report_.entries;
  return tar_.add({.path = joined(dir, name), .mode = S_IFREG});
}

Result<void> Exporter::put(const std::string& path, MergedObject object,
                           const std::string* first_name) {
  if (last_name(path).starts_with(kWhiteout)) {
    return Error(EINVAL, "say in an OCI layer a name that begins with .wh.",
                 path);
  }
  const Attr& attr = object.attr();
  TarEntry entry{.path = path,
                 .mode = attr.mode,
                 .uid = attr.uid,
                 .gid = attr.gid,
                 .mtime = attr.mtime,
                 .size = attr.size,
                 .rdev = attr.rdev};
  if (first_name != nullptr && *first_name != path) {
    entry.hard_link = *first_name;
  }
  TRY_ASSIGN(entry.xattrs, object.xattrs());
  std::erase_if(entry.xattrs,
                [](const Xattr& x) { return x.first == "security.selinux"; });
  if (S_ISLNK(attr.mode)) {
    TRY_ASSIGN(entry.target, object.read_link());
  }
  ++report_.entries;
  TRY(tar_.add(entry));
  if (S_ISREG(attr.mode) && entry.hard_link.empty()) {
    const auto copied = object.read_all([&](std::span<const std::byte> piece) {
      auto appended = tar_.append(piece);
      return appended ? tick() : std::move(appended);
    });
    if (!copied) return copied.error();
  }
  return tick();
}

Result<void> Exporter::put_change(const Change& change) {
  if (S_ISSOCK(change.attr.mode)) {
    ++report_.sockets;
    return {};
  }
  TRY_ASSIGN(MergedObject object, reader_.open(change));
  const std::string* first = nullptr;
  if (change.link_group != 0) {
    first =
        &upper_files_.try_emplace(change.link_group, change.path).first->second;
  }
  return put(change.path, std::move(object), first);
}

Result<void> Exporter::put_base(const std::string& path,
                                const BaseRef& object) {
  const Attr& attr = object->attr();
  if (S_ISSOCK(attr.mode)) {
    ++report_.sockets;
    return {};
  }
  const std::string* first = nullptr;
  if (attr.nlink > 1 && !S_ISDIR(attr.mode)) {
    first = &base_files_.try_emplace({attr.dev, attr.ino}, path).first->second;
  }
  return put(path, MergedObject(trees_, object), first);
}

// --- The walk ----------------------------------------------------------------

// In a shared directory: whether the base's object must be hidden by a name of
// its own, as no entry takes its place.
Result<bool> Exporter::needs_whiteout(const Dir& dir, const Named& named) {
  const Change* own =
      index_.change_at(joined(dir.path, named.name), named.items);
  if (own == nullptr) return false;
  if (is_gone(*own)) return true;
  if (!S_ISSOCK(own->attr.mode)) return false;
  TRY_ASSIGN(const BaseRef old, find_base(trees_, *dir.base, named.name));
  return old && !S_ISSOCK(old->attr().mode);
}

// What is below the name of `own`.
Range below(const Change* own, Range items) {
  return {items.begin + (own != nullptr ? 1 : 0), items.end};
}

// Goes into a directory whose own entry has been written.
Result<void> Exporter::enter(Dir dir, Range below, bool hides_base) {
  std::vector<BaseTree::Entry> listed;
  if (dir.whole && dir.base) {
    TRY_ASSIGN(listed, trees_.base->list(*dir.base));
  }
  auto base = listed.begin();
  const auto take_base_before = [&](std::string_view name) {
    for (; base != listed.end() && base->name < name; ++base) {
      dir.names.push_back({std::move(base->name), {}});
    }
    if (base != listed.end() && base->name == name) ++base;
  };
  while (!below.empty()) {
    const Range items = index_.first_name(dir.path, below);
    const std::string_view name =
        ChangeIndex::name_in(dir.path, index_[items.begin].path);
    take_base_before(name);
    dir.names.push_back({std::string(name), items});
    below.begin = items.end;
  }
  for (; base != listed.end(); ++base) {
    dir.names.push_back({std::move(base->name), {}});
  }

  if (hides_base) TRY(put_marker(dir.path, kOpaque));
  if (!dir.whole) {
    for (const Named& named : dir.names) {
      TRY_ASSIGN(const bool hidden, needs_whiteout(dir, named));
      if (!hidden) continue;
      const std::string marker = fmt::format("{}{}", kWhiteout, named.name);
      if (named.name.starts_with(kWhiteout)) {
        return Error(EINVAL, "say in an OCI layer that a name with .wh. went",
                     joined(dir.path, named.name));
      }
      TRY(put_marker(dir.path, marker));
    }
  }
  stack_.push_back(std::move(dir));
  return {};
}

Result<void> Exporter::enter_whole(const std::string& path, const Change& own,
                                   Range below, bool hides_base) {
  Dir dir{.path = path, .base_path = own.base_path, .whole = true};
  if (own.in_base && !own.opaque) {
    TRY_ASSIGN(dir.base, find_base(trees_, own.base_path));
    if (!is_dir(dir.base)) dir.base = nullptr;
  }
  return enter(std::move(dir), below, hides_base);
}

Result<void> Exporter::see_shared(const Dir& dir, const Named& named) {
  const std::string path = joined(dir.path, named.name);
  const Range items = named.items;
  const Change* own = index_.change_at(path, items);
  if (own != nullptr && is_gone(*own)) return {};
  if (own != nullptr && !S_ISDIR(own->attr.mode)) {
    return index_.is_changed(items.begin) ? put_change(*own) : Result<void>();
  }
  if (!index_.has_change(items)) return {};

  TRY_ASSIGN(BaseRef base, find_base(trees_, *dir.base, named.name));
  if (own == nullptr && !base) return Error(EIO, "find in the base", path);
  const bool shared =
      is_dir(base) && (own == nullptr || (!own->opaque && own->in_base &&
                                          own->base_path == path));
  const Range inside = below(own, items);
  if (own != nullptr) {
    TRY(put_change(*own));
    if (!shared) return enter_whole(path, *own, inside, is_dir(base));
  } else {
    TRY(put_base(path, base));
  }
  return enter({.path = path, .base = std::move(base), .base_path = path},
               inside, false);
}

Result<void> Exporter::see_whole(const Dir& dir, const Named& named) {
  const std::string path = joined(dir.path, named.name);
  const Change* own = index_.change_at(path, named.items);
  const Range inside = below(own, named.items);
  if (own != nullptr) {
    if (is_gone(*own)) return {};
    TRY(put_change(*own));
    if (!S_ISDIR(own->attr.mode)) return {};
    return enter_whole(path, *own, inside, false);
  }
  const std::string base_path = joined(dir.base_path, named.name);
  if (!dir.base) return {};
  TRY_ASSIGN(BaseRef base, find_base(trees_, *dir.base, named.name));
  if (!base) return {};
  TRY(put_base(path, base));
  if (!is_dir(base)) return {};
  return enter({.path = path,
                .base = std::move(base),
                .base_path = base_path,
                .whole = true},
               inside, false);
}

Result<ExportReport> Exporter::run() {
  const Range all = index_.all();
  if (index_.has_change(all)) {
    const Change* root = index_.change_at("", all);
    TRY_ASSIGN(BaseRef base, find_base(trees_, ""));
    TRY(root != nullptr ? put_change(*root) : put_base("", base));
    TRY(enter({.base = std::move(base)}, below(root, all), false));
  }
  while (!stack_.empty()) {
    Dir& dir = stack_.back();
    if (dir.next == dir.names.size()) {
      stack_.pop_back();
      continue;
    }
    const Named named = std::move(dir.names[dir.next++]);
    // What is seen may be entered, which moves the stack.
    const Dir here{.path = dir.path,
                   .base = dir.base,
                   .base_path = dir.base_path,
                   .whole = dir.whole};
    const auto saw =
        here.whole ? see_whole(here, named) : see_shared(here, named);
    if (!saw) return saw.error().about(joined(here.path, named.name));
  }
  TRY(tar_.finish());
  report_.bytes = tar_.size();
  report_.diff_id = "sha256:" + to_hex(tar_.digest());
  return report_;
}

}  // namespace

Result<ExportReport> export_oci(
    Trees& trees, const Changes& changes, int fd,
    const std::function<bool(std::uint64_t)>& progress) {
  return Exporter(trees, changes, fd, progress).run();
}

}  // namespace veneer::finalize
