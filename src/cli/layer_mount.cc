// SPDX-License-Identifier: MIT
//
// veneer layer mount: a layer, shown read-only. To work in one, name it as a
// lower of an overlay.

#include <memory>

#include "cli/help.h"
#include "cli/layer.h"
#include "cli/serve.h"

namespace veneer::cli {
namespace {

constexpr char kUsageLine[] = "veneer layer mount [OPTION]... LAYER MOUNTPOINT";

constexpr char kDescription[] =
    "Shows a layer, bottom or stacked, at MOUNTPOINT. Nothing is unpacked, and "
    "nothing is read before it is asked for.";

constexpr char kExamples[] = R"(show a layer

Examples:
  veneer layer mount --blobs store all /mnt/all
  veneer mount --lower layerfs:all --blobs store --upper mine /mnt/all
      The same, writable: the changes go to mine.
  veneer umount /mnt/all)";

struct Arguments {
  std::string layer;
  session::Config config;
  Server server;
};

}  // namespace

void add_layer_mount(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("mount", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kUsageLine));
  command->footer(kExamples);
  command->group(kLooking);
  add_layer_name(*command, arguments->layer);
  command
      ->add_option("MOUNTPOINT", arguments->config.mount_point,
                   "Where the layer appears: an existing directory.")
      ->required()
      ->type_name("");
  add_blobs(*command, arguments->config.stores.blobs,
            "Where the content of its files is.");
  add_server_options(*command, arguments->server);
  command->callback([arguments, &action] {
    action = [arguments] {
      arguments->config.lowers = {
          stack::to_text({stack::LowerKind::kLayerfs, arguments->layer})};
      arguments->config.read_only = true;
      return serve(arguments->config, arguments->server);
    };
  });
}

}  // namespace veneer::cli
