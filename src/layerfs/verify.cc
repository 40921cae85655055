// SPDX-License-Identifier: MIT
//
// LayerFs::verify: reads everything, believes nothing, and goes on after a
// fault, so that one look tells all that is wrong.
//
// Each layer by itself first: the tables item by item, then its directories,
// whose entries must lead to items of the tables. Then what can be reached from
// the top, with its blobs. A fault in one layer is reported once.

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "layerfs/foreign.h"
#include "layerfs/layer_reader.h"
#include "sys/file.h"
#include "veneer/layerfs.h"

namespace veneer::layerfs {
namespace {

// "PATH: offset 17: what" in its parts.
Fault fault_of(const Error& error, const std::string& file) {
  Fault fault{.file = file, .offset = {}, .what = {}};
  std::string_view text = error.subject();
  if (text.starts_with(file + ": ")) {
    text.remove_prefix(file.size() + 2);
  } else {
    fault.what = error.message();
    return fault;
  }
  constexpr std::string_view kOffset = "offset ";
  if (text.starts_with(kOffset)) {
    std::uint64_t offset = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, code] =
        std::from_chars(text.data() + kOffset.size(), end, offset);
    if (code == std::errc()) {
      fault.offset = offset;
      text = {rest, static_cast<std::size_t>(end - rest)};
      if (text.starts_with(": ")) text.remove_prefix(2);
    }
  }
  fault.what = text;
  return fault;
}

class Verifier {
 public:
  Verifier(LayerReader& reader, const VerifyOptions& options)
      : reader_(reader), options_(options) {}

  Result<std::vector<Fault>> run() &&;

 private:
  /// What was found out about a layer's inodes.
  struct Inodes {
    // By position in the file table: what begins there.
    absl::flat_hash_map<std::uint32_t, Kind> kinds;
    // Names of each, in the layer's own directories.
    absl::flat_hash_map<std::uint32_t, std::uint32_t> names;
  };

  bool is_full() const { return faults_.size() >= options_.most_faults; }
  void add(OneLayer& layer, const std::string& name,
           std::optional<std::uint64_t> offset, std::string what) {
    if (is_full()) return;
    faults_.push_back({layer.path() + "/" + name, offset, std::move(what)});
  }
  void add(OneLayer& layer, const std::string& name, const Error& error) {
    if (is_full()) return;
    faults_.push_back(fault_of(error, layer.path() + "/" + name));
  }

  void check_sections(OneLayer& layer);
  void check_tables(OneLayer& layer, Inodes& inodes);
  void check_inode(OneLayer& layer, std::uint32_t offset,
                   const InodeRecord& inode);
  void check_attributes_table(OneLayer& layer);
  void check_inline(OneLayer& layer);
  Result<void> check_dirs(OneLayer& layer, std::uint32_t id);
  void check_dir(OneLayer& layer, std::uint32_t id, std::uint32_t offset,
                 const DirFile& dir);
  void check_entry(OneLayer& layer, std::uint32_t id, const std::string& name,
                   std::uint64_t at, const DirItem& item);
  void check_links(OneLayer& layer, std::uint32_t id);
  Result<void> check_foreign();
  void check_reachable();
  void check_blob(const BlobRange& range);
  void check_blobs();

