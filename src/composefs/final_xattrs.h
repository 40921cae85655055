// SPDX-License-Identifier: MIT
//
// The xattrs that inodes get in the image, from those of the tree: the user's
// trusted.overlay.* escaped, composefs' own added, those that several inodes
// have alike found out and put in the shared table.
//
// Files differ in where their content is and in little else. So a set of
// xattrs is worked out once for all inodes that have the same xattrs in the
// tree and the same Traits; what is each file's own (metacopy, redirect) stands
// in the set as a marker, and its value with the file.
//
//   FinalXattrs finals(tree, version);
//   set = finals.add(node, traits)      for each inode, in any order
//   finals.share()                      then, once
//   finals.size_of(node, set), ...
//
// Requires a finished tree that outlives it. Rules: docs/formats/composefs.md.
//
// Threads: thread-compatible; immutable after share().

#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "composefs/tree.h"

namespace veneer::composefs {

/// What composefs says of an inode in xattrs. Bits.
using Traits = std::uint8_t;
inline constexpr Traits kIsRoot = 1;
inline constexpr Traits kIsWhiteout = 2;
inline constexpr Traits kHasWhiteouts = 4;  ///< directory: as children
inline constexpr Traits kIsStub = 8;        ///< only the label of the root
inline constexpr Traits kHasContent = 16;   ///< external: metacopy
inline constexpr Traits kHasDigest = 32;    ///< with its digest
inline constexpr Traits kPayloadIsDigest = 64;
inline constexpr Traits kPayloadIsText = 128;

class FinalXattrs {
 public:
  using SetId = std::uint32_t;

  /// `version` of the image: whiteouts are marked differently.
  FinalXattrs(const Tree& tree, unsigned version)
      : tree_(tree),
        version_(version),
        metacopies_(tree.digests().size()),
        redirects_(tree.digests().size()),
        texts_(tree.text_count()) {}

  SetId add(const TreeNode& node, Traits traits);

  /// Puts what was added more than once into the table.
  void share();
  /// `start`: where in the image the table begins, a multiple of 4.
  /// Fails  EFBIG  the table is larger than references reach
  Result<void> place_table(std::uint64_t start);
  std::uint64_t table_size() const { return table_size_; }

  /// How many bytes the xattrs take behind the inode.
  std::uint64_t size_of(const TreeNode& node, SetId set) const;
  /// Writes them. Requires place_table().
  void write(const TreeNode& node, SetId set, ByteWriter& out) const;
  void write_table(ByteWriter& out) const;

  bool has_acl() const { return has_acl_; }

 private:
  enum class Kind : std::uint8_t {
    kPlain,
    kMetacopy,
    kRedirect,
    kTextRedirect
  };
  // Among the members of a set these stand for the node's own.
  static constexpr std::uint32_t kMetacopyMember = 0xffffffff;
  static constexpr std::uint32_t kRedirectMember = 0xfffffffe;
  static constexpr std::uint32_t kNotShared = 0xffffffff;

  struct Plain {
    std::string_view name;
    std::string_view value;
    std::uint64_t count = 0;
    std::uint32_t offset = kNotShared;  ///< in the table
  };
  struct Set {
    std::vector<std::uint32_t> members;  ///< by name
    std::uint64_t count = 0;
    std::uint32_t filter = 0xffffffff;
  };
  // One that may be shared: a plain one, or a node's own value.
  struct Item {
    Kind kind = Kind::kPlain;
    std::uint32_t id = 0;
  };
  // How often a value was used, as far as it matters: 0, 1, 2 for more.
  using Counts = std::vector<std::uint8_t>;
  using Offsets = absl::flat_hash_map<std::uint32_t, std::uint32_t>;
  using Names = std::map<std::string, std::string_view, std::less<>>;

  Names names_of(const TreeNode& node, Traits traits) const;
  SetId make_set(const TreeNode& node, Traits traits);
  std::uint32_t plain(std::string_view name, std::string_view value);
  void count(const TreeNode& node);
  Item item_of(const TreeNode& node, std::uint32_t member) const;
  std::uint32_t offset_of(Item item) const;
  std::string_view name_of(Item item) const;
  std::string value_of(Item item) const;
  std::size_t value_size(Item item) const;
  std::size_t stored_size(Item item) const;
  bool stands_before(Item a, Item b) const;
  void write_entry(Item item, ByteWriter& out) const;
  void write_value(Item item, ByteWriter& out) const;
  void collect_shared();

  const Tree& tree_;
  const unsigned version_;
  std::deque<std::string> made_names_;
  std::vector<Plain> plains_;
  absl::flat_hash_map<std::pair<std::string_view, std::string_view>,
                      std::uint32_t>
      plain_index_;
  std::vector<Set> sets_;
  absl::flat_hash_map<std::uint64_t, SetId> set_index_;
  Counts metacopies_, redirects_, texts_;
  Offsets metacopy_offsets_, redirect_offsets_, text_offsets_;
  std::vector<Item> table_;
  std::uint64_t table_size_ = 0;
  std::uint64_t table_start_ = 0;
  bool has_acl_ = false;
};

/// How an xattr's name is stored: the index of its prefix, and the rest.
struct SplitName {
  std::uint8_t index = 0;
  std::string_view suffix;
};
SplitName split_xattr_name(std::string_view name);

}  // namespace veneer::composefs
