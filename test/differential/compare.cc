// SPDX-License-Identifier: MIT
//
// The comparison, field by field, with words for what differs.

#include "test/differential/compare.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <limits>

namespace veneer::testing::differential {
namespace {

// A clock that runs slightly behind (coarse time stamps) is still the run's.
constexpr std::int64_t kSlack = 2;

std::string octal(std::uint32_t mode) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%#o", mode);
  return text.data();
}

void differ(std::string& text, const char* what, const std::string& subject,
            const std::string& reference) {
  if (subject == reference) return;
  text += std::string(text.empty() ? "" : ", ") + what + " " + subject +
          " instead of " + reference;
}

template <typename Number>
void differ(std::string& text, const char* what, Number subject,
            Number reference) {
  differ(text, what, std::to_string(subject), std::to_string(reference));
}

std::string describe(const std::map<std::string, std::string>& xattrs) {
  std::string text = "{";
  for (const auto& [name, value] : xattrs) {
    text += " " + escape(name) + "=";
    text += value.size() > 64 ? "<" + std::to_string(value.size()) + ">"
                              : escape(value);
  }
  return text + " }";
}

bool is_whiteout(const StatView& stat) {
  return (stat.mode & 0170000) == 0020000 && stat.rdev == 0;
}

}  // namespace

std::string describe(const Outcome& answer) {
  if (answer.result >= 0) return std::to_string(answer.result);
  const char* name = strerrorname_np(answer.error);
  return name != nullptr ? name : std::to_string(answer.error);
}

bool Identity::same(std::uint64_t subject, std::uint64_t reference) {
  const auto there = forward_.emplace(subject, reference).first;
  const auto back = backward_.emplace(reference, subject).first;
  return there->second == reference && back->second == subject;
}

std::optional<std::string> compare_uppers(const Snapshot& subject,
                                          const Snapshot& reference) {
  constexpr std::uint32_t kType = 0170000;
  std::map<std::string, const Entry*> theirs;
  for (const Entry& entry : reference) theirs[entry.path] = &entry;
  std::string text;
  for (const Entry& ours : subject) {
    std::string what;
    const auto found = theirs.find(ours.path);
    if (found == theirs.end()) {
      if (is_whiteout(ours.stat)) what = "is a whiteout, and need not be";
    } else {
      const Entry& other = *found->second;
      differ(what, "type", octal(ours.stat.mode & kType),
             octal(other.stat.mode & kType));
      differ(what, "rdev", ours.stat.rdev, other.stat.rdev);
      const char* opaque = "trusted.overlay.opaque";
      if (ours.xattrs.contains(opaque) && !other.xattrs.contains(opaque)) {
        what += what.empty() ? "" : ", ";
        what += "opaque, and need not be";
      }
    }
    if (!what.empty()) text += "  /" + escape(ours.path) + ": " + what + "\n";
  }
  if (text.empty()) return std::nullopt;
  return "the uppers differ:\n" + text;
}

std::string Comparer::stamp(std::int64_t seconds,
                            std::uint32_t nanoseconds) const {
  const bool of_this_run =
      seconds >= start_ - kSlack && seconds < start_ + 86400;
  if (of_this_run) return "now";
  return std::to_string(seconds) + "." + std::to_string(nanoseconds);
}

std::string Comparer::differences(const StatView& subject,
                                  const StatView& reference,
                                  Identity& identity) const {
  std::string text;
  differ(text, "mode", octal(subject.mode), octal(reference.mode));
  differ(text, "uid", subject.uid, reference.uid);
  differ(text, "gid", subject.gid, reference.gid);
  differ(text, "mtime", stamp(subject.mtime, subject.mtime_ns),
         stamp(reference.mtime, reference.mtime_ns));
  if (!reference.is_dir()) {
    differ(text, "size", subject.size, reference.size);
    differ(text, "nlink", subject.nlink, reference.nlink);
  }
  if (reference.is_device()) {
    differ(text, "rdev", subject.rdev, reference.rdev);
  }
  if (!identity.same(subject.ino, reference.ino)) {
    text += std::string(text.empty() ? "" : ", ") +
            "st_ino tells objects apart differently";
  }
  return text;
}

std::string Comparer::differences(const Entry& subject, const Entry& reference,
                                  Identity& identity) const {
  std::string text = differences(subject.stat, reference.stat, identity);
  differ(text, "problem", "'" + subject.problem + "'",
         "'" + reference.problem + "'");
  differ(text, "link", escape(subject.link), escape(reference.link));
  differ(text, "content", subject.content, reference.content);
  if (subject.xattrs != reference.xattrs) {
    differ(text, "xattrs", describe(subject.xattrs),
           describe(reference.xattrs));
  }
  return text;
}

