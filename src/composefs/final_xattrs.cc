// SPDX-License-Identifier: MIT

#include "composefs/final_xattrs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <compare>
#include <limits>

#include "base/hash.h"
#include "composefs/format.h"

namespace veneer::composefs {
namespace {

constexpr std::string_view kAccessAcl = "system.posix_acl_access";
constexpr std::string_view kDefaultAcl = "system.posix_acl_default";
constexpr std::string_view kLabel = "security.selinux";

// An inode refers to no more than so many.
constexpr std::size_t kMostShared = 128;

// "/xx/" and 62 digits.
constexpr std::size_t kRedirectSize = 66;

constexpr std::array<std::uint8_t, sizeof(MetacopyHeader)> kMetacopyHead = {
    0, kMetacopySha256, 0, kVeritySha256};

constexpr std::uint64_t align4(std::uint64_t size) { return (size + 3) & ~3U; }

void count_one(std::uint8_t& count) {
  if (count < 2) ++count;
}

}  // namespace

SplitName split_xattr_name(std::string_view name) {
  // In this order, and without "lustre.": so it was done first, and images are
  // compared byte by byte.
  constexpr std::array<std::uint8_t, 5> kTried = {1, 2, 3, 4, 6};
  for (const std::uint8_t index : kTried) {
    const std::string_view prefix = kXattrPrefixes[index];
    if (name.starts_with(prefix)) return {index, name.substr(prefix.size())};
  }
  return {0, name};
}

// --- The set of an inode -----------------------------------------------------

FinalXattrs::SetId FinalXattrs::add(const TreeNode& node, Traits traits) {
  const std::uint64_t key = std::uint64_t{node.xattrs} << 8 | traits;
  const auto [entry, is_new] = set_index_.try_emplace(key, 0);
  if (is_new) entry->second = make_set(node, traits);
  const SetId id = entry->second;
  ++sets_[id].count;
  if ((traits & kHasContent) != 0) count(node);
  return id;
}

// Plain ones; what is each node's own is there by name, without value.
FinalXattrs::Names FinalXattrs::names_of(const TreeNode& node,
                                         Traits traits) const {
  Names names;
  tree_.for_each_xattr(node.xattrs, [&](const TreeXattr& xattr) {
    const bool is_overlays = xattr.name.starts_with(kTrustedOverlay);
    if ((traits & kIsStub) != 0 && xattr.name != kLabel) return;
    std::string name(is_overlays ? kTrustedEscaped : std::string_view());
    name += xattr.name.substr(is_overlays ? kTrustedOverlay.size() : 0);
    names.insert_or_assign(std::move(name), xattr.value);
  });
  const auto set = [&names](std::string_view name, std::string_view value) {
    names.insert_or_assign(std::string(name), value);
  };
  if ((traits & kHasContent) != 0) set(kMetacopyName, "");
  if ((traits & (kPayloadIsDigest | kPayloadIsText)) != 0) {
    set(kRedirectName, "");
  }
  if ((traits & kIsWhiteout) != 0) {
    set(kEscapedWhiteout, "");
    set(kUserWhiteout, "");
  }
  if ((traits & kHasWhiteouts) != 0) {
    set(kEscapedWhiteouts, "");
    set(kUserWhiteouts, "");
    if (version_ >= 1) {
      set(kEscapedOpaque, "x");
      set(kUserOpaque, "x");
    }
  }
  if ((traits & kIsRoot) != 0) set(kOpaqueName, "y");
  return names;
}

FinalXattrs::SetId FinalXattrs::make_set(const TreeNode& node, Traits traits) {
  Set set;
  for (const auto& [name, value] : names_of(node, traits)) {
    const SplitName split = split_xattr_name(name);
    const std::uint32_t bit =
        hash32(split.suffix, kNameFilterSeed + split.index) & 31;
    set.filter &= ~(std::uint32_t{1} << bit);
    has_acl_ |= name == kAccessAcl || name == kDefaultAcl;
    if (name == kMetacopyName && (traits & kHasDigest) != 0) {
      set.members.push_back(kMetacopyMember);
    } else if (name == kRedirectName) {
      set.members.push_back(kRedirectMember);
    } else {
      set.members.push_back(plain(name, value));
    }
  }
  sets_.push_back(std::move(set));
  return static_cast<SetId>(sets_.size() - 1);
}

std::uint32_t FinalXattrs::plain(std::string_view name,
                                 std::string_view value) {
  if (const auto found = plain_index_.find({name, value});
      found != plain_index_.end()) {
    return found->second;
  }
  const std::string& kept = made_names_.emplace_back(name);
  plains_.push_back({kept, value});
  const auto id = static_cast<std::uint32_t>(plains_.size() - 1);
  plain_index_.emplace(std::pair(std::string_view(kept), value), id);
  return id;
}

void FinalXattrs::count(const TreeNode& node) {
  if (node.data != 0) count_one(metacopies_[node.data - 1]);
  if (node.payload_kind == PayloadKind::kDigest) {
    count_one(redirects_[node.payload - 1]);
  } else if (node.payload_kind == PayloadKind::kText) {
    count_one(texts_[node.payload - 1]);
  }
}

// --- The table ---------------------------------------------------------------

void FinalXattrs::share() {
  for (const Set& set : sets_) {
    for (const std::uint32_t member : set.members) {
      if (member < kRedirectMember) plains_[member].count += set.count;
    }
  }
  collect_shared();
  std::ranges::sort(table_,
                    [this](Item a, Item b) { return stands_before(a, b); });
  for (const Item item : table_) {
    const auto offset = static_cast<std::uint32_t>(table_size_ / kXattrAlign);
    switch (item.kind) {
      case Kind::kPlain:
        plains_[item.id].offset = offset;
        break;
      case Kind::kMetacopy:
        metacopy_offsets_[item.id] = offset;
        break;
      case Kind::kRedirect:
        redirect_offsets_[item.id] = offset;
        break;
      case Kind::kTextRedirect:
        text_offsets_[item.id] = offset;
        break;
    }
    table_size_ += stored_size(item);
  }
}

void FinalXattrs::collect_shared() {
  for (std::uint32_t id = 0; id < plains_.size(); ++id) {
    if (plains_[id].count > 1) table_.push_back({Kind::kPlain, id});
  }
  const auto collect = [this](const Counts& counts, Kind kind) {
    for (std::uint32_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > 1) table_.push_back({kind, i + 1});
    }
  };
  collect(metacopies_, Kind::kMetacopy);
  collect(redirects_, Kind::kRedirect);
  collect(texts_, Kind::kTextRedirect);
}

