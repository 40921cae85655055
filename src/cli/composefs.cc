// SPDX-License-Identifier: MIT
//
// veneer composefs: the parser of its commands.

#include <memory>

#include "cli/help.h"
#include "cli/tools.h"

namespace veneer::cli {
namespace {

constexpr char kUsageLine[] = "veneer composefs COMMAND [OPTION]...";

constexpr char kDescription[] =
    "Makes composefs images, looks into them, and keeps the stores of objects "
    "that they name. An image has the names and attributes of a tree; the "
    "content of its files is in a store, under names that are digests. Images "
    "are the same, byte for byte, as those of mkcomposefs(1).";

constexpr char kFooter[] = R"(
Try it:
  veneer composefs create --objects store /srv/base base.cfs
  veneer composefs ls base.cfs
  veneer composefs verify --objects store base.cfs

veneer composefs COMMAND --help says more. See also veneer-composefs(1).)";

}  // namespace

int run_composefs(int argc, const char* const* argv) {
  CLI::App app(kDescription, "veneer composefs");
  app.formatter(std::make_shared<HelpFormatter>(kUsageLine));
  app.footer(kFooter);
  app.set_help_flag("-h,--help", "Show this text.");
  app.require_subcommand(0, 1);
  Action action;
  for (const auto add :
       {add_composefs_create, add_composefs_dump, add_composefs_ls,
        add_composefs_objects, add_composefs_missing_objects,
        add_composefs_digest, add_composefs_mount, add_composefs_verify,
        add_composefs_gc}) {
    add(app, action);
  }
  return parse_and_act(app, argc, argv, {"veneer", kUsage}, action);
}

}  // namespace veneer::cli
