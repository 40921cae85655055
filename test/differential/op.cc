// SPDX-License-Identifier: MIT
//
// Scripts as text. One table names the fields, and both directions use it, so
// that a field cannot be written and then not read.

#include "test/differential/op.h"

#include <fcntl.h>

#include <array>
#include <charconv>
#include <cstdio>

namespace veneer::testing::differential {
namespace {

constexpr std::array<std::string_view, 38> kWords = {
    "mkfile",   "open",       "close",       "read",     "write",
    "truncate", "ftruncate",  "unlink",      "rmdir",    "mkdir",
    "rename",   "link",       "linkfd",      "symlink",  "readlink",
    "mknod",    "chmod",      "chown",       "utimens",  "setxattr",
    "getxattr", "listxattr",  "removexattr", "setacl",   "fallocate",
    "seek",     "copyrange",  "mmapwrite",   "mmapread", "fsync",
    "readdir",  "stat",       "access",      "statfs",   "setflags",
    "umask",    "dropcaches", "compare"};
static_assert(kWords.size() == static_cast<std::size_t>(OpKind::kCompare) + 1);

struct IntField {
  std::string_view key;
  int Op::* small;
};
constexpr std::array<IntField, 4> kSlotFields = {
    {{"fd", &Op::fd}, {"fd2", &Op::fd2}, {"at", &Op::at}, {"at2", &Op::at2}}};

struct TextField {
  std::string_view key;
  std::string Op::* text;
};
constexpr std::array<TextField, 3> kTextFields = {
    {{"path", &Op::path}, {"path2", &Op::path2}, {"name", &Op::name}}};

enum class Base : std::uint8_t { kDecimal, kOctal, kFlags };
struct NumberField {
  std::string_view key;
  std::int64_t Op::* number;
  Base base;
};
constexpr std::array<NumberField, 13> kNumberFields = {
    {{"flags", &Op::flags, Base::kFlags},
     {"mode", &Op::mode, Base::kOctal},
     {"off", &Op::off, Base::kDecimal},
     {"off2", &Op::off2, Base::kDecimal},
     {"len", &Op::len, Base::kDecimal},
     {"seed", &Op::seed, Base::kDecimal},
     {"uid", &Op::uid, Base::kDecimal},
     {"gid", &Op::gid, Base::kDecimal},
     {"as", &Op::as, Base::kDecimal},
     {"atime", &Op::atime, Base::kDecimal},
     {"atime_ns", &Op::atime_ns, Base::kDecimal},
     {"mtime", &Op::mtime, Base::kDecimal},
     {"mtime_ns", &Op::mtime_ns, Base::kDecimal}}};

struct FlagName {
  std::string_view name;
  std::int64_t bits;
};
// O_TMPFILE contains O_DIRECTORY and must be looked for first.
constexpr std::array<FlagName, 12> kOpenFlags = {{{"O_TMPFILE", O_TMPFILE},
                                                  {"O_RDWR", O_RDWR},
                                                  {"O_WRONLY", O_WRONLY},
                                                  {"O_CREAT", O_CREAT},
                                                  {"O_EXCL", O_EXCL},
                                                  {"O_TRUNC", O_TRUNC},
                                                  {"O_APPEND", O_APPEND},
                                                  {"O_DIRECTORY", O_DIRECTORY},
                                                  {"O_NOFOLLOW", O_NOFOLLOW},
                                                  {"O_PATH", O_PATH},
                                                  {"O_NONBLOCK", O_NONBLOCK},
                                                  {"O_RDONLY", O_RDONLY}}};

std::string format_flags(const Op& op) {
  if (op.kind != OpKind::kOpen) return std::to_string(op.flags);
  std::string text;
  std::int64_t rest = op.flags;
  for (const FlagName& flag : kOpenFlags) {
    if (flag.bits == 0 || (rest & flag.bits) != flag.bits) continue;
    rest &= ~flag.bits;
    text += (text.empty() ? "" : "|");
    text += flag.name;
  }
  if (rest != 0 || text.empty()) {
    text += (text.empty() ? "" : "|") + std::to_string(rest);
  }
  return text;
}

std::string format_number(const Op& op, const NumberField& field) {
  const std::int64_t value = op.*field.number;
  switch (field.base) {
    case Base::kFlags:
      return format_flags(op);
    case Base::kOctal: {
      std::array<char, 32> text{};
      std::snprintf(text.data(), text.size(), "%#llo",
                    static_cast<unsigned long long>(value));
      return text.data();
    }
    case Base::kDecimal:
      break;
  }
  return std::to_string(value);
}

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_flags(std::string_view text) {
  std::int64_t value = 0;
  while (!text.empty()) {
    const std::size_t bar = text.find('|');
    const std::string_view item = text.substr(0, bar);
    text = bar == std::string_view::npos ? "" : text.substr(bar + 1);
    bool named = false;
    for (const FlagName& flag : kOpenFlags) {
      if (flag.name != item) continue;
      value |= flag.bits;
      named = true;
    }
    if (named) continue;
    const auto number = parse_integer(item, 10);
    if (!number) return std::nullopt;
    value |= *number;
  }
  return value;
}

bool parse_field(Op& op, std::string_view key, std::string_view value) {
  for (const IntField& field : kSlotFields) {
    if (field.key != key) continue;
    const auto number = parse_integer(value, 10);
    if (!number || *number < 0 || *number >= kSlots) return false;
    op.*field.small = static_cast<int>(*number);
    return true;
  }
  for (const TextField& field : kTextFields) {
    if (field.key != key) continue;
    const auto bytes = unescape(value);
    if (!bytes) return false;
    op.*field.text = *bytes;
    return true;
  }
  for (const NumberField& field : kNumberFields) {
    if (field.key != key) continue;
    const auto number = field.base == Base::kFlags   ? parse_flags(value)
                        : field.base == Base::kOctal ? parse_integer(value, 8)
                                                     : parse_integer(value, 10);
    if (!number) return false;
    op.*field.number = *number;
    return true;
  }
  return false;
}

bool parse_phase(Op& op, std::string_view text) {
  if (text == "main" || text == "swap") {
    op.phase = text == "main" ? Phase::kMain : Phase::kSwap;
    return true;
  }
  if (!text.starts_with("raw.") && !text.starts_with("via.")) return false;
  const auto layer = parse_integer(text.substr(4), 10);
  if (!layer || *layer < 0 || *layer >= kMaxLayers) return false;
  op.phase = text.starts_with("raw.") ? Phase::kRaw : Phase::kVia;
  op.layer = static_cast<std::uint32_t>(*layer);
  return true;
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t start = line.find_first_not_of(' ');
    if (start == std::string_view::npos) return words;
    line.remove_prefix(start);
    const std::size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::optional<Op> parse_line(std::string_view line) {
  const std::vector<std::string_view> words = split(line);
  if (words.size() < 2) return std::nullopt;
  Op op;
  if (!parse_phase(op, words[0])) return std::nullopt;
  bool known = false;
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (kWords.at(i) != words[1]) continue;
    op.kind = static_cast<OpKind>(i);
    known = true;
  }
  if (!known) return std::nullopt;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    if (!parse_field(op, words[i].substr(0, equals),
                     words[i].substr(equals + 1))) {
      return std::nullopt;
    }
  }
  return op;
}

bool is_plain(char byte) { return byte > ' ' && byte < '\x7f' && byte != '%'; }

}  // namespace