std::string Comparer::shortcomings(const Entry& entry) const {
  std::string text;
  if (entry.twice != 0) text += "a name is listed twice; ";
  if (!entry.type_agrees) text += "d_type is not the type; ";
  if (demands_.d_ino_is_st_ino && !entry.ino_agrees) {
    text += "d_ino is not st_ino; ";
  }
  if (demands_.dir_nlink_counts && entry.stat.is_dir() &&
      entry.stat.nlink != entry.subdirs + 2) {
    text += "nlink " + std::to_string(entry.stat.nlink) + " with " +
            std::to_string(entry.subdirs) + " subdirectories; ";
  }
  return text;
}

std::optional<std::string> Comparer::compare(const Outcome& subject,
                                             const Outcome& reference) {
  std::string text;
  differ(text, "result", describe(subject), describe(reference));
  differ(text, "answer", subject.detail, reference.detail);
  if (subject.stat && reference.stat) {
    Identity unrelated;
    const std::string stat =
        differences(*subject.stat, *reference.stat,
                    demands_.numbers_live_on ? identity_ : unrelated);
    text += (text.empty() || stat.empty() ? "" : ", ") + stat;
    if (reference.times_matter) {
      differ(text, "atime", stamp(subject.stat->atime, subject.stat->atime_ns),
             stamp(reference.stat->atime, reference.stat->atime_ns));
    }
  }
  if (text.empty()) return std::nullopt;
  return text;
}

std::optional<std::string> Comparer::compare_trees(const Snapshot& subject,
                                                   const Snapshot& reference,
                                                   Identity& identity) const {
  constexpr int kEnough = 8;
  std::string text;
  int count = 0;
  const auto add = [&](const std::string& path, const std::string& what) {
    if (what.empty() || ++count > kEnough) return;
    text += "  /" + escape(path) + ": " + what + "\n";
  };
  std::size_t s = 0;
  std::size_t r = 0;
  while (s < subject.size() || r < reference.size()) {
    // Both are in the order of a walk; a name missing in one is skipped.
    const bool both = s < subject.size() && r < reference.size();
    if (both && subject[s].path == reference[r].path) {
      add(subject[s].path, differences(subject[s], reference[r], identity));
      add(subject[s].path, shortcomings(subject[s]));
      ++s, ++r;
      continue;
    }
    const auto later = [](const Snapshot& tree, std::size_t from,
                          const std::string& path) {
      for (; from < tree.size(); ++from) {
        if (tree[from].path == path) return true;
      }
      return false;
    };
    if (r >= reference.size() ||
        (s < subject.size() && !later(reference, r, subject[s].path))) {
      add(subject[s].path, "exists, but should not");
      ++s;
    } else {
      add(reference[r].path, "is missing");
      ++r;
    }
  }
  if (count == 0) return std::nullopt;
  if (count > kEnough) {
    text += "  and " + std::to_string(count - kEnough) + " more\n";
  }
  return "the trees differ:\n" + text;
}

std::optional<std::string> Comparer::compare(const Snapshot& subject,
                                             const Snapshot& reference) {
  // Where numbers are used again, only those of one moment can be related.
  if (!demands_.numbers_live_on) identity_.forget();
  auto difference = compare_trees(subject, reference, identity_);
  if (!demands_.numbers_live_on) identity_.forget();
  return difference;
}

std::optional<std::string> Comparer::compare_again(
    const Snapshot& now, const Snapshot& before) const {
  // No stamp is the run's own then: all must have survived as they were.
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max() / 2;
  const Comparer exact(demands_,
                       demands_.times_survive_remount ? kNever : start_);
  Identity fresh;
  auto difference = exact.compare_trees(now, before, fresh);
  if (difference) return difference;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (!demands_.numbers_survive_remount) break;
    const bool linked = !now[i].stat.is_dir() && now[i].stat.nlink > 1;
    if (linked && !demands_.link_numbers_survive_remount) continue;
    const std::uint64_t a = now[i].stat.ino;
    const std::uint64_t b = before[i].stat.ino;
    if ((a > b ? a - b : b - a) <= demands_.numbers_drift) continue;
    return "st_ino of /" + escape(now[i].path) + " is now another one";
  }
  return std::nullopt;
}

}  // namespace veneer::testing::differential
