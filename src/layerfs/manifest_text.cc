// SPDX-License-Identifier: MIT

#include "layerfs/manifest_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "base/utf8.h"
#include "layerfs/entry_path.h"
#include "layerfs/manifest.h"

namespace veneer::layerfs {
namespace {

constexpr std::string_view kDigestWord = "sha256:";
constexpr std::string_view kInlineWord = "inline:";
constexpr std::string_view kEmptyWord = "empty";
constexpr std::string_view kOpaqueWord = "opaque";
constexpr std::string_view kEmptyField = "\"\"";
constexpr std::size_t kCommonFields = 5;

Error refuse(std::string why) { return Error(EINVAL, "", std::move(why)); }

constexpr std::array kShortEscapes = {
    std::pair('\n', 'n'), std::pair('\t', 't'), std::pair('\r', 'r'),
    std::pair('\\', '\\')};

// A byte that stands for itself wherever it is.
bool is_plain(char c) { return c > ' ' && c < 0x7F && c != '\\' && c != '"'; }

// Beyond ASCII that is a control character all the same: U+0080 to U+009F.
bool has_c1(std::string_view text) {
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\xC2' && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      return true;
    }
  }
  return false;
}

void append_escape(std::string& out, char c) {
  for (const auto& [byte, letter] : kShortEscapes) {
    if (c == byte) {
      out += '\\';
      out += letter;
      return;
    }
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(c);
  out += "\\x";
  out += kDigits[value >> 4];
  out += kDigits[value & 15];
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that the escape at the start of `text`, after the backslash, means;
// takes it off.
std::optional<char> take_escape(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const char letter = text.front();
  text.remove_prefix(1);
  for (const auto& [byte, name] : kShortEscapes) {
    if (letter == name) return byte;
  }
  if (letter != 'x' || text.size() < 2) return std::nullopt;
  const int high = nibble(text[0]);
  const int low = nibble(text[1]);
  if (high < 0 || low < 0) return std::nullopt;
  text.remove_prefix(2);
  return static_cast<char>(high << 4 | low);
}

std::vector<std::string_view> split_fields(std::string_view line) {
  std::vector<std::string_view> fields;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    if (space != 0) fields.push_back(line.substr(0, space));
    line.remove_prefix(space == line.npos ? line.size() : space + 1);
  }
  return fields;
}

template <typename T>
Result<T> parse_number(std::string_view field, std::string_view what,
                       int base = 10) {
  T value{};
  const char* const end = field.data() + field.size();
  const auto [stop, error] = std::from_chars(field.data(), end, value, base);
  if (error != std::errc() || stop != end) {
    return refuse(fmt::format("the {} '{}' is no number that fits", what,
                              printable(field)));
  }
  return value;
}

Result<EntryData> parse_file(std::string_view data, std::uint64_t size) {
  if (data == kEmptyWord) return Empty();
  if (data.starts_with(kInlineWord)) {
    InlineBytes file;
    TRY_ASSIGN(file.bytes, unescape_field(data.substr(kInlineWord.size())));
    return file;
  }
  if (data.starts_with(kDigestWord)) {
    const auto digest = digest_from_hex(data.substr(kDigestWord.size()));
    if (digest) return BlobRange{*digest, 0, size};
  }
  return refuse(
      fmt::format("'{}' is no file data (sha256:HEX, inline:BYTES or "
                  "empty)",
                  printable(data)));
}

// `data`: the field after the path; none where there is none.
Result<EntryData> parse_data(std::string_view kind,
                             std::optional<std::string_view> data,
                             std::uint64_t size) {
  if (kind == "dir") {
    if (data && *data != kOpaqueWord) {
      return refuse(fmt::format("'{}' after a directory", printable(*data)));
    }
    return DirectoryEntry{.opaque = data.has_value()};
  }
  if (kind == "whiteout") {
    if (data) return refuse("a field too many after a whiteout");
    return WhiteoutEntry();
  }
  if (kind != "file" && kind != "symlink" && kind != "link") {
    return refuse(fmt::format(
        "'{}' is no kind of entry (dir, file, symlink, link or whiteout)",
        printable(kind)));
  }
  if (!data) return refuse(fmt::format("a {} needs a field more", kind));
  if (kind == "file") return parse_file(*data, size);
  TRY_ASSIGN(std::string target, unescape_field(*data));
  if (kind == "symlink") {
    TRY(check_link_target(target));
    return SymlinkEntry{std::move(target)};
  }
  TRY(clean_path(target));
  return HardLinkEntry{std::move(target)};
}

struct TextWriter {
  const Entry& entry;

  std::string line(std::string_view kind, std::string_view data = {}) const {
    return fmt::format("{} {:07o} {} {} {}{}{}\n", kind, entry.mode,
                       entry.mtime, entry.size, escape_field(entry.path),
                       data.empty() ? "" : " ", data);
  }
  Result<std::string> operator()(const DirectoryEntry& dir) const {
    return line("dir", dir.opaque ? kOpaqueWord : "");
  }
  Result<std::string> operator()(const BlobRange& range) const {
    if (range.offset != 0 || range.length != entry.size) {
      return Error(EINVAL, "say in a manifest that a file is part of a blob",
                   printable(entry.path));
    }
    return line("file", std::string(kDigestWord) + to_hex(range.sha256));
  }
  Result<std::string> operator()(const InlineBytes& file) const {
    return line("file", std::string(kInlineWord) + escape_field(file.bytes));
  }
  Result<std::string> operator()(const Empty&) const {
    return line("file", kEmptyWord);
  }
  Result<std::string> operator()(const SymlinkEntry& link) const {
    return line("symlink", escape_field(link.target));
  }
  Result<std::string> operator()(const HardLinkEntry& link) const {
    return line("link", escape_field(link.target));
  }
  Result<std::string> operator()(const WhiteoutEntry&) const {
    return line("whiteout");
  }
};

// The line that begins here, without its newline; longer and longer pieces are
// looked at, as far as the file goes.
Result<std::string_view> peek_line(Window& window) {
  for (std::uint64_t size = 4096;; size *= 4) {
    TRY_ASSIGN(const std::string_view piece, window.peek(size));
    const std::size_t end = piece.find('\n');
    if (end != piece.npos) return piece.substr(0, end);
    if (piece.size() < size) return piece;
  }
}

}  // namespace

