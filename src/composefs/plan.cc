// SPDX-License-Identifier: MIT
//
// In this order: the version, the stubs, the order of inodes, their xattrs, and
// then, with all sizes known, one pass that gives each inode its place.

#include "composefs/plan.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <limits>
#include <tuple>

namespace veneer::composefs {
namespace {

constexpr std::size_t kStubs = 256;
constexpr std::uint32_t kStubMode = S_IFCHR | 0644;

// A tail larger than this goes to a block of its own.
constexpr std::uint64_t kLargestTail = kBlockSize / 2;

constexpr std::uint64_t kMost16 = std::numeric_limits<std::uint16_t>::max();
constexpr std::uint64_t kMost32 = std::numeric_limits<std::uint32_t>::max();

// "00" to "ff", one after the other.
constexpr auto kStubNames = [] {
  std::array<char, 2 * kStubs> names = {};
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = 0; i < kStubs; ++i) {
    names[2 * i] = kDigits[i >> 4];
    names[2 * i + 1] = kDigits[i & 15];
  }
  return names;
}();

std::string_view stub_name(std::size_t number) {
  return {kStubNames.data() + 2 * number, 2};
}

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// How many bytes are left in the block that ends behind `at`; a whole one where
// none has begun.
constexpr std::uint64_t left_in_block(std::uint64_t at) {
  return kBlockSize - at % kBlockSize;
}

}  // namespace

Chunks decide_chunks(std::uint64_t size) {
  const unsigned length =
      std::max(1U, static_cast<unsigned>(std::bit_width(size - 1)));
  const unsigned bits = std::clamp(length, kBlockBits, kMaxChunkBits);
  return {bits, ((size - 1) >> bits) + 1};
}

Result<std::unique_ptr<const Plan>> Plan::make(const Tree& tree,
                                               ImageVersions versions) {
  std::unique_ptr<Plan> plan(new Plan(tree));
  TRY(plan->choose_version(versions));
  plan->add_stubs();
  plan->mark_whiteouts();
  plan->set_order();
  plan->set_build_time();
  plan->set_xattrs();
  TRY(plan->place());
  return std::unique_ptr<const Plan>(std::move(plan));
}

Result<void> Plan::choose_version(ImageVersions versions) {
  versions.max = std::max(versions.min, versions.max);
  if (versions.max > kNewestVersion) {
    return Error(EINVAL, "",
                 fmt::format("images have no version {} (the newest is {})",
                             versions.max, kNewestVersion));
  }
  version_ = versions.min;
  for (NodeIndex i = 0; version_ < versions.max && i < tree_.size(); ++i) {
    if (tree_.node(i).is_whiteout()) version_ = 1;
  }
  return {};
}

// --- What there is -----------------------------------------------------------

void Plan::add_stubs() {
  const TreeNode& root = tree_.node(kRootNode);
  TreeNode stub;
  stub.mode = kStubMode;
  stub.uid = root.uid;
  stub.gid = root.gid;
  stub.mtime = root.mtime;
  stub.mtime_nsec = root.mtime_nsec;
  stub.xattrs = root.xattrs;
  const auto own = tree_.children(root);
  root_children_.assign(own.begin(), own.end());
  for (std::size_t i = 0; i < kStubs; ++i) {
    if (tree_.find(kRootNode, stub_name(i))) continue;
    root_children_.push_back(
        static_cast<NodeIndex>(tree_.size() + stubs_.size()));
    stubs_.push_back(stub);
    stub_numbers_.push_back(static_cast<std::uint8_t>(i));
  }
  std::ranges::inplace_merge(root_children_,
                             root_children_.begin() + std::ssize(own), {},
                             [this](NodeIndex index) { return name(index); });

  const std::size_t count = tree_.size() + stubs_.size();
  flags_.resize(count);
  nids_.resize(count);
  sets_.resize(count);
}

void Plan::mark_whiteouts() {
  for (NodeIndex i = 0; i < tree_.size(); ++i) {
    const TreeNode& node = tree_.node(i);
    if (node.is_whiteout()) flags_[node.parent] |= kWhiteouts;
  }
}

void Plan::set_order() {
  order_.reserve(tree_.size() + stubs_.size());
  order_.push_back(kRootNode);
  for (std::size_t i = 0; i < order_.size(); ++i) {
    if (!node(order_[i]).is_dir()) continue;
    for (const NodeIndex child : children(order_[i])) {
      if (!node(child).is_link) order_.push_back(child);
    }
  }
}

