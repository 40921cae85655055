// SPDX-License-Identifier: MIT
//
// From text to a tree, a line at a time.
//
// Each line adds one node, so a node's number tells its line: that is how a
// fault which shows only at the end (a name that stands twice) is still told
// with its line.

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "composefs/dir_index.h"
#include "composefs/dump_text.h"
#include "composefs/format.h"
#include "sys/stream.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} << 10;
constexpr std::size_t kLongestLine = std::size_t{1} << 20;
constexpr std::size_t kLongestPayload = 4095;
constexpr std::size_t kLongestXattrs = 65535;
// What all xattrs of a file may take, with seven bytes for each and twelve.
constexpr std::size_t kMostXattrBytes = 32767;

enum Field : std::size_t {
  kPath,
  kSize,
  kMode,
  kNlink,
  kUid,
  kGid,
  kRdev,
  kMtime,
  kPayload,
  kContent,
  kDigest,
  kFieldCount,
};
constexpr std::array<std::string_view, kFieldCount> kFieldNames = {
    "PATH", "SIZE",  "MODE",    "NLINK",   "UID",   "GID",
    "RDEV", "MTIME", "PAYLOAD", "CONTENT", "DIGEST"};

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool has_type(std::uint32_t mode) {
  constexpr std::array<std::uint32_t, 7> kTypes = {
      S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK, S_IFCHR, S_IFSOCK, S_IFIFO};
  return std::ranges::find(kTypes, mode & S_IFMT) != kTypes.end();
}

// Whether `path` is the digest that `hex` spells, with a slash in its place.
bool is_object_name_of(std::string_view path, std::string_view hex) {
  return path.size() == hex.size() + 1 && path[2] == '/' &&
         path.substr(0, 2) == hex.substr(0, 2) &&
         path.substr(3) == hex.substr(2) &&
         std::ranges::none_of(hex, [](char c) { return c >= 'A' && c <= 'F'; });
}

class DumpReader {
 public:
  explicit DumpReader(const DumpOptions& options)
      : options_(options), tree_(std::make_unique<Tree>()), dirs_(*tree_) {}

  Result<TreePtr> read(DumpSource source);

 private:
  // A field without its escapes: a view of the line, or of `kept`.
  struct Text {
    std::string_view view;
    std::string kept;
  };

  Result<void> read_line(std::string_view line);
  Result<void> split(std::string_view line);
  Result<void> end_line(std::size_t count);
  Result<void> unescape(std::string_view text, std::string& into);
  Result<std::string_view> text_of(Field field, std::string& kept);
  Result<std::string_view> optional_text(Field field, std::string& kept);
  template <typename T>
  Result<T> number(Field field, int base = 10);
  Result<void> read_mtime(NodeAttributes& attributes);
  Result<NodeAttributes> read_attributes();
  Result<std::pair<NodeIndex, std::string_view>> locate(std::string_view path);
  Result<NodeIndex> find_dir(std::string_view path);
  Result<void> fill_link(NodeIndex node);
  Result<void> fill_regular(NodeIndex node);
  Result<void> fill_symlink(NodeIndex node);
  Result<void> read_xattrs(NodeIndex node);
  Result<void> read_xattr(std::string_view text, std::string& kept);
  Result<void> check_strict(const NodeAttributes& attributes);

  Error wrong(std::string_view what) const {
    return Error(EINVAL, "",
                 fmt::format("{}:{}: {}", options_.name, line_, what));
  }
  Error wrong(Field field, std::string_view what) const {
    return wrong(fmt::format("{}: {}", kFieldNames[field], what));
  }

  const DumpOptions& options_;
  TreePtr tree_;
  DirIndex dirs_;  // directories alone
  std::uint64_t line_ = 0;
  std::array<std::string_view, kFieldCount> fields_;
  std::string_view rest_;  // behind the fields
  bool has_rest_ = false;
  std::string path_;

  // The directory of the last line; mostly it is that of the next as well.
  std::string last_dir_;
  NodeIndex last_dir_node_ = kNoNode;

  // Of the line's xattrs.
  std::vector<std::pair<std::string, std::string>> xattrs_;
};

// --- Lines -------------------------------------------------------------------

