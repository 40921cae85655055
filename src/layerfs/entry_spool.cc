// SPDX-License-Identifier: MIT

#include "layerfs/entry_spool.h"

#include <algorithm>
#include <cstring>

namespace veneer::layerfs {
namespace {

constexpr std::size_t kChunk = 1 << 20;

// What stands before an entry; beyond the index of its data's sort.
constexpr std::uint64_t kOpaque = 0x10;
constexpr std::uint64_t kImplicit = 0x20;
constexpr std::uint64_t kHasDigest = 0x40;

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^
         (value < 0 ? ~std::uint64_t{0} : 0);
}

std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^
                                   ((value & 1) != 0 ? ~std::uint64_t{0} : 0));
}

// Reads what EntrySpool wrote; entries do not cross chunks.
class Cursor {
 public:
  explicit Cursor(std::string_view chunk) : rest_(chunk) {}
  bool at_end() const { return rest_.empty(); }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if ((byte & 0x80) == 0) return value;
    }
  }
  std::string_view bytes(std::size_t count) {
    const std::string_view found = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return found;
  }
  std::string text() { return std::string(bytes(number())); }

 private:
  std::string_view rest_;
};

EntryData take_data(Cursor& cursor, std::uint64_t head) {
  switch (head & 0xF) {
    case 0:
      return DirectoryEntry{(head & kOpaque) != 0, (head & kImplicit) != 0};
    case 1: {
      BlobRange range;
      if ((head & kHasDigest) != 0) {
        std::memcpy(range.sha256.data(),
                    cursor.bytes(range.sha256.size()).data(),
                    range.sha256.size());
      }
      range.offset = cursor.number();
      range.length = cursor.number();
      return range;
    }
    case 2:
      return InlineBytes{cursor.text()};
    case 3:
      return Empty();
    case 4:
      return SymlinkEntry{cursor.text()};
    case 5:
      return HardLinkEntry{cursor.text()};
    default:
      return WhiteoutEntry();
  }
}
static_assert(
    std::is_same_v<std::variant_alternative_t<1, EntryData>, BlobRange> &&
        std::is_same_v<std::variant_alternative_t<5, EntryData>, HardLinkEntry>,
    "the numbers above are the variant's");

}  // namespace

void EntrySpool::put_number(std::uint64_t value) {
  std::string& out = chunks_.back();
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

void EntrySpool::put_text(std::string_view text) {
  put_number(text.size());
  chunks_.back() += text;
}

void EntrySpool::put_range(const BlobRange& range) {
  if (range.sha256 != Sha256Digest{}) {
    chunks_.back().append(reinterpret_cast<const char*>(range.sha256.data()),
                          range.sha256.size());
  }
  put_number(range.offset);
  put_number(range.length);
}

void EntrySpool::add(const Entry& entry, std::uint64_t offset) {
  if (chunks_.empty() || chunks_.back().size() >= kChunk) {
    if (!chunks_.empty()) chunks_.back().shrink_to_fit();
    chunks_.emplace_back().reserve(kChunk + kChunk / 8);
  }
  const std::size_t before = chunks_.back().size();
  std::uint64_t head = entry.data.index();
  if (const auto* dir = std::get_if<DirectoryEntry>(&entry.data)) {
    head |= (dir->opaque ? kOpaque : 0) | (dir->implicit ? kImplicit : 0);
  }
  const auto* const range = std::get_if<BlobRange>(&entry.data);
  if (range != nullptr && range->sha256 != Sha256Digest{}) head |= kHasDigest;
  put_number(head);

  const auto same = static_cast<std::size_t>(
      std::ranges::mismatch(last_path_, entry.path).in1 - last_path_.begin());
  put_number(same);
  put_text(std::string_view(entry.path).substr(same));
  last_path_ = entry.path;
  put_number(entry.size);
  put_number(entry.mode);
  put_number(zigzag(entry.mtime));
  put_number(offset - last_offset_);
  last_offset_ = offset;

  if (range != nullptr) put_range(*range);
  if (const auto* file = std::get_if<InlineBytes>(&entry.data)) {
    put_text(file->bytes);
  }
  if (const auto* link = std::get_if<SymlinkEntry>(&entry.data)) {
    put_text(link->target);
  }
  if (const auto* link = std::get_if<HardLinkEntry>(&entry.data)) {
    put_text(link->target);
  }
  size_ += chunks_.back().size() - before;
}

Result<void> EntrySpool::drain(
    const std::function<Result<void>(Entry&&, std::uint64_t)>& sink) {
  std::string path;
  std::uint64_t offset = 0;
  for (; !chunks_.empty(); chunks_.pop_front()) {
    Cursor cursor(chunks_.front());
    while (!cursor.at_end()) {
      const std::uint64_t head = cursor.number();
      path.resize(cursor.number());
      path += cursor.text();
      Entry entry{.path = path};
      entry.size = cursor.number();
      entry.mode = static_cast<std::uint32_t>(cursor.number());
      entry.mtime = unzigzag(cursor.number());
      offset += cursor.number();
      entry.data = take_data(cursor, head);
      TRY(sink(std::move(entry), offset));
    }
  }
  size_ = 0;
  return {};
}

}  // namespace veneer::layerfs