Result<void> FinalXattrs::place_table(std::uint64_t start) {
  table_start_ = start % kBlockSize;
  const std::uint64_t last = (table_start_ + table_size_) / kXattrAlign;
  if (last > std::numeric_limits<std::uint32_t>::max()) {
    return Error(EFBIG, "", "the xattrs that files share are too many");
  }
  return {};
}

// Downwards: by name, by the value's size, by the value.
bool FinalXattrs::stands_before(Item a, Item b) const {
  if (const auto order = name_of(a) <=> name_of(b); order != 0) {
    return order > 0;
  }
  const std::size_t a_size = value_size(a);
  const std::size_t b_size = value_size(b);
  if (a_size != b_size) return a_size > b_size;
  const bool is_digest = a.kind == Kind::kMetacopy || a.kind == Kind::kRedirect;
  // Digits sort as what they spell.
  if (a.kind == b.kind && is_digest) {
    return tree_.digests().get(a.id) > tree_.digests().get(b.id);
  }
  return value_of(a) > value_of(b);
}

// --- One xattr ---------------------------------------------------------------

FinalXattrs::Item FinalXattrs::item_of(const TreeNode& node,
                                       std::uint32_t member) const {
  if (member == kMetacopyMember) return {Kind::kMetacopy, node.data};
  if (member != kRedirectMember) return {Kind::kPlain, member};
  return {node.payload_kind == PayloadKind::kDigest ? Kind::kRedirect
                                                    : Kind::kTextRedirect,
          node.payload};
}