Result<TreePtr> DumpReader::read(DumpSource source) {
  std::vector<char> buffer(kBuffer);
  std::size_t held = 0;
  for (;;) {
    if (held == buffer.size()) {
      if (held > kLongestLine) {
        ++line_;
        return Error(
            EFBIG, "",
            fmt::format("{}:{}: the line is too long", options_.name, line_));
      }
      buffer.resize(2 * buffer.size());
    }
    TRY_ASSIGN(const std::size_t more,
               source(std::as_writable_bytes(std::span(buffer).subspan(held))));
    if (more == 0) break;
    std::string_view text(buffer.data(), held + more);
    // What was held has no newline in it.
    std::size_t end = text.find('\n', held);
    for (; end != text.npos; end = text.find('\n')) {
      TRY(read_line(text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
    held = text.size();
    std::copy(text.begin(), text.end(), buffer.begin());
  }
  if (held > 0) {
    TRY(read_line({buffer.data(), held}));
    if (options_.is_strict) return wrong("no newline at the end");
  }
  if (line_ == 0) {
    return Error(EINVAL, "", options_.name + ": it is empty");
  }
  if (const auto fault = tree_->finish()) {
    line_ = fault->node + 1;
    return wrong(fault->what);
  }
  return std::move(tree_);
}

Result<void> DumpReader::read_line(std::string_view line) {
  ++line_;
  TRY(split(line));
  TRY_ASSIGN(const std::string_view path, text_of(kPath, path_));
  const bool is_link = fields_[kMode].starts_with('@');
  if (is_link) fields_[kMode].remove_prefix(1);
  NodeAttributes attributes;
  if (is_link) {
    TRY_ASSIGN(attributes.mode, number<std::uint32_t>(kMode, 8));
  } else {
    TRY_ASSIGN(attributes, read_attributes());
  }
  if (!has_type(attributes.mode)) return wrong(kMode, "it has no type");
  TRY_ASSIGN(const auto place, locate(path));
  if (tree_->size() == 0 && (is_link || !S_ISDIR(attributes.mode))) {
    return wrong(kMode, "the root is no directory");
  }
  TRY_ASSIGN(const NodeIndex node,
             tree_->add(place.first, place.second, attributes));
  if (is_link) return fill_link(node);
  if (S_ISREG(attributes.mode)) TRY(fill_regular(node));
  if (S_ISLNK(attributes.mode)) TRY(fill_symlink(node));
  if (options_.is_strict) TRY(check_strict(attributes));
  if (S_ISDIR(attributes.mode) && node != kRootNode) dirs_.add(node);
  return has_rest_ ? read_xattrs(node) : Result<void>();
}

Result<void> DumpReader::split(std::string_view line) {
  if (line.find('\0') != line.npos) return wrong("a NUL byte");
  has_rest_ = false;
  for (std::size_t i = 0; i < kFieldCount; ++i) {
    const std::size_t end = line.find(' ');
    fields_[i] = line.substr(0, end);
    if (end == line.npos) return end_line(i + 1);
    line.remove_prefix(end + 1);
  }
  rest_ = line;
  has_rest_ = true;
  return {};
}

// The line has `count` fields. Those behind MTIME may be left out, where not
// having them makes sense.
Result<void> DumpReader::end_line(std::size_t count) {
  if (count <= kMtime || (options_.is_strict && count < kFieldCount)) {
    return wrong(fmt::format("{} is missing", kFieldNames[count]));
  }
  std::fill(fields_.begin() + static_cast<std::ptrdiff_t>(count), fields_.end(),
            "-");
  return {};
}

// --- Fields ------------------------------------------------------------------

Result<void> DumpReader::unescape(std::string_view text, std::string& into) {
  into.clear();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find('\\', at), text.size());
    into.append(text.substr(at, next - at));
    at = next;
    if (at == text.size()) break;
    const char kind = at + 1 < text.size() ? text[at + 1] : '\0';
    constexpr std::array kNamed = {std::pair('\\', '\\'), std::pair('n', '\n'),
                                   std::pair('r', '\r'), std::pair('t', '\t')};
    const auto* const named =
        std::ranges::find(kNamed, kind, &std::pair<char, char>::first);
    if (named != kNamed.end()) {
      into += named->second;
      at += 2;
      continue;
    }
    const int high = at + 3 < text.size() ? hex_value(text[at + 2]) : -1;
    const int low = at + 3 < text.size() ? hex_value(text[at + 3]) : -1;
    if (kind != 'x' || high < 0 || low < 0) {
      return wrong(fmt::format("'{}' is no escape",
                               text.substr(at, kind == 'x' ? 4 : 2)));
    }
    into += static_cast<char>(high << 4 | low);
    at += 4;
  }
  return {};
}

// Text that may not have a NUL in it, escaped or not.
Result<std::string_view> DumpReader::text_of(Field field, std::string& kept) {
  const std::string_view raw = fields_[field];
  if (raw.find('\\') == raw.npos) return raw;
  TRY(unescape(raw, kept));
  if (kept.find('\0') != kept.npos) return wrong(field, "a NUL byte");
  return std::string_view(kept);
}

// "" where there is none.
Result<std::string_view> DumpReader::optional_text(Field field,
                                                   std::string& kept) {
  if (fields_[field] == "-") return std::string_view();
  TRY_ASSIGN(const std::string_view text, text_of(field, kept));
  if (text.size() > kLongestPayload) return wrong(field, "it is too long");
  return text;
}

template <typename T>
Result<T> DumpReader::number(Field field, int base) {
  const std::string_view text = fields_[field];
  T value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error == std::errc::result_out_of_range) {
    return wrong(field, fmt::format("'{}' is too large", text));
  }
  if (error != std::errc() || end != text.data() + text.size()) {
    return wrong(field, fmt::format("'{}' is no number", text));
  }
  return value;
}