void Plan::set_build_time() {
  const auto time_of = [this](NodeIndex index) {
    return std::tuple(node(index).mtime, node(index).mtime_nsec);
  };
  std::tie(build_time_, build_time_nsec_) =
      time_of(*std::ranges::min_element(order_, {}, time_of));
}

Traits Plan::traits_of(NodeIndex index) const {
  if (index >= tree_.size()) return kIsStub;
  const TreeNode& node = tree_.node(index);
  Traits traits = 0;
  if (index == kRootNode) traits |= kIsRoot;
  if (node.is_whiteout()) traits |= kIsWhiteout;
  if ((flags_[index] & kWhiteouts) != 0) traits |= kHasWhiteouts;
  if (!node.is_external()) return traits;
  traits |= kHasContent;
  if (node.data != 0) traits |= kHasDigest;
  if (node.payload_kind == PayloadKind::kDigest) traits |= kPayloadIsDigest;
  if (node.payload_kind == PayloadKind::kText) traits |= kPayloadIsText;
  return traits;
}

void Plan::set_xattrs() {
  xattrs_ = std::make_unique<FinalXattrs>(tree_, version_);
  for (const NodeIndex index : order_) {
    sets_[index] = xattrs_->add(node(index), traits_of(index));
  }
  xattrs_->share();
}

// --- What a node is in the image ---------------------------------------------

std::span<const NodeIndex> Plan::children(NodeIndex dir) const {
  return dir == kRootNode ? std::span(root_children_)
                          : tree_.children(tree_.node(dir));
}

std::string_view Plan::name(NodeIndex index) const {
  return index < tree_.size() ? tree_.name(tree_.node(index))
                              : stub_name(stub_numbers_[index - tree_.size()]);
}

void Plan::for_each_entry(
    NodeIndex dir, absl::FunctionRef<void(const PlannedEntry&)> sink) const {
  const std::array<PlannedEntry, 2> dots = {
      PlannedEntry{".", dir},
      PlannedEntry{"..", dir == kRootNode ? dir : node(dir).parent}};
  std::size_t next_dot = 0;
  for (const NodeIndex child : children(dir)) {
    const std::string_view child_name = name(child);
    while (next_dot < dots.size() && dots[next_dot].name < child_name) {
      sink(dots[next_dot++]);
    }
    sink({child_name, node(child).is_link ? tree_.target(child) : child});
  }
  while (next_dot < dots.size()) sink(dots[next_dot++]);
}

std::uint16_t Plan::mode(NodeIndex index) const {
  const TreeNode& of = node(index);
  const bool is_stub = index >= tree_.size();
  if (is_stub || !of.is_whiteout()) return of.mode;
  return static_cast<std::uint16_t>((of.mode & ~S_IFMT) | S_IFREG);
}

std::uint32_t Plan::nlink(NodeIndex index) const {
  const TreeNode& of = node(index);
  if (!of.is_dir()) return of.nlink;
  const auto is_dir = [this](NodeIndex child) { return node(child).is_dir(); };
  return 2 + static_cast<std::uint32_t>(
                 std::ranges::count_if(children(index), is_dir));
}

std::uint64_t Plan::size(NodeIndex index) const {
  const TreeNode& of = node(index);
  if (of.is_dir()) {
    const Extent extent = dir_extent(index);
    return extent.blocks * kBlockSize + extent.tail;
  }
  return of.is_regular() || of.is_symlink() ? of.size : 0;
}

Extent Plan::dir_extent(NodeIndex index) const {
  Extent extent;
  for_each_entry(index, [&extent](const PlannedEntry& entry) {
    const std::uint64_t cost = sizeof(Dirent) + entry.name.size();
    if (extent.tail + cost > kBlockSize) {
      ++extent.blocks;
      extent.tail = 0;
    }
    extent.tail += cost;
  });
  if (extent.tail > kLargestTail) return {extent.blocks + 1, 0};
  return extent;
}

// Before it is known whether the tail has room behind the inode.
Extent Plan::natural_extent(NodeIndex index) const {
  const TreeNode& of = node(index);
  if (of.is_dir()) return dir_extent(index);
  if (of.is_symlink()) return {0, of.size};
  if (!of.is_regular() || of.size == 0) return {};
  if (!of.is_inline) {
    return {0, sizeof(std::uint32_t) * decide_chunks(of.size).count};
  }
  const Extent extent = {of.size / kBlockSize, of.size % kBlockSize};
  if (extent.tail > kLargestTail) return {extent.blocks + 1, 0};
  return extent;
}

