// SPDX-License-Identifier: MIT
//
// veneer composefs mount: an image, served by us or by the kernel.

#include <linux/capability.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/help.h"
#include "cli/serve.h"
#include "cli/tools.h"
#include "session/image_mount.h"
#include "session/plan.h"
#include "sys/credentials.h"

namespace veneer::cli {
namespace {

constexpr char kUsageLine[] =
    "veneer composefs mount [OPTION]... IMAGE MOUNTPOINT";

constexpr char kDescription[] =
    "Shows an image at MOUNTPOINT, read-only or with an upper on top. Served "
    "by "
    "Veneer, for any user (fuse); or below the kernel's own overlay, which "
    "reads "
    "content from the objects directly (kernel): for root with the metadata "
    "from "
    "the kernel's EROFS, in a user namespace with the metadata from a server "
    "of "
    "Veneer's.";

constexpr char kExamples[] = R"(show an image

Examples:
  veneer composefs mount --objects store app.cfs /mnt/app
  veneer composefs mount --objects store --upper u --work w app.cfs /mnt/app
  veneer composefs mount --driver fuse --objects store --verity on app.cfs m
  unshare -Urm veneer composefs mount --objects store app.cfs m
  veneer umount /mnt/app)";

struct Arguments {
  std::string image;
  std::string driver = "auto";
  std::string verity = "off";
  session::Config config;
  Server server;
};

// The choices stand in the type's name already.
CLI::Validator one_of(std::vector<std::string> words) {
  CLI::IsMember check(std::move(words));
  check.description("");
  return check;
}

kernel::OverlayVerity kernel_verity(const std::string& word) {
  if (word == "off") return kernel::OverlayVerity::kOff;
  return word == "on" ? kernel::OverlayVerity::kTry
                      : kernel::OverlayVerity::kRequire;
}

composefs::Verify own_verity(const std::string& word) {
  if (word == "off") return composefs::Verify::kOff;
  return word == "on" ? composefs::Verify::kOn : composefs::Verify::kRequire;
}

int serve_by_fuse(const Arguments& arguments) {
  session::Config config = arguments.config;
  config.lowers = {
      stack::to_text({stack::LowerKind::kComposefs, arguments.image})};
  config.read_only = config.upper.empty();
  config.stores.verify = own_verity(arguments.verity);
  return serve(config, arguments.server);
}

int serve_by_kernel(const Arguments& arguments) {
  const session::Config& config = arguments.config;
  session::ImageMountOptions options{
      .image = session::to_absolute(arguments.image),
      .objects = config.stores.objects,
      .mount_point = session::to_absolute(config.mount_point),
      .upper = config.upper,
      .work = config.work,
      .verity = kernel_verity(arguments.verity),
      .digest = config.stores.digest};
  return serve(arguments.server, [&]() -> Result<Wait> {
    TRY_ASSIGN(auto started, session::ImageMount::start(options));
    const auto mount = std::shared_ptr(std::move(started));
    return Wait([mount] { return mount->wait(); });
  });
}

int mount(const Arguments& arguments) {
  const session::Config& config = arguments.config;
  if (config.upper.empty() != config.work.empty()) {
    return complain_usage("--upper and --work go together",
                          "veneer composefs mount");
  }
  // The kernel cannot check a digest where files have no fs-verity; we can.
  const bool may_use_kernel = sys::have_capability(CAP_SYS_ADMIN) &&
                              arguments.verity == "off" &&
                              !config.stores.objects.empty();
  const bool by_kernel = arguments.driver == "kernel" ||
                         (arguments.driver == "auto" && may_use_kernel);
  return by_kernel ? serve_by_kernel(arguments) : serve_by_fuse(arguments);
}

}  // namespace

void add_composefs_mount(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("mount", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kUsageLine));
  command->footer(kExamples);
  command->add_option("IMAGE", arguments->image, "A composefs or EROFS image.")
      ->required()
      ->type_name("");
  command
      ->add_option("MOUNTPOINT", arguments->config.mount_point,
                   "Where the tree appears: an existing directory.")
      ->required()
      ->type_name("");
  command
      ->add_option("--objects", arguments->config.stores.objects,
                   "Where the content of files is. Several are searched in "
                   "this order.")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command
      ->add_option("--upper", arguments->config.upper,
                   "Where changes go. Default: the mount is read-only.")
      ->type_name("DIR");
  command
      ->add_option("--work", arguments->config.work,
                   "Where changes are prepared, beside the upper.")
      ->type_name("DIR");
  command
      ->add_option("--driver", arguments->driver,
                   "auto (the default: the kernel's overlay where it can be "
                   "mounted and nothing is to be verified), fuse or kernel.")
      ->type_name("auto|fuse|kernel")
      ->check(one_of({"auto", "fuse", "kernel"}));
  command
      ->add_option("--verity", arguments->verity,
                   "Whether objects must be what their digests in the image "
                   "say: off (the default), on (where there is a digest) or "
                   "require. The kernel needs fs-verity for it, fuse does not.")
      ->type_name("off|on|require")
      ->check(one_of({"off", "on", "require"}));
  command
      ->add_option("--digest", arguments->config.stores.digest,
                   "The fs-verity digest that the image must have.")
      ->type_name("HEX");
  add_server_options(*command, arguments->server);
  command->callback([arguments, &action] {
    action = [arguments] { return mount(*arguments); };
  });
}

}  // namespace veneer::cli
