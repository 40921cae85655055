// SPDX-License-Identifier: MIT
//
// veneer composefs create

#include <fmt/format.h>

#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/changes_text.h"
#include "cli/help.h"
#include "cli/image_making.h"
#include "cli/progress.h"
#include "cli/tools.h"
#include "sys/terminal.h"

namespace veneer::cli {
namespace {

constexpr int kStandardOutput = 1;
constexpr char kCommand[] = "veneer composefs create";

constexpr char kUsageLine[] =
    "veneer composefs create [OPTION]... SOURCE [IMAGE]";

constexpr char kDescription[] =
    "Makes an image of SOURCE: a directory, a dump, a tar, or another image "
    "(composefs:IMAGE). Files of up to 64 bytes go into the image; with "
    "--objects the content of the others goes into a store, unless it is there "
    "already. The same source always gives the same image. It appears whole or "
    "not at all.";

constexpr char kExamples[] = R"(make an image

Examples:
  veneer composefs create --objects store /srv/base base.cfs
  veneer composefs create --from dump - base.cfs < base.dump
  veneer composefs create --objects store layer.tar.zst layer.cfs
  veneer composefs create --digest-only /srv/base)";

struct Arguments {
  ImageRequest request;
  std::string from;
  std::string transfer = "reflink";
  std::string progress = "auto";
  bool print_digest = false;
  bool digest_only = false;
  bool as_json = false;
};

std::optional<composefs::Transfer> parse_transfer(const std::string& word) {
  if (word == "reflink") return composefs::Transfer::kReflink;
  if (word == "link") return composefs::Transfer::kLink;
  if (word == "copy") return composefs::Transfer::kCopy;
  return std::nullopt;
}

// "" if the arguments make sense.
std::string understand(Arguments& arguments) {
  ImageRequest& request = arguments.request;
  const auto transfer = parse_transfer(arguments.transfer);
  if (!transfer) {
    return fmt::format("--transfer must be reflink, link or copy, not '{}'",
                       arguments.transfer);
  }
  request.options.transfer = *transfer;
  const auto from = arguments.from.empty() ? guess_image_source(request.source)
                                           : parse_image_source(arguments.from);
  if (!from) {
    return fmt::format("--from must be dir, dump, tar or layer, not '{}'",
                       arguments.from);
  }
  request.from = *from;
  const composefs::SourceOptions& options = request.options;
  if (options.skip_xattrs && options.user_xattrs) {
    return "--skip-xattrs and --user-xattrs do not go together";
  }
  if (arguments.digest_only != request.image.empty()) {
    return arguments.digest_only ? "with --digest-only there is no IMAGE"
                                 : "no IMAGE is named";
  }
  if (request.from == ImageSource::kDump && !request.objects.empty()) {
    return "a dump has no content to put into --objects";
  }
  if (request.image == "-" && sys::is_terminal(kStandardOutput)) {
    return "an image is nothing to look at on a terminal";
  }
  return "";
}

void print_report(const Arguments& arguments, const ImageReport& report) {
  const std::string digest = to_hex(report.image.digest);
  if (arguments.as_json) {
    const nlohmann::json json = {{"digest", digest},
                                 {"size", report.image.size},
                                 {"version", report.version},
                                 {"inodes", report.inodes}};
    fmt::print("{}", to_text(json));
  } else if (arguments.print_digest || arguments.digest_only) {
    fmt::print("{}\n", digest);
  }
}

int create(Arguments& arguments) {
  if (const std::string why = understand(arguments); !why.empty()) {
    return complain_usage(why, kCommand);
  }
  const auto mode = parse_progress_mode(arguments.progress);
  if (!mode) {
    return complain_usage(
        fmt::format("--progress must be auto, on, off or json, not '{}'",
                    arguments.progress),
        kCommand);
  }
  ProgressReport progress(*mode);
  arguments.request.options.on_progress =
      [tell = progress.callback()](const Progress& now) {
        return tell({now.stage, now.done, now.total});
      };
  const auto made = make_image(arguments.request);
  if (!made && made.error().code() == ECANCELED) {
    return complain("stopped; there is no image");
  }
  if (!made) return complain(made.error());
  // What goes to standard output is the image.
  if (arguments.request.image != "-") print_report(arguments, *made);
  return 0;
}

void add_source_options(CLI::App& command, Arguments& arguments) {
  composefs::SourceOptions& options = arguments.request.options;
  command
      .add_option("--from", arguments.from,
                  "What SOURCE is. Default: what it looks like.")
      ->type_name("dir|dump|tar|layer");
  command.add_flag("--use-epoch", options.use_epoch, "Make all times 0.");
  command.add_flag("--skip-devices", options.skip_devices,
                   "Leave devices out, and whiteouts.");
  command.add_flag("--skip-xattrs", options.skip_xattrs, "Leave xattrs out.");
  command.add_flag("--user-xattrs", options.user_xattrs,
                   "Leave all xattrs out but user.*.");
  command.add_flag("--hardlinks", options.hardlinks,
                   "Keep hard links; else each name is a file of its own, as "
                   "mkcomposefs does it. Those of a tar are always kept.");
  command.add_flag("--strict", arguments.request.is_strict,
                   "Refuse a dump that is merely odd, too.");
  command
      .add_option("--source-objects", arguments.request.source_objects,
                  "Where the content is, if SOURCE is composefs:IMAGE.")
      ->type_name("DIR");
}

void add_output_options(CLI::App& command, Arguments& arguments) {
  ImageRequest& request = arguments.request;
  command
      .add_option("--objects", request.objects,
                  "The store of objects to fill, made if missing.")
      ->type_name("DIR");
  command
      .add_option("--transfer", arguments.transfer,
                  "How content gets there: by sharing extents where the file "
                  "system can (reflink, the default), as a hard link where the "
                  "file has mode 0644 (link; who changes the file then changes "
                  "the object), or as a copy.")
      ->type_name("reflink|link|copy");
  command
      .add_option("--min-version", request.versions.min,
                  "The version of the image. Default: 0.")
      ->type_name("N");
  command
      .add_option("--max-version", request.versions.max,
                  "Up to which it may rise if something in SOURCE needs it. "
                  "Default: 1.")
      ->type_name("N");
  command
      .add_option("--threads", request.options.threads,
                  "How many to use. Default: one for each processor.")
      ->type_name("N");
  command.add_flag("--print-digest", arguments.print_digest,
                   "Print the fs-verity digest of the image.");
  command.add_flag("--digest-only", arguments.digest_only,
                   "Print the digest, and make no image.");
  command.add_flag("--json", arguments.as_json,
                   "Say what was made as JSON, for scripts.");
  command
      .add_option("--progress", arguments.progress,
                  "How to tell how far it has got, on standard error: a bar "
                  "on a terminal after a second (auto, the default), always, "
                  "never, or as JSON lines with stage, done and total.")
      ->type_name("auto|on|off|json");
}

}  // namespace

void add_composefs_create(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = app.add_subcommand("create", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kUsageLine));
  command->footer(kExamples);
  command->group("Making images");
  add_source_options(*command, *arguments);
  add_output_options(*command, *arguments);
  command
      ->add_option("SOURCE", arguments->request.source,
                   "What goes in; - is standard input, a dump or a tar.")
      ->required()
      ->type_name("");
  command
      ->add_option("IMAGE", arguments->request.image,
                   "Where the image goes; - is standard output.")
      ->type_name("");
  command->callback([arguments, &action] {
    action = [arguments] { return create(*arguments); };
  });
}

}  // namespace veneer::cli