std::uint32_t FinalXattrs::offset_of(Item item) const {
  const auto find = [&item](const Offsets& offsets) {
    const auto found = offsets.find(item.id);
    return found == offsets.end() ? kNotShared : found->second;
  };
  switch (item.kind) {
    case Kind::kPlain:
      return plains_[item.id].offset;
    case Kind::kMetacopy:
      return metacopies_[item.id - 1] > 1 ? find(metacopy_offsets_)
                                          : kNotShared;
    case Kind::kRedirect:
      return redirects_[item.id - 1] > 1 ? find(redirect_offsets_) : kNotShared;
    case Kind::kTextRedirect:
      return find(text_offsets_);
  }
  return kNotShared;
}

std::string_view FinalXattrs::name_of(Item item) const {
  if (item.kind == Kind::kPlain) return plains_[item.id].name;
  return item.kind == Kind::kMetacopy ? kMetacopyName : kRedirectName;
}

std::size_t FinalXattrs::value_size(Item item) const {
  switch (item.kind) {
    case Kind::kPlain:
      return plains_[item.id].value.size();
    case Kind::kMetacopy:
      return kMetacopySha256;
    case Kind::kRedirect:
      return kRedirectSize;
    case Kind::kTextRedirect:
      return 1 + tree_.payload_text(item.id).size();
  }
  return 0;
}

std::size_t FinalXattrs::stored_size(Item item) const {
  return align4(sizeof(XattrEntry) +
                split_xattr_name(name_of(item)).suffix.size() +
                value_size(item));
}

// --- Those of an inode -------------------------------------------------------

std::uint64_t FinalXattrs::size_of(const TreeNode& node, SetId id) const {
  const Set& set = sets_[id];
  if (set.members.empty()) return 0;
  std::uint64_t size = sizeof(XattrHeader);
  std::size_t shared = 0;
  for (const std::uint32_t member : set.members) {
    const Item item = item_of(node, member);
    if (shared < kMostShared && offset_of(item) != kNotShared) {
      ++shared;
      size += sizeof(std::uint32_t);
    } else {
      size += stored_size(item);
    }
  }
  return size;
}

void FinalXattrs::write(const TreeNode& node, SetId id, ByteWriter& out) const {
  const Set& set = sets_[id];
  if (set.members.empty()) return;
  std::array<std::uint32_t, kMostShared> references;
  std::size_t shared = 0;
  absl::InlinedVector<Item, 8> own;
  for (const std::uint32_t member : set.members) {
    const Item item = item_of(node, member);
    const std::uint32_t offset = offset_of(item);
    if (shared < kMostShared && offset != kNotShared) {
      references[shared++] =
          static_cast<std::uint32_t>(table_start_ / kXattrAlign) + offset;
    } else {
      own.push_back(item);
    }
  }
  out.u32(set.filter);
  out.u8(static_cast<std::uint8_t>(shared));
  out.zeros(sizeof(XattrHeader) - 5);
  for (std::size_t i = 0; i < shared; ++i) out.u32(references[i]);
  for (const Item item : own) write_entry(item, out);
}

void FinalXattrs::write_entry(Item item, ByteWriter& out) const {
  const SplitName name = split_xattr_name(name_of(item));
  out.u8(static_cast<std::uint8_t>(name.suffix.size()));
  out.u8(name.index);
  out.u16(static_cast<std::uint16_t>(value_size(item)));
  out.text(name.suffix);
  write_value(item, out);
  out.align(kXattrAlign);
}

void FinalXattrs::write_value(Item item, ByteWriter& out) const {
  switch (item.kind) {
    case Kind::kPlain:
      return out.text(plains_[item.id].value);
    case Kind::kMetacopy:
      out.bytes(std::as_bytes(std::span(kMetacopyHead)));
      return out.bytes(std::as_bytes(std::span(tree_.digests().get(item.id))));
    case Kind::kRedirect:
      out.text("/");
      return out.text(object_name(tree_.digests().get(item.id)));
    case Kind::kTextRedirect:
      out.text("/");
      return out.text(tree_.payload_text(item.id));
  }
}

std::string FinalXattrs::value_of(Item item) const {
  ByteWriter value;
  write_value(item, value);
  return std::string(as_text(value.bytes()));
}

void FinalXattrs::write_table(ByteWriter& out) const {
  for (const Item item : table_) write_entry(item, out);
}

}  // namespace veneer::composefs