Extent Plan::extent(NodeIndex index) const {
  Extent extent = natural_extent(index);
  if ((flags_[index] & kTailInBlock) != 0) return {extent.blocks + 1, 0};
  return extent;
}

// --- Places ------------------------------------------------------------------

bool Plan::fits_compact(NodeIndex index, std::uint64_t size) const {
  const TreeNode& of = node(index);
  return of.mtime == build_time_ && of.mtime_nsec == build_time_nsec_ &&
         nlink(index) <= kMost16 && of.uid <= kMost16 && of.gid <= kMost16 &&
         size <= kMost32;
}

Result<void> Plan::place() {
  std::uint64_t at = kInodeArea;
  std::uint64_t data_blocks = 0;
  for (const NodeIndex index : order_) {
    TRY_ASSIGN(at, place_one(index, at));
    data_blocks += extent(index).blocks;
  }
  if (nid(kRootNode) >= kMost16) {
    return Error(EFBIG, "", "/: the root has too many xattrs");
  }
  inodes_end_ = round_up(at, kInodeSlot);
  TRY(xattrs_->place_table(inodes_end_));
  data_start_ = round_up(inodes_end_ + xattrs_->table_size(), kBlockSize);
  blocks_ = data_start_ / kBlockSize + data_blocks;
  if (blocks_ > kMost32) return Error(EFBIG, "", "the image is too large");
  return {};
}

// Returns where the inode ends.
Result<std::uint64_t> Plan::place_one(NodeIndex index, std::uint64_t at) {
  const TreeNode& of = node(index);
  Extent extent = natural_extent(index);
  // The size of a device counts here, though it is not written.
  const std::uint64_t size = of.is_dir()
                                 ? extent.blocks * kBlockSize + extent.tail
                                 : (of.is_whiteout() ? 0 : of.size);
  if (!fits_compact(index, size)) flags_[index] |= kExtended;
  if (of.is_external() && decide_chunks(of.size).count > kMaxChunks) {
    return Error(EFBIG, "",
                 fmt::format("{}: {} bytes are more than an image can say",
                             tree_.path(index), of.size));
  }
  const std::uint64_t xattrs = xattrs_->size_of(of, sets_[index]);
  if (xattrs > sizeof(XattrHeader) + 4 * (kMost16 - 1)) {
    return Error(EINVAL, "", tree_.path(index) + ": the xattrs are too many");
  }

  const std::uint64_t blocks = extent.blocks;
  const std::uint64_t head =
      xattrs +
      (is_extended(index) ? sizeof(ExtendedInode) : sizeof(CompactInode));
  at = round_up(at, kInodeSlot);
  at = of.is_symlink() ? place_symlink(at, head, extent)
                       : place_other(at, head, extent);
  if (extent.blocks != blocks) flags_[index] |= kTailInBlock;
  if (at / kInodeSlot > kMost32) {
    return Error(EFBIG, "", "the image is too large");
  }
  nids_[index] = static_cast<std::uint32_t>(at / kInodeSlot);
  return at + head + extent.tail;
}

// A link is not to cross a block, for old kernels read one that does wrong.
// Whether it would is decided by its whole length, also when the target does
// not stay.
std::uint64_t Plan::place_symlink(std::uint64_t at, std::uint64_t head,
                                  Extent& extent) const {
  const std::uint64_t total = head + extent.tail;
  if (total >= kBlockSize) extent = {1, 0};
  const bool crosses = at / kBlockSize != (at + total - 1) / kBlockSize;
  return crosses ? round_up(at, kBlockSize) : at;
}

// A tail is not to cross a block either; the inode before it may.
std::uint64_t Plan::place_other(std::uint64_t at, std::uint64_t head,
                                Extent& extent) const {
  const std::uint64_t left = left_in_block(at + head);
  if (left >= extent.tail) return at;
  const std::uint64_t further = round_up(left, kInodeSlot);
  if (extent.tail <= left_in_block(at + head + further)) return at + further;
  extent = {extent.blocks + 1, 0};
  return round_up(at, kBlockSize);
}

}  // namespace veneer::composefs
