// SPDX-License-Identifier: MIT
//
// veneer layer manifest: a manifest of what there is, on standard output.

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "cli/help.h"
#include "cli/layer.h"
#include "layer/host/open_layers.h"
#include "session/plan.h"
#include "sys/terminal.h"

namespace veneer::cli {
namespace {

constexpr int kStandardOutput = 1;

constexpr char kUsageLine[] =
    "veneer layer manifest [OPTION]...\n"
    "         (--dir DIR | --tar FILE | --manifest FILE | LAYER)";

constexpr char kDescription[] =
    "Writes a manifest to standard output: every name with what stands there, "
    "small files with their bytes and large ones with their SHA-256. It is "
    "Maelstrom's format, or with --text one to read and to edit, which says "
    "the same; veneer layer build takes both.";

constexpr char kExamples[] =
    R"(write a manifest of a layer, a directory or a tar

Examples:
  veneer layer manifest --text base | less
  veneer layer manifest --blobs store --dir ./app > app.manifest
  veneer layer manifest --text --manifest app.manifest
  diff <(veneer layer manifest --text a) <(veneer layer manifest --text b)

A manifest names whole contents. Where a layer has parts of one, as of a tar,
they are read, from --blobs.)";

struct Arguments {
  std::string dir;
  std::string tar;
  std::string manifest;
  std::string layer;
  std::string blobs;
  bool refuse_specials = false;
  layerfs::ManifestOptions options;

  [[nodiscard]] int sources() const {
    return !dir.empty() + !tar.empty() + !manifest.empty() + !layer.empty();
  }
};

Result<layerfs::ManifestReport> write_source(
    const Arguments& arguments, const layerfs::ManifestOptions& options) {
  if (!arguments.tar.empty()) {
    return layerfs::write_manifest_of_tar(kStandardOutput, arguments.tar,
                                          options);
  }
  if (!arguments.manifest.empty()) {
    return layerfs::convert_manifest(kStandardOutput, arguments.manifest,
                                     options);
  }
  if (!arguments.dir.empty()) {
    TRY_ASSIGN(const auto source,
               layer::open_host_lower(session::to_absolute(arguments.dir),
                                      /*bottom=*/true));
    return layerfs::write_manifest_of_tree(kStandardOutput, *source,
                                           arguments.dir, options);
  }
  TRY_ASSIGN(const auto source, open_layer(arguments.layer, options.blobs));
  return layerfs::write_manifest(kStandardOutput, source, options);
}

Result<void> write(const Arguments& arguments) {
  layerfs::ManifestOptions options = arguments.options;
  options.scratch = std::filesystem::temp_directory_path().string();
  if (!arguments.blobs.empty()) {
    options.blobs = session::to_absolute(arguments.blobs);
  }
  if (arguments.refuse_specials) options.specials = layerfs::Specials::kRefuse;
  ProgressReport progress(ProgressMode::kAuto);
  options.progress = layer_progress(progress, "reading");
  TRY_ASSIGN(const auto report, write_source(arguments, options));
  note_specials(report.specials, "");
  if (report.not_utf8 > 0) {
    note(fmt::format("{} names are not UTF-8; Maelstrom does not read them",
                     report.not_utf8));
  }
  return {};
}

int write_or_complain(const Arguments& arguments) {
  if (arguments.sources() != 1) {
    return complain_usage(
        fmt::format("{} (name a LAYER, or one of --dir, --tar and --manifest)",
                    arguments.sources() == 0
                        ? "there is nothing to write a manifest of"
                        : "a manifest is of one thing"),
        "veneer layer manifest");
  }
  if (!arguments.options.as_text && sys::is_terminal(kStandardOutput)) {
    return complain_usage(
        "a manifest is nothing to look at on a terminal (add --text, or send "
        "it to a file)",
        "veneer layer manifest");
  }
  const auto done = write(arguments);
  return done ? 0 : complain(done.error());
}

}  // namespace

void add_layer_manifest(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = layer.add_subcommand("manifest", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kUsageLine));
  command->footer(kExamples);
  command->group(kBuilding);
  command->add_flag("--text", arguments->options.as_text, "As text.");
  command->add_option("--dir", arguments->dir, "Of a directory.")
      ->type_name("DIR");
  command
      ->add_option("--tar", arguments->tar,
                   "Of a tar: of the layer that would be built from it.")
      ->type_name("FILE");
  command
      ->add_option("--manifest", arguments->manifest,
                   "Of a manifest, in the other form.")
      ->type_name("FILE");
  add_blobs(*command, arguments->blobs,
            "The store: where blobs of a LAYER are read, and where contents "
            "that have no blob yet are put. Without one they are only named.");
  command
      ->add_option("--inline-limit", arguments->options.inline_limit,
                   "Files up to this size are written into the manifest. Blobs "
                   "of a LAYER stay blobs. Default: 204800.")
      ->type_name("BYTES");
  command->add_flag("--refuse-specials", arguments->refuse_specials,
                    "A device, fifo or socket is an error. Otherwise its name "
                    "is hidden.");
  command->add_option("LAYER", arguments->layer, "Of a layer.")->type_name("");
  command->callback([arguments, &action] {
    action = [arguments] { return write_or_complain(*arguments); };
  });
}

}  // namespace veneer::cli
