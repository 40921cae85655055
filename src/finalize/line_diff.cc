// SPDX-License-Identifier: MIT

#include "finalize/line_diff.h"

#include <fmt/format.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "finalize/myers.h"

namespace veneer::finalize {

namespace {

using Lines = std::vector<std::string_view>;

// Both texts as symbols, without what is common at the ends; `skip` is how many
// lines that is at the start.
struct Symbols {
  std::vector<Symbol> a;
  std::vector<Symbol> b;
  std::size_t skip = 0;
};

Symbols to_symbols(const Lines& a, const Lines& b) {
  Symbols symbols;
  const std::size_t shorter = std::min(a.size(), b.size());
  while (symbols.skip < shorter && a[symbols.skip] == b[symbols.skip]) {
    ++symbols.skip;
  }
  std::size_t tail = 0;
  while (tail < shorter - symbols.skip &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail]) {
    ++tail;
  }
  absl::flat_hash_map<std::string_view, Symbol> known;
  const auto translate = [&](const Lines& lines, std::vector<Symbol>& out) {
    out.reserve(lines.size() - tail - symbols.skip);
    for (std::size_t i = symbols.skip; i < lines.size() - tail; ++i) {
      out.push_back(
          known.try_emplace(lines[i], static_cast<Symbol>(known.size()))
              .first->second);
    }
  };
  translate(a, symbols.a);
  translate(b, symbols.b);
  return symbols;
}

// Which lines changed, in the whole of a text.
using Changed = std::vector<bool>;

// Lines that the other text lacks are changed for certain; the rest is
// searched.
void find_changed(const Symbols& symbols, Changed& a_changed,
                  Changed& b_changed) {
  std::vector<std::uint8_t> seen;  // 1: in a, 2: in b
  const auto note = [&](const std::vector<Symbol>& in, std::uint8_t bit) {
    for (const Symbol s : in) {
      if (s >= seen.size()) seen.resize(s + 1);
      seen[s] = static_cast<std::uint8_t>(seen[s] | bit);
    }
  };
  note(symbols.a, 1);
  note(symbols.b, 2);
  std::vector<Symbol> a, b;
  std::vector<std::size_t> a_at, b_at;
  const auto sift = [&](const std::vector<Symbol>& in, std::vector<Symbol>& out,
                        std::vector<std::size_t>& at, Changed& changed) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (seen[in[i]] == 3) {
        out.push_back(in[i]);
        at.push_back(symbols.skip + i);
      } else {
        changed[symbols.skip + i] = true;
      }
    }
  };
  sift(symbols.a, a, a_at, a_changed);
  sift(symbols.b, b, b_at, b_changed);
  const Uncommon uncommon = shortest_script(a, b);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (uncommon.a[i]) a_changed[a_at[i]] = true;
  }
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (uncommon.b[i]) b_changed[b_at[i]] = true;
  }
}

// A block of changed lines before a line equal to its first may as well be one
// line further down: at the end is where readers expect what was appended. Only
// where the other text has no change at that point.
void slide_down(const Lines& lines, Changed& changed, const Changed& other) {
  std::size_t at = 0;  // in the other text, of what comes after the block
  for (std::size_t i = 0; i < lines.size();) {
    if (!changed[i]) {
      while (at < other.size() && other[at]) ++at;
      ++i, ++at;
      continue;
    }
    std::size_t begin = i;
    std::size_t end = i;
    while (end < lines.size() && changed[end]) ++end;
    const auto quiet = [&](std::size_t j) {
      return j >= other.size() || !other[j];
    };
    while (end < lines.size() && quiet(at) && lines[begin] == lines[end]) {
      changed[begin++] = false;
      changed[end++] = true;
      ++at;
      while (end < lines.size() && changed[end]) ++end;
    }
    i = end;
  }
}

}  // namespace

Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t feed = text.find('\n');
    const std::size_t length =
        feed == std::string_view::npos ? text.size() : feed + 1;
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

std::vector<Edit> diff_lines(const Lines& old_lines, const Lines& new_lines) {
  Changed gone(old_lines.size());
  Changed come(new_lines.size());
  find_changed(to_symbols(old_lines, new_lines), gone, come);
  slide_down(old_lines, gone, come);
  slide_down(new_lines, come, gone);

  std::vector<Edit> edits;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < gone.size() || j < come.size()) {
    Edit edit{.begin = i, .new_begin = j};
    while (i < gone.size() && gone[i]) ++i;
    while (j < come.size() && come[j]) ++j;
    edit.end = i;
    edit.new_end = j;
    if (edit.begin != edit.end || edit.new_begin != edit.new_end) {
      edits.push_back(edit);
    } else {
      ++i, ++j;
    }
  }
  return edits;
}

namespace {

// "12", or "12,3"; an empty range is named by the line before it.
std::string range_text(std::size_t begin, std::size_t end) {
  const std::size_t count = end - begin;
  const std::size_t first = count == 0 ? begin : begin + 1;
  return count == 1 ? fmt::format("{}", first)
                    : fmt::format("{},{}", first, count);
}

}  // namespace

void write_hunks(const Lines& old_lines, const Lines& new_lines,
                 const std::vector<Edit>& edits,
                 const std::function<void(std::string_view)>& sink) {
  constexpr std::size_t kContext = 3;
  const auto put = [&](char sign, std::string_view line) {
    sink(std::string_view(&sign, 1));
    sink(line);
    if (!line.ends_with('\n')) sink("\n\\ No newline at end of file\n");
  };
  for (std::size_t first = 0; first < edits.size();) {
    std::size_t last = first;
    while (last + 1 < edits.size() &&
           edits[last + 1].begin - edits[last].end <= 2 * kContext) {
      ++last;
    }
    const std::size_t before = std::min(kContext, edits[first].begin);
    const std::size_t after =
        std::min(kContext, old_lines.size() - edits[last].end);
    std::size_t at = edits[first].begin - before;
    sink(fmt::format("@@ -{} +{} @@\n", range_text(at, edits[last].end + after),
                     range_text(edits[first].new_begin - before,
                                edits[last].new_end + after)));
    for (std::size_t e = first; e <= last; ++e) {
      const Edit& edit = edits[e];
      for (; at < edit.begin; ++at) put(' ', old_lines[at]);
      for (; at < edit.end; ++at) put('-', old_lines[at]);
      for (std::size_t j = edit.new_begin; j < edit.new_end; ++j) {
        put('+', new_lines[j]);
      }
    }
    const std::size_t stop = at + after;
    for (; at < stop; ++at) put(' ', old_lines[at]);
    first = last + 1;
  }
}

}  // namespace veneer::finalize