std::string escape_field(std::string_view bytes) {
  if (bytes.empty()) return std::string(kEmptyField);
  const bool is_text = is_utf8(bytes) && !has_c1(bytes);
  const auto stands = [&](char c) {
    const bool is_high = (static_cast<unsigned char>(c) & 0x80) != 0;
    return is_plain(c) || (is_high && is_text);
  };
  std::string field;
  field.reserve(bytes.size() + bytes.size() / 4);
  while (!bytes.empty()) {
    const auto end = std::ranges::find_if_not(bytes, stands);
    const auto run = static_cast<std::size_t>(end - bytes.begin());
    field += bytes.substr(0, run);
    if (run < bytes.size()) append_escape(field, bytes[run]);
    bytes.remove_prefix(std::min(run + 1, bytes.size()));
  }
  return field;
}

Result<std::string> unescape_field(std::string_view field) {
  if (field == kEmptyField) return std::string();
  std::string bytes;
  bytes.reserve(field.size());
  while (!field.empty()) {
    const char c = field.front();
    field.remove_prefix(1);
    if (c == '\\') {
      const auto byte = take_escape(field);
      if (!byte)
        return refuse("an escape that is none (\\n \\t \\r \\\\ \\xHH)");
      bytes += *byte;
    } else if (is_plain(c) || (static_cast<unsigned char>(c) & 0x80) != 0) {
      bytes += c;
    } else {
      return refuse(fmt::format("byte 0x{:02x} must be written \\x{:02x}",
                                static_cast<unsigned char>(c),
                                static_cast<unsigned char>(c)));
    }
  }
  return bytes;
}

Result<std::string> to_manifest_text(const Entry& entry) {
  return std::visit(TextWriter{entry}, entry.data);
}

Result<Entry> parse_manifest_line(std::string_view line) {
  const auto fields = split_fields(line);
  if (fields.size() < kCommonFields || fields.size() > kCommonFields + 1) {
    return refuse(
        fmt::format("{} fields, wanted are kind, mode, mtime, size, path and "
                    "maybe data",
                    fields.size()));
  }
  Entry entry;
  TRY_ASSIGN(entry.mode, parse_number<std::uint32_t>(fields[1], "mode", 8));
  TRY_ASSIGN(entry.mtime, parse_number<std::int64_t>(fields[2], "mtime"));
  TRY_ASSIGN(entry.size, parse_number<std::uint64_t>(fields[3], "size"));
  TRY_ASSIGN(entry.path, unescape_field(fields[4]));
  TRY(clean_path(entry.path));
  std::optional<std::string_view> data;
  if (fields.size() > kCommonFields) data = fields[kCommonFields];
  TRY_ASSIGN(entry.data, parse_data(fields[0], data, entry.size));
  return entry;
}

Result<void> read_manifest_text(const ByteSource& source, const EntrySink& sink,
                                const std::function<bool(std::uint64_t)>& see) {
  Window window(source);
  const auto bad = [&](std::uint64_t number, std::string_view why) {
    return Error(EINVAL, "",
                 fmt::format("{}: line {}: {}", source.name, number, why));
  };
  TRY_ASSIGN(const std::string_view header,
             window.peek(kManifestTextHeader.size()));
  if (header != kManifestTextHeader) {
    return bad(1,
               "no manifest (it begins neither with a version in binary nor "
               "with the line \"manifest 1\")");
  }
  window.skip(header.size());
  for (std::uint64_t number = 2; window.remaining() != 0; ++number) {
    TRY_ASSIGN(const std::string_view line, peek_line(window));
    const std::size_t length = line.size();
    const bool is_blank = line.find_first_not_of(' ') == line.npos;
    if (!is_blank && !line.starts_with('#')) {
      auto entry = parse_manifest_line(line);
      if (!entry) return bad(number, entry.error().subject());
      const auto taken = sink(*std::move(entry));
      if (!taken) {
        return Error(taken.error().code(), "",
                     fmt::format("{}: line {}: {}", source.name, number,
                                 taken.error().message()));
      }
    }
    window.skip(length + 1);
    if (see && !see(window.position())) return Error(ECANCELED, "read");
  }
  return {};
}

}  // namespace veneer::layerfs