  LayerReader& reader_;
  const VerifyOptions options_;
  std::vector<Inodes> inodes_;
  // Of each blob that is used: how far.
  absl::btree_map<Sha256Digest, std::uint64_t> blobs_;
  std::vector<Fault> faults_;
};

Result<std::vector<Fault>> Verifier::run() && {
  inodes_.resize(reader_.layer_id() + std::size_t{1});
  for (std::uint32_t id = 0; id <= reader_.layer_id(); ++id) {
    OneLayer& layer = reader_.layer(id);
    check_sections(layer);
    check_tables(layer, inodes_[id]);
    check_attributes_table(layer);
    check_inline(layer);
  }
  for (std::uint32_t id = 0; id <= reader_.layer_id(); ++id) {
    TRY(check_dirs(reader_.layer(id), id));
    check_links(reader_.layer(id), id);
  }
  TRY(check_foreign());
  check_reachable();
  check_blobs();
  return std::move(faults_);
}

void Verifier::check_sections(OneLayer& layer) {
  const auto note = [&](const auto& result) {
    if (!result) add(layer, kVeneerFile, result.error());
  };
  note(layer.digests(Section::kInodeChunks));
  note(layer.digests(Section::kAttributeChunks));
  note(layer.digests(Section::kInlineChunks));
  note(layer.dirs());
  note(layer.all_links());
  note(layer.all_implicit());
}

void Verifier::check_tables(OneLayer& layer, Inodes& inodes) {
  if (layer.file_table_size() > kTableHeader + kMostTableBytes) {
    return add(layer, kFileTable, std::nullopt, "it is longer than ids reach");
  }
  std::uint64_t at = kTableHeader;
  while (at < layer.file_table_size() && !is_full()) {
    const auto offset = static_cast<std::uint32_t>(at - kTableHeader + 1);
    const auto inode = layer.inode(offset);
    // The next item begins where this one ends, so there is no going on.
    if (!inode) return add(layer, kFileTable, inode.error());
    inodes.kinds.emplace(offset, inode->kind);
    check_inode(layer, offset, *inode);
    at += inode_item_size(inode->content);
  }
  const auto root = inodes.kinds.find(kRootOffset);
  if (root == inodes.kinds.end() || root->second != Kind::kDirectory) {
    add(layer, kFileTable, kTableHeader, "the root is no directory");
  }
}

void Verifier::check_inode(OneLayer& layer, std::uint32_t offset,
                           const InodeRecord& inode) {
  const std::uint64_t at = position_of(offset);
  if (inode.kind != Kind::kDirectory && inode.kind != Kind::kRegular &&
      inode.kind != Kind::kSymlink) {
    add(layer, kFileTable, at, "a device, FIFO or socket");
  }
  if (inode.kind == Kind::kDirectory &&
      !std::holds_alternative<Empty>(inode.content)) {
    add(layer, kFileTable, at, "a directory with content");
  }
  const auto* range = std::get_if<InlineRange>(&inode.content);
  if (range != nullptr &&
      (range->offset > layer.inline_size() ||
       range->length > layer.inline_size() - range->offset)) {
    return add(layer, kFileTable, at,
               fmt::format("{} bytes at {} of {} bytes of inline data",
                           range->length, range->offset, layer.inline_size()));
  }
  if (inode.kind == Kind::kSymlink) {
    const auto target =
        reader_.read_link({layer.super().layer_id, offset}, inode);
    if (!target) add(layer, kFileTable, target.error());
  }
  const auto attributes = layer.attributes(inode.attributes_id);
  if (!attributes) return add(layer, kAttributesTable, attributes.error());
  if ((inode.attributes_id - 1) % kAttributesItem != 0) {
    add(layer, kFileTable, at, "its attributes are between two items");
  }
  if (inode.kind == Kind::kRegular &&
      attributes->size != length_of(inode.content)) {
    add(layer, kAttributesTable, position_of(inode.attributes_id),
        fmt::format("a size of {}, for {} bytes", attributes->size,
                    length_of(inode.content)));
  }
}

void Verifier::check_attributes_table(OneLayer& layer) {
  const std::uint64_t size = layer.attributes_size();
  for (std::uint64_t at = kTableHeader; at < size && !is_full();
       at += kAttributesItem) {
    const auto attributes = layer.attributes(at - kTableHeader + 1);
    if (!attributes) return add(layer, kAttributesTable, attributes.error());
  }
}

void Verifier::check_inline(OneLayer& layer) {
  const auto all = layer.open_inline({0, layer.inline_size()});
  if (!all) add(layer, kInlineData, all.error());
}

Result<void> Verifier::check_dirs(OneLayer& layer, std::uint32_t id) {
  TRY_ASSIGN(const auto offsets, list_dir_files(layer));
  for (const std::uint32_t offset : offsets) {
    if (is_full()) return {};
    const std::string name = dir_file_name(offset);
    const auto kind = inodes_[id].kinds.find(offset);
    if (kind == inodes_[id].kinds.end() || kind->second != Kind::kDirectory) {
      add(layer, name, std::nullopt, "it is of no directory");
      continue;
    }
    const auto dir = layer.dir(offset);
    if (!dir) {
      add(layer, name, dir.error());
    } else {
      check_dir(layer, id, offset, **dir);
    }
  }
  // What the layer is said to have and has not.
  const auto dirs = layer.dirs();
  if (!dirs) return {};
  for (const DirRecord& record : **dirs) {
    if (!std::ranges::binary_search(offsets, record.offset)) {
      add(layer, dir_file_name(record.offset), std::nullopt, "it is not there");
    }
  }
  return {};
}

void Verifier::check_dir(OneLayer& layer, std::uint32_t id,
                         std::uint32_t offset, const DirFile& dir) {
  const std::string name = dir_file_name(offset);
  if (const auto at = dir.find_imbalance()) {
    add(layer, name, at, "the tree is not balanced here");
  }
  const auto subdirs = layer.subdirs(offset);
  if (subdirs && *subdirs && **subdirs != dir.subdirs()) {
    add(layer, name, std::nullopt,
        fmt::format("{} directories, where {} were", dir.subdirs(), **subdirs));
  }
  std::uint64_t at = kDirHeader;
  dir.for_each([&](const DirItem& item) {
    check_entry(layer, id, name, at, item);
    at += dir_item_size(item.name.size(), item.target.whiteout);
  });
}

void Verifier::check_entry(OneLayer& layer, std::uint32_t id,
                           const std::string& name, std::uint64_t at,
                           const DirItem& item) {
  if (!is_valid_name(item.name)) {
    add(layer, name, at,
        "a name that no directory can have: " + printable(item.name));
  }
  const Target& target = item.target;
  if (target.whiteout) return;
  const auto& kinds = inodes_[target.id.layer].kinds;
  const auto kind = kinds.find(target.id.offset);
  if (kind == kinds.end()) {
    return add(layer, name, at,
               fmt::format("layer {} has no inode {}", target.id.layer,
                           target.id.offset));
  }
  const auto told = reader_.kind_of(target);
  if (told && *told != kind->second) {
    add(layer, name, at, "its kind is not the inode's");
  }
  if (target.opaque && kind->second != Kind::kDirectory) {
    add(layer, name, at, "opaque, and no directory");
  }
  if (target.id.layer == id) ++inodes_[id].names[target.id.offset];
}

// All names of a layer's own inodes are in its own directories.
void Verifier::check_links(OneLayer& layer, std::uint32_t id) {
  if (layer.header() == nullptr || !faults_.empty()) return;
  const auto& inodes = inodes_[id];
  for (const auto& [offset, kind] : inodes.kinds) {
    if (kind == Kind::kDirectory) continue;
    const auto told = layer.links(offset);
    if (!told) return add(layer, kVeneerFile, told.error());
    const auto names = inodes.names.find(offset);
    const std::uint32_t count = names == inodes.names.end() ? 0 : names->second;
    if (told->value_or(1) != count) {
      add(layer, kVeneerFile, std::nullopt,
          fmt::format("inode {} has {} names, and is said to have {}", offset,
                      count, told->value_or(1)));
    }
  }
}

// A layer that was not made here is compared with what it was.
Result<void> Verifier::check_foreign() {
  const VeneerHeader* const header = reader_.top().header();
  if (header == nullptr) return {};
  for (std::uint32_t id = 0; id < header->lowers.size(); ++id) {
    if (!header->lowers[id].foreign) continue;
    const OneLayer& layer = reader_.layer(id);
    const auto content = digest_foreign(layer);
    if (!content) {
      if (!is_full()) faults_.push_back(fault_of(content.error(), ""));
    } else if (*content != header->lowers[id].content) {
      if (is_full()) return {};
      faults_.push_back({layer.path(), std::nullopt,
                         "its files have changed since " +
                             reader_.top().path() + " was built on it"});
    }
  }
  return {};
}

// Once a directory is met twice, or is not there, the rest is still walked.
void Verifier::check_reachable() {
  absl::flat_hash_set<std::uint64_t> seen = {reader_.root().number()};
  std::vector<FileId> waiting = {reader_.root()};
  while (!waiting.empty() && !is_full()) {
    const FileId id = waiting.back();
    waiting.pop_back();
    OneLayer& layer = reader_.layer(id.layer);
    const std::string name = dir_file_name(id.offset);
    const auto dir = reader_.read_dir_file(id);
    if (!dir) {
      // One that is there and damaged is known already.
      if (faults_.empty()) add(layer, name, dir.error());
      continue;
    }
    std::uint64_t at = kDirHeader;
    (*dir)->for_each([&](const DirItem& item) {
      const std::uint64_t here = at;
      const Target& target = item.target;
      at += dir_item_size(item.name.size(), target.whiteout);
      if (target.whiteout) return;
      if (target.kind == Kind::kDirectory) {
        if (seen.insert(target.id.number()).second) {
          waiting.push_back(target.id);
        } else {
          add(layer, name, here, "a directory with another name");
        }
        return;
      }
      const auto inode = reader_.inode(target.id);
      if (!inode) return;
      const auto* range = std::get_if<BlobRange>(&inode->content);
      if (range != nullptr && range->length > 0) check_blob(*range);
    });
  }
}

void Verifier::check_blob(const BlobRange& range) {
  if (!options_.blobs && !options_.data) return;
  std::uint64_t& most = blobs_[range.sha256];
  std::uint64_t end = 0;
  if (__builtin_add_overflow(range.offset, range.length, &end)) end = ~0ULL;
  most = std::max(most, end);
}

void Verifier::check_blobs() {
  for (const auto& [sha256, wanted] : blobs_) {
    if (is_full()) return;
    const std::string path = reader_.blobs().path_of(sha256);
    const auto blob = reader_.blobs().open(sha256);
    if (!blob) {
      faults_.push_back({path, std::nullopt, blob.error().message()});
      continue;
    }
    if (blob->size < wanted) {
      faults_.push_back(
          {path, blob->size,
           fmt::format("it ends here; files reach to {}", wanted)});
      continue;
    }
    if (!options_.data) continue;
    Sha256 hasher;
    std::vector<std::byte> buffer(std::size_t{1} << 20);
    for (std::uint64_t at = 0;;) {
      const auto got =
          sys::pread_full(blob->fd->get(), buffer.data(), buffer.size(), at);
      if (!got) {
        faults_.push_back({path, at, got.error().message()});
        break;
      }
      hasher.update(std::span(buffer).first(*got));
      at += *got;
      if (*got == buffer.size()) continue;
      if (hasher.finish() != sha256) {
        faults_.push_back(
            {path, std::nullopt, "its bytes do not have its digest"});
      }
      break;
    }
  }
}

}  // namespace

Result<std::vector<Fault>> LayerFs::verify(const VerifyOptions& options) const {
  // Afresh: what was compared once is not compared again.
  TRY_ASSIGN(const auto fresh, LayerReader::open(path(), blobs()));
  return Verifier(*fresh, options).run();
}

}  // namespace veneer::layerfs