Result<void> DumpReader::read_mtime(NodeAttributes& attributes) {
  const std::string_view text = fields_[kMtime];
  const char* const stop = text.data() + text.size();
  const auto seconds = std::from_chars(text.data(), stop, attributes.mtime);
  if (seconds.ec == std::errc() && seconds.ptr != stop && *seconds.ptr == '.') {
    const auto nanos =
        std::from_chars(seconds.ptr + 1, stop, attributes.mtime_nsec);
    if (nanos.ec == std::errc() && nanos.ptr == stop) return {};
  }
  return wrong(kMtime,
               fmt::format("'{}' is not seconds, a dot and nanoseconds", text));
}

Result<NodeAttributes> DumpReader::read_attributes() {
  NodeAttributes attributes;
  TRY_ASSIGN(attributes.size, number<std::uint64_t>(kSize));
  TRY_ASSIGN(attributes.mode, number<std::uint32_t>(kMode, 8));
  TRY_ASSIGN(attributes.nlink, number<std::uint32_t>(kNlink));
  TRY_ASSIGN(attributes.uid, number<std::uint32_t>(kUid));
  TRY_ASSIGN(attributes.gid, number<std::uint32_t>(kGid));
  TRY_ASSIGN(attributes.rdev, number<std::uint32_t>(kRdev));
  TRY(read_mtime(attributes));
  return attributes;
}

// --- Places ------------------------------------------------------------------

// The parent and the last component of `path`, a view of it.
Result<std::pair<NodeIndex, std::string_view>> DumpReader::locate(
    std::string_view path) {
  if (path == "/") {
    if (tree_->size() > 0) return wrong(kPath, "the root is there twice");
    return std::pair(kRootNode, std::string_view());
  }
  if (tree_->size() == 0) return wrong(kPath, "the first line is not /");
  const std::size_t slash = path.rfind('/');
  const std::size_t start = slash == path.npos ? 0 : slash + 1;
  const std::string_view name = path.substr(start);
  if (name.empty()) return wrong(kPath, "the name is empty");
  if (name == "." || name == "..") {
    return wrong(kPath, fmt::format("'{}' is no name", name));
  }
  if (name.size() > kLongestName) return wrong(kPath, "the name is too long");
  TRY_ASSIGN(const NodeIndex dir, find_dir(path.substr(0, start)));
  return std::pair(dir, name);
}

Result<NodeIndex> DumpReader::find_dir(std::string_view path) {
  if (last_dir_node_ != kNoNode && path == last_dir_) return last_dir_node_;
  NodeIndex at = kRootNode;
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(std::min(slash + 1, rest.size()));
    if (part.empty()) continue;
    const auto next = dirs_.find(at, part);
    if (!next) {
      return wrong(kPath,
                   fmt::format("no earlier line makes the directory {}", path));
    }
    at = *next;
  }
  last_dir_ = path;
  last_dir_node_ = at;
  return at;
}

// --- What an object has beside its attributes --------------------------------

Result<void> DumpReader::fill_link(NodeIndex node) {
  const std::uint32_t mode = tree_->node(node).mode;
  if (S_ISDIR(mode)) return wrong(kMode, "a hard link to a directory");
  std::string kept;
  TRY_ASSIGN(const std::string_view target, optional_text(kPayload, kept));
  if (target.empty()) return wrong(kPayload, "a hard link without target");
  return tree_->set_link(node, target);
}

