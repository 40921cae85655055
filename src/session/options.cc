// SPDX-License-Identifier: MIT
//
// The rows of the table, and the reading of option strings.

#include "session/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace veneer::session {
namespace {

Error usage(std::string text) { return sentence(EINVAL, std::move(text)); }

template <typename T>
Result<void> parse_number(std::string_view text, T least, T most, T& out) {
  T value{};
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [rest, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || rest != end || !(value >= least) ||
      !(value <= most)) {
    return usage(fmt::format("must be a number from {} to {}, not '{}'", least,
                             most, text));
  }
  out = value;
  return {};
}

// The kind of a layer comes before its path, with a colon of its own.
Result<void> add_lowers(Config& config, std::string_view value) {
  std::string kind;
  for (const std::string& part : split_unescaped(value, ':')) {
    if (kind.empty() && (part == "layerfs" || part == "composefs")) {
      kind = part + ":";
      continue;
    }
    if (part.empty()) {
      return usage(
          "must not have an empty path in it (write \\: for a colon "
          "that belongs to a path; data-only layers are not "
          "supported)");
    }
    config.lowers.push_back(std::exchange(kind, "") + unescape(part));
  }
  if (!kind.empty()) return usage("must have a path after '" + kind + "'");
  return {};
}

Result<void> set_dir(std::string& dir, std::string_view value) {
  if (value.empty()) return usage("must not be empty");
  dir = unescape(value);
  return {};
}

template <auto member, bool value>
Result<void> set_flag(Config& config, std::string_view) {
  config.options.*member = value;
  return {};
}

Result<void> ignore(Config&, std::string_view) { return {}; }

Choice to_choice(std::string_view value) {
  if (value == "auto") return Choice::kAuto;
  return value == "on" ? Choice::kOn : Choice::kOff;
}

using G = OptionGroup;
using View = std::string_view;

constexpr auto kTable = std::to_array<OptionSpec>({
    // --- Directories ---
    {G::kDirectories, "lower", "lowerdir", "DIR",
     "A directory to show and never to change; layerfs:DIR for a LayerFS "
     "layer, "
     "composefs:IMAGE for a composefs or EROFS image. Several make a stack, "
     "the "
     "first on top. After -o, paths are separated by colons.",
     add_lowers},
    {G::kDirectories, "", "lowerdir+", "DIR",
     "One more lower directory below the others; a colon in it is a colon.",
     [](Config& config, View value) -> Result<void> {
       TRY(set_dir(config.lowers.emplace_back(), value));
       return {};
     }},
    {G::kDirectories, "blobs", "blobs", "DIR",
     "Where layerfs: layers have the content of their files.",
     [](Config& config, View value) {
       return set_dir(config.stores.blobs, value);
     }},
    {G::kDirectories, "objects", "objects", "DIR",
     "Where composefs: images have the content of their files. Several are "
     "searched in this order.",
     [](Config& config, View value) {
       return set_dir(config.stores.objects.emplace_back(), value);
     }},
    {G::kDirectories, "verify", "verify", "off|on|require",
     "Check objects of composefs: images by the digest the image has, when "
     "they "
     "are first opened: 'require' refuses those without one. Default: off.",
     [](Config& config, View value) -> Result<void> {
       config.stores.verify = value == "off"  ? composefs::Verify::kOff
                              : value == "on" ? composefs::Verify::kOn
                                              : composefs::Verify::kRequire;
       return {};
     }},
    {G::kDirectories, "upper", "upperdir", "DIR",
     "Where the changes go. Without one the overlay is read-only.",
     [](Config& config, View value) { return set_dir(config.upper, value); }},
    {G::kDirectories, "work", "workdir", "DIR",
     "Where changes are prepared: a directory of its own on the file system of "
     "the upper. Default: the upper's name with .work added, made if missing.",
     [](Config& config, View value) { return set_dir(config.work, value); }},

    // --- Behaviour ---
    {G::kBehaviour, "read-only", "ro", "",
     "Refuse every change, with an upper directory too.",
     [](Config& config, View) -> Result<void> {
       config.read_only = true;
       return {};
     }},
    {G::kBehaviour, "", "rw", "", "Take ro back.",
     [](Config& config, View) -> Result<void> {
       config.read_only = false;
       return {};
     }},
    {G::kBehaviour, "inode-mode", "inode_mode", "layer|virtual|persistent",
     "Inode numbers: those of the layers (the default), counted anew for this "
     "mount, or a hash of the first path that is kept for good.",
     [](Config& config, View value) -> Result<void> {
       using enum overlay::InodeMode;
       config.options.inode_mode = value == "layer"     ? kLayer
                                   : value == "virtual" ? kVirtual
                                                        : kPersistent;
       return {};
     }},
    {G::kBehaviour, "whiteouts", "whiteouts", "auto|kernel|dotwh",
     "How deletions are written: as kernel overlayfs does it, as .wh. files, "
     "or as the upper's file system and what is there already allow (auto, the "
     "default).",
     [](Config& config, View value) -> Result<void> {
       using enum layer::WhiteoutForm;
       config.options.whiteouts = value == "auto"     ? kAuto
                                  : value == "kernel" ? kKernel
                                                      : kDotWh;
       return {};
     }},
    {G::kBehaviour, "io-uring", "io_uring", "auto|on|off",
     "Talk to the kernel through io_uring: where it allows it (auto, the "
     "default), always, or never.",
     [](Config& config, View value) -> Result<void> {
       config.options.io_uring = to_choice(value);
       return {};
     }},
    {G::kBehaviour, "writeback", "writeback", "on|off",
     "Let the kernel gather small writes and send them later. Default: off, so "
     "that a full disk is told to the write(2) that met it.",
     [](Config& config, View value) -> Result<void> {
       config.options.writeback = to_choice(value);
       return {};
     }},
    {G::kBehaviour, "fsync", "fsync", "auto|strict|volatile",
     "What is on disk before a copied-up file appears: its data (auto, the "
     "default), its metadata and directory too, or nothing at all, fsync(2) of "
     "programs included.",
     [](Config& config, View value) -> Result<void> {
       using enum overlay::FsyncPolicy;
       config.options.fsync = value == "auto"     ? kAuto
                              : value == "strict" ? kStrict
                                                  : kVolatile;
       return {};
     }},
    {G::kBehaviour, "", "volatile", "", "The same as fsync=volatile.",
     [](Config& config, View) -> Result<void> {
       config.options.fsync = overlay::FsyncPolicy::kVolatile;
       return {};
     }},
    {G::kBehaviour, "timeout", "timeout", "SECONDS",
     "How long the kernel may remember names and attributes without asking. "
     "Default: for ever, as nobody else changes the layers.",
     [](Config& config, View value) {
       return parse_number(value, 0.0, 1e9, config.options.timeout.emplace());
     }},
    {G::kBehaviour, "threads", "threads", "N",
     "How many threads answer the kernel. Default: by the number of "
     "processors.",
     [](Config& config, View value) {
       return parse_number(value, 1U, 1024U, config.options.threads);
     }},

    // --- The mount ---
    {G::kMount, "", "allow_other", "",
     "Let other users in, as far as permissions allow. Default for root; "
     "others need user_allow_other in /etc/fuse.conf.",
     set_flag<&Options::allow_other, true>},
    {G::kMount, "", "noallow_other", "", "Let nobody else in, root included.",
     set_flag<&Options::allow_other, false>},
    {G::kMount, "", "default_permissions", "",
     "Have the kernel check permissions. Always so; accepted for scripts.",
     ignore},
    {G::kMount, "", "dev", "",
     "Device files work. Default for root; nobody else can have it.",
     set_flag<&Options::dev, true>},
    {G::kMount, "", "nodev", "", "Device files do not work.",
     set_flag<&Options::dev, false>},
    {G::kMount, "", "suid", "",
     "Set-id bits work. Default for root; nobody else can have it.",
     set_flag<&Options::suid, true>},
    {G::kMount, "", "nosuid", "", "Set-id bits do not work.",
     set_flag<&Options::suid, false>},
    {G::kMount, "", "exec", "", "Programs can be run. The default.",
     set_flag<&Options::exec, true>},
    {G::kMount, "", "noexec", "", "No program can be run.",
     set_flag<&Options::exec, false>},
    {G::kMount, "", "fsname", "NAME",
     "The source shown in /proc/mounts. Default: the topmost lower directory.",
     [](Config& config, View value) -> Result<void> {
       config.options.source = unescape(value);
       return {};
     }},

    // --- Words of fstab for others, and those that change nothing here ---
    {G::kIgnored, "", "defaults", "", "", ignore},
    {G::kIgnored, "", "auto", "", "", ignore},
    {G::kIgnored, "", "noauto", "", "", ignore},
    {G::kIgnored, "", "user", "", "", ignore},
    {G::kIgnored, "", "nouser", "", "", ignore},
    {G::kIgnored, "", "users", "", "", ignore},
    {G::kIgnored, "", "nousers", "", "", ignore},
    {G::kIgnored, "", "owner", "", "", ignore},
    {G::kIgnored, "", "group", "", "", ignore},
    {G::kIgnored, "", "nofail", "", "", ignore},
    {G::kIgnored, "", "_netdev", "", "", ignore},
    {G::kIgnored, "", "private", "", "", ignore},
    {G::kIgnored, "", "rprivate", "", "", ignore},
    {G::kIgnored, "", "comment", "TEXT", "", ignore},
    {G::kIgnored, "", "async", "", "", ignore},
    {G::kIgnored, "", "atime", "", "", ignore},
    {G::kIgnored, "", "noatime", "", "", ignore},
    {G::kIgnored, "", "relatime", "", "", ignore},
    {G::kIgnored, "", "norelatime", "", "", ignore},
    {G::kIgnored, "", "strictatime", "", "", ignore},
    {G::kIgnored, "", "nostrictatime", "", "", ignore},
    {G::kIgnored, "", "lazytime", "", "", ignore},
    {G::kIgnored, "", "nolazytime", "", "", ignore},
    {G::kIgnored, "", "diratime", "", "", ignore},
    {G::kIgnored, "", "nodiratime", "", "", ignore},
});

// systemd's and mount(8)'s own.
bool is_private_word(View word) {
  return word.starts_with("x-") || word.starts_with("X-");
}

std::size_t edit_distance(View a, View b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = i;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

const OptionSpec* find_word(View word) {
  const auto* const found = std::ranges::find(kTable, word, &OptionSpec::word);
  return found == kTable.end() ? nullptr : &*found;
}

Error unknown_word(View word) {
  std::vector<View> words;
  for (const OptionSpec& option : kTable) {
    if (!option.word.empty()) words.push_back(option.word);
  }
  const View nearest = find_nearest(word, words);
  return usage(
      nearest.empty()
          ? fmt::format("unknown option '{}' after -o (veneer mount --help "
                        "lists all)",
                        word)
          : fmt::format("unknown option '{}' after -o (did you mean '{}'?)",
                        word, nearest));
}

Result<void> apply_word(View text, Config& config) {
  const std::size_t equals = text.find('=');
  const View word = text.substr(0, equals);
  if (is_private_word(word)) return {};
  const OptionSpec* const option = find_word(word);
  if (option == nullptr) return unknown_word(word);
  if (option->value.empty() != (equals == View::npos)) {
    return usage(option->value.empty()
                     ? fmt::format("option '{}' takes no value", word)
                     : fmt::format("option '{0}' needs a value: {0}={1}", word,
                                   option->value));
  }
  return apply_option(*option, word,
                      equals == View::npos ? View() : text.substr(equals + 1),
                      config);
}

}  // namespace

std::span<const OptionSpec> option_table() { return kTable; }

Result<void> apply_option(const OptionSpec& option, View shown, View value,
                          Config& config) {
  if (option.value.find('|') != View::npos) {
    const std::vector<std::string> choices = split_unescaped(option.value, '|');
    if (std::ranges::find(choices, value) == choices.end()) {
      return usage(fmt::format("{} must be {}, not '{}'", shown,
                               fmt::join(choices, " or "), value));
    }
  }
  config.given.emplace(option.flag.empty() ? option.word : option.flag);
  const auto applied = option.apply(config, value);
  if (applied) return {};
  return usage(fmt::format("{} {}", shown, applied.error().message()));
}

Result<void> apply_option_string(View text, Config& config) {
  for (const std::string& part : split_unescaped(text, ',')) {
    if (!part.empty()) TRY(apply_word(part, config));
  }
  return {};
}

View find_nearest(View word, std::span<const View> known) {
  View nearest;
  std::size_t least = word.size() / 3 + 2;  // farther is no slip
  for (const View candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::vector<std::string> split_unescaped(View text, char separator) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == separator) {
      parts.emplace_back();
      continue;
    }
    parts.back() += text[i];
    if (text[i] == '\\' && i + 1 < text.size()) parts.back() += text[++i];
  }
  return parts;
}

std::string unescape(View text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    result += text[i];
  }
  return result;
}

}  // namespace veneer::session
