// SPDX-License-Identifier: MIT
//
// veneer mount. The options are those of session/options.h; here is what only
// the command has: the foreground, a log, and becoming a daemon.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/serve.h"
#include "session/options.h"

namespace veneer::cli {
namespace {

using session::OptionGroup;
using session::OptionSpec;

constexpr char kMountUsage[] =
    "veneer mount --lower DIR [OPTION]... [MOUNTPOINT]\n"
    "       veneer mount -o lowerdir=DIR[:DIR]...[,OPT]... MOUNTPOINT";

constexpr char kDescription[] =
    "Shows one or more lower directories at MOUNTPOINT, merged and writable. "
    "They are never changed: what programs write goes to the upper directory. "
    "With one --lower and nothing else, the upper is DIR.upper, the work "
    "directory DIR.work and the mount point DIR.mountpoint; these are made if "
    "they are missing. Otherwise an overlay without --upper is read-only. "
    "Returns when the mount answers; a daemon serves it until it is unmounted.";

constexpr char kExamples[] = R"(
Examples:
  veneer mount --lower base
      Work in base.mountpoint; the changes gather in base.upper.
  veneer mount --lower patch --lower base --upper mine /mnt/tree
      Two layers, patch on top of base; the changes go to mine (and the work
      directory is mine.work).
  veneer mount --lower base /mnt/tree
      Read-only: there is no upper.
  veneer mount -o lowerdir=base,upperdir=mine,workdir=mine.work /mnt/tree
      The same in the words of mount(8), for scripts and container tools.
  /srv/base  /mnt/tree  fuse.veneer  upperdir=/srv/mine  0  0
      In /etc/fstab.

See also veneer-mount(8).)";

struct MountCommand {
  session::Config config;
  std::vector<std::pair<const OptionSpec*, std::vector<std::string>>> values;
  std::vector<std::string> option_strings;
  Server server;
};

// All words that can follow -o, for --help.
std::string list_words() {
  std::string help = "\nWords after -o:\n";
  std::string same;
  std::string ignored;
  for (const OptionSpec& option : session::option_table()) {
    const std::string word =
        option.value.empty() ? std::string(option.word)
                             : fmt::format("{}={}", option.word, option.value);
    if (option.word.empty()) continue;
    if (option.group == OptionGroup::kIgnored) {
      ignored += fmt::format("{} ", word);
    } else if (!option.flag.empty()) {
      same += fmt::format("{} ", word);
    } else {
      help += fmt::format("  {}\n{}", word, wrap(option.help, 8));
    }
  }
  help += "  As the options above:\n" + wrap(same, 8);
  help += "  Accepted and ignored:\n" + wrap(ignored + "x-*", 8);
  return help;
}

const char* heading(OptionGroup group) {
  return group == OptionGroup::kDirectories ? "Directories" : "Behaviour";
}

void add_table_options(CLI::App& command, MountCommand& mount) {
  const auto table = session::option_table();
  mount.values.reserve(table.size());  // the parser keeps references
  for (const OptionSpec& option : table) {
    if (option.flag.empty()) continue;
    auto& [spec, values] =
        mount.values.emplace_back(&option, std::vector<std::string>());
    const std::string name = fmt::format("--{}", option.flag);
    const std::string help(option.help);
    CLI::Option* added = nullptr;
    if (option.value.empty()) {
      added = command.add_flag_callback(
          name, [&values] { values.emplace_back(); }, help);
    } else {
      added = command.add_option(name, values, help)
                  ->type_name(std::string(option.value))
                  ->allow_extra_args(false);
    }
    added->group(heading(option.group));
  }
}

Result<void> fill_config(MountCommand& mount) {
  for (const auto& [option, values] : mount.values) {
    for (const std::string& value : values) {
      // On the command line a backslash is only a backslash.
      const bool is_dir = option->group == OptionGroup::kDirectories;
      std::string text;
      for (const char c : value) {
        if (is_dir && (c == '\\' || c == ':')) text += '\\';
        text += c;
      }
      TRY(session::apply_option(*option, fmt::format("--{}", option->flag),
                                text, mount.config));
    }
  }
  for (const std::string& text : mount.option_strings) {
    TRY(session::apply_option_string(text, mount.config));
  }
  if (mount.config.lowers.empty()) {
    return session::sentence(EINVAL,
                             "no lower directory was named (--lower DIR, or -o "
                             "lowerdir=DIR)");
  }
  return {};
}

}  // namespace

void add_mount(CLI::App& app, Action& action) {
  auto mount = std::make_shared<MountCommand>();
  CLI::App* const command = app.add_subcommand("mount", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kMountUsage));
  command->footer("mount an overlay" + list_words() + kExamples);
  command->group(kMounting);
  add_table_options(*command, *mount);

  command
      ->add_option("-o", mount->option_strings,
                   "Options as mount(8) has them, separated by commas. "
                   "\\, is a comma and \\: a colon that belongs to a path.")
      ->type_name("OPT,...")
      ->allow_extra_args(false)
      ->group("Behaviour");
  add_server_options(*command, mount->server);
  command->set_help_flag("-h,--help", "Show this text.")->group("Help");
  command
      ->add_option("MOUNTPOINT", mount->config.mount_point,
                   "Where the merged tree appears: an existing directory, "
                   "which may be a lower one. Default: the first lower's "
                   "name with .mountpoint added.")
      ->type_name("")
      ->group("Directories");

  command->callback([mount, &action] {
    action = [mount] {
      if (const auto filled = fill_config(*mount); !filled) {
        return complain_usage(filled.error().message(), "veneer mount");
      }
      return serve(mount->config, mount->server);
    };
  });
}

}  // namespace veneer::cli