Result<void> DumpReader::fill_symlink(NodeIndex node) {
  std::string kept;
  TRY_ASSIGN(const std::string_view target, optional_text(kPayload, kept));
  if (target.empty()) return wrong(kPayload, "a symbolic link without target");
  if (options_.is_strict && tree_->node(node).size != target.size()) {
    return wrong(kSize, "it is not that of the symbolic link's target");
  }
  return tree_->set_target(node, target);
}

Result<void> DumpReader::fill_regular(NodeIndex node) {
  const std::uint64_t size = tree_->node(node).size;
  std::string kept;
  if (fields_[kContent] != "-") {
    TRY(unescape(fields_[kContent], kept));
    if (kept.size() > kMaxInlineContent) {
      return wrong(kContent,
                   fmt::format("more than {} bytes", kMaxInlineContent));
    }
    if (kept.size() != size) {
      return wrong(kContent, fmt::format("{} bytes, and SIZE says {}",
                                         kept.size(), size));
    }
    TRY(tree_->set_content(node, kept));
  }
  TRY_ASSIGN(const std::string_view payload, optional_text(kPayload, kept));
  const bool is_external = tree_->node(node).is_external();
  std::optional<Digest256> digest;
  if (fields_[kDigest] != "-") {
    digest = digest_from_hex(fields_[kDigest]);
    if (!digest) return wrong(kDigest, "it is not 64 hexadecimal digits");
  }
  if (!is_external) return {};
  // Most payloads are what their digest says.
  const bool is_named_by_digest =
      digest && is_object_name_of(payload, fields_[kDigest]);
  if (digest) tree_->set_digest(node, *digest, is_named_by_digest);
  return is_named_by_digest ? Result<void>()
                            : tree_->set_payload(node, payload);
}

Result<void> DumpReader::check_strict(const NodeAttributes& attributes) {
  if (S_ISLNK(attributes.mode) && fields_[kContent] != "-") {
    return wrong(kContent, "a symbolic link has none");
  }
  const bool is_device = S_ISCHR(attributes.mode) || S_ISBLK(attributes.mode);
  if (!is_device && attributes.rdev != 0) {
    return wrong(kRdev, "it is no device");
  }
  return {};
}

// --- Xattrs ------------------------------------------------------------------

Result<void> DumpReader::read_xattrs(NodeIndex node) {
  std::string_view rest = rest_;
  if (rest.size() > kLongestXattrs) return wrong("the xattrs are too long");
  xattrs_.clear();
  std::string kept;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    TRY(read_xattr(rest.substr(0, end), kept));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::size_t bytes = 12;
  std::vector<TreeXattr> views;
  for (const auto& [name, value] : xattrs_) {
    bytes += 7 + name.size() + value.size();
    views.push_back({name, value});
  }
  if (bytes > kMostXattrBytes) return wrong("the xattrs are too large");
  return tree_->set_xattrs(node, views);
}

Result<void> DumpReader::read_xattr(std::string_view text, std::string& kept) {
  const std::size_t equals = text.find('=');
  if (equals == text.npos) {
    return wrong(fmt::format("the xattr '{}' has no '='", text));
  }
  TRY(unescape(text.substr(0, equals), kept));
  if (kept.empty() || kept.size() > kLongestName ||
      kept.find('\0') != kept.npos) {
    return wrong("an xattr's key is empty, too long, or has a NUL byte in it");
  }
  // Of a key that is there twice the last counts.
  auto found = std::ranges::find(xattrs_, kept,
                                 &std::pair<std::string, std::string>::first);
  if (found == xattrs_.end()) {
    found = xattrs_.insert(xattrs_.end(), {kept, {}});
  }
  return unescape(text.substr(equals + 1), found->second);
}

}  // namespace

Result<TreePtr> read_dump(DumpSource source, const DumpOptions& options) {
  return DumpReader(options).read(source);
}

Result<TreePtr> read_dump(std::string_view text, const DumpOptions& options) {
  auto rest = as_bytes(text);
  return read_dump(
      [&rest](std::span<std::byte> room) -> Result<std::size_t> {
        const std::size_t size = std::min(room.size(), rest.size());
        std::ranges::copy(rest.first(size), room.begin());
        rest = rest.subspan(size);
        return size;
      },
      options);
}

Result<TreePtr> read_dump_fd(int fd, const DumpOptions& options) {
  return read_dump(
      [&](std::span<std::byte> room) -> Result<std::size_t> {
        auto read = sys::read_some(fd, room);
        if (!read) return read.error().about(options.name);
        return read;
      },
      options);
}

}  // namespace veneer::composefs