std::string_view word(OpKind kind) {
  return kWords.at(static_cast<std::size_t>(kind));
}

std::string format(const Op& op) {
  std::string line = op.phase == Phase::kMain   ? "main"
                     : op.phase == Phase::kSwap ? "swap"
                     : op.phase == Phase::kRaw  ? "raw."
                                                : "via.";
  if (op.phase == Phase::kRaw || op.phase == Phase::kVia) {
    line += std::to_string(op.layer);
  }
  line += ' ';
  line += word(op.kind);
  const auto append = [&line](std::string_view key, std::string_view value) {
    line += ' ';
    line += key;
    line += '=';
    line += value;
  };
  const Op defaults;
  for (const IntField& field : kSlotFields) {
    if (op.*field.small == defaults.*field.small) continue;
    append(field.key, std::to_string(op.*field.small));
  }
  for (const TextField& field : kTextFields) {
    if ((op.*field.text).empty()) continue;
    append(field.key, escape(op.*field.text));
  }
  for (const NumberField& field : kNumberFields) {
    if (op.*field.number == 0) continue;
    append(field.key, format_number(op, field));
  }
  return line;
}

std::string format(const Script& script) {
  std::string text;
  for (const Op& op : script) text += format(op) + '\n';
  return text;
}

std::optional<Script> parse(std::string_view text, std::string* problem) {
  Script script;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const auto op = parse_line(line);
    if (!op) {
      *problem = std::string(line);
      return std::nullopt;
    }
    script.push_back(*op);
  }
  return script;
}

std::string escape(std::string_view bytes) {
  constexpr std::size_t kLongRun = 16;
  std::string text;
  for (std::size_t i = 0; i < bytes.size();) {
    std::size_t run = 1;
    while (i + run < bytes.size() && bytes[i + run] == bytes[i]) ++run;
    if (is_plain(bytes[i]) && run >= kLongRun) {
      text += "%{";
      text += bytes[i];
      text += '*' + std::to_string(run) + '}';
      i += run;
    } else if (is_plain(bytes[i])) {
      text += bytes[i++];
    } else {
      std::array<char, 8> hex{};
      std::snprintf(
          hex.data(), hex.size(), "%%%02X",
          static_cast<unsigned>(static_cast<unsigned char>(bytes[i++])));
      text += hex.data();
    }
  }
  return text;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text.front() != '%') {
      bytes += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (text.starts_with("%{")) {
      const std::size_t close = text.find('}', 5);
      if (close == std::string_view::npos || text[3] != '*') {
        return std::nullopt;
      }
      const auto run = parse_integer(text.substr(4, close - 4), 10);
      if (!run || *run < 0 || *run > 65536) return std::nullopt;
      bytes.append(static_cast<std::size_t>(*run), text[2]);
      text.remove_prefix(close + 1);
      continue;
    }
    if (text.size() < 3) return std::nullopt;
    const auto byte = parse_integer(text.substr(1, 2), 16);
    if (!byte) return std::nullopt;
    bytes += static_cast<char>(*byte);
    text.remove_prefix(3);
  }
  return bytes;
}

}  // namespace veneer::testing::differential
