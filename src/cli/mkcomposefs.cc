// SPDX-License-Identifier: MIT
//
// mkcomposefs: the options of composefs' own program of that name, and what it
// prints.

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "base/digest.h"
#include "cli/help.h"
#include "cli/image_making.h"
#include "cli/tools.h"
#include "sys/terminal.h"

namespace veneer::cli {
namespace {

constexpr Voice kVoice = {"mkcomposefs", kFailure};
constexpr int kStandardOutput = 1;

constexpr char kUsageLine[] = "mkcomposefs [OPTION]... SOURCE IMAGE";
constexpr char kDescription[] =
    "Makes a composefs image of the directory SOURCE, or with --from-file of a "
    "dump. The image is the same, byte for byte, as that of composefs' own "
    "program of this name.";

struct Arguments {
  ImageRequest request;
  bool from_file = false;
  bool print_digest = false;
  bool digest_only = false;
  std::optional<unsigned> min_version;
  std::optional<unsigned> max_version;
};

void add_options(CLI::App& app, Arguments& arguments) {
  composefs::SourceOptions& options = arguments.request.options;
  app.add_option("--digest-store", arguments.request.objects,
                 "Put the content of files into this store, unless it is there "
                 "already.")
      ->type_name("PATH");
  app.add_flag("--use-epoch", options.use_epoch, "Make all times 0.");
  app.add_flag("--skip-devices", options.skip_devices, "Leave devices out.");
  app.add_flag("--skip-xattrs", options.skip_xattrs, "Leave xattrs out.");
  app.add_flag("--user-xattrs", options.user_xattrs,
               "Leave all xattrs out but user.*.");
  app.add_flag("--hardlinks", options.hardlinks,
               "Keep hard links; else each name is a file of its own.");
  app.add_flag("--print-digest", arguments.print_digest,
               "Print the digest of the image.");
  app.add_flag("--print-digest-only", arguments.digest_only,
               "Print the digest, and make no image.");
  app.add_flag("--from-file", arguments.from_file,
               "SOURCE is a dump; - is standard input.");
  app.add_option("--min-version", arguments.min_version,
                 "The version of the image. Default: 0.")
      ->type_name("N");
  app.add_option("--max-version", arguments.max_version,
                 "Up to which it may rise if that helps. Default: 1.")
      ->type_name("N");
  app.add_option("--threads", options.threads,
                 "How many threads compute digests. Default: one for each "
                 "processor.")
      ->type_name("N");
  app.add_option("SOURCE", arguments.request.source, "What goes in.")
      ->required()
      ->type_name("");
  app.add_option("IMAGE", arguments.request.image,
                 "Where the image goes; - is standard output.")
      ->type_name("");
}

// "" if the options go together.
std::string refuse(const Arguments& arguments) {
  const composefs::SourceOptions& options = arguments.request.options;
  const std::string& image = arguments.request.image;
  if (options.skip_xattrs && options.user_xattrs) {
    return "--skip-xattrs and --user-xattrs do not go together";
  }
  if (arguments.digest_only && !image.empty()) {
    return "with --print-digest-only there is no IMAGE";
  }
  if (!arguments.digest_only && image.empty()) return "no IMAGE is named";
  if (image == "-" && sys::is_terminal(kStandardOutput)) {
    return "an image is nothing to look at on a terminal";
  }
  return "";
}

int make(Arguments& arguments) {
  if (const std::string why = refuse(arguments); !why.empty()) {
    return complain_as(kVoice, why);
  }
  ImageRequest& request = arguments.request;
  if (arguments.min_version || arguments.max_version) {
    request.versions = {arguments.min_version.value_or(0),
                        arguments.max_version.value_or(0)};
  }
  if (arguments.from_file) {
    request.from = ImageSource::kDump;
    request.is_strict = std::getenv("CFS_PARSE_STRICT") != nullptr;
    // A dump has no content to store.
    request.objects.clear();
  }
  const auto made = make_image(std::move(request));
  if (!made) return complain_as(kVoice, made.error().message());
  if (arguments.print_digest || arguments.digest_only) {
    fmt::print("{}\n", to_hex(made->image.digest));
  }
  return 0;
}

}  // namespace

int run_mkcomposefs(int argc, const char* const* argv) {
  Arguments arguments;
  Action action;
  CLI::App app(kDescription, "mkcomposefs");
  app.formatter(std::make_shared<HelpFormatter>(kUsageLine));
  app.set_help_flag("-h,--help", "Show this text.");
  add_options(app, arguments);
  app.callback([&] { action = [&] { return make(arguments); }; });
  return parse_and_act(app, argc, argv, kVoice, action);
}

}  // namespace veneer::cli
