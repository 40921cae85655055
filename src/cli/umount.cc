// SPDX-License-Identifier: MIT
//
// veneer umount

#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/help.h"
#include "session/unmount.h"

namespace veneer::cli {
namespace {

constexpr char kDescription[] =
    "Unmounts an overlay, and returns when its server has ended: from then on "
    "nobody writes to the upper. A mount whose server was killed is cleared. "
    "A mount point that veneer mount made is removed. The upper and the work "
    "directory stay: mount again, and go on.";

constexpr char kExamples[] = R"(unmount an overlay

Examples:
  veneer umount /mnt/tree
  fuser -vm /mnt/tree        what keeps it busy, if it says so)";

}  // namespace

void add_umount(CLI::App& app, Action& action) {
  auto mount_point = std::make_shared<std::string>();
  CLI::App* const command = app.add_subcommand("umount", kDescription);
  command->formatter(
      std::make_shared<HelpFormatter>("veneer umount MOUNTPOINT"));
  command->footer(kExamples);
  command->group(kMounting);
  command->add_option("MOUNTPOINT", *mount_point, "Where it is mounted.")
      ->required()
      ->type_name("");
  command->callback([mount_point, &action] {
    action = [mount_point] {
      const auto done = session::unmount(*mount_point);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
