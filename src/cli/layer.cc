// SPDX-License-Identifier: MIT
//
// veneer layer: layers in Maelstrom's format, made, stacked and looked into.

#include "cli/layer.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "base/digest.h"
#include "cli/changes_text.h"
#include "cli/help.h"
#include "session/plan.h"

namespace veneer::cli {
namespace {

constexpr char kDescription[] =
    "Layers that are not directories: metadata in a few small files, and the "
    "bytes in a store where each content is kept once. They are made from a "
    "tar, a manifest or a directory, never change, and are stacked at no cost "
    "to those who read them. The format is Maelstrom's LayerFS.";

constexpr char kExamples[] = R"(make, stack, look into and check layers

Examples:
  veneer layer build --out base --blobs store --tar base.tar
  veneer layer build --out app --blobs store --dir ./app
  veneer layer stack --out all --blobs store --lower base --layer app
  veneer layer ls -l all usr/bin
  veneer layer verify --data --blobs store all

veneer layer COMMAND --help says more. See also veneer-layer(1).)";

}  // namespace

void add_layer_name(CLI::App& command, std::string& layer) {
  command.add_option("LAYER", layer, "The layer's directory.")
      ->required()
      ->type_name("");
}

void add_out(CLI::App& command, std::string& out) {
  command
      .add_option("--out", out,
                  "Where the layer goes: a directory that is not there yet, or "
                  "an empty one. It appears when it is whole.")
      ->required()
      ->type_name("DIR");
}

CLI::Option* add_blobs(CLI::App& command, std::string& blobs,
                       const std::string& text) {
  return command.add_option("--blobs", blobs, text)->type_name("STORE");
}

layerfs::OnProgress layer_progress(ProgressReport& report, const char* stage) {
  return [see = report.callback(), stage](std::uint64_t done,
                                          std::uint64_t total) {
    return see({.stage = stage, .done = done, .total = total});
  };
}

Result<layerfs::LayerFs> open_layer(const std::string& name,
                                    const std::string& blobs) {
  return layerfs::LayerFs::from_path(
      session::to_absolute(name),
      blobs.empty() ? std::string() : session::to_absolute(blobs));
}

void note(std::string_view line) { fmt::print(stderr, "veneer: {}\n", line); }

void note_specials(std::uint64_t count, const std::string& first) {
  if (count == 0) return;
  const std::string where =
      first.empty() ? "" : fmt::format(" (the first: {})", show_path(first));
  note(
      fmt::format("{} devices, fifos or sockets are hidden, as a layer cannot "
                  "hold them{}",
                  count, where));
}

nlohmann::json blob_to_json(const layerfs::BlobStore::Blob& blob) {
  return {{"sha256", to_hex(blob.sha256)}, {"size", blob.size}};
}

Result<void> print_all(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    return Error(errno, "write", "standard output");
  }
  return {};
}

void add_layer(CLI::App& app, Action& action) {
  CLI::App* const layer = app.add_subcommand("layer", kDescription);
  layer->formatter(
      std::make_shared<HelpFormatter>("veneer layer COMMAND [OPTION]..."));
  layer->footer(kExamples);
  layer->group(kLayers);
  layer->require_subcommand(0, 1);
  for (const auto add :
       {add_layer_build, add_layer_stack, add_layer_flatten, add_layer_manifest,
        add_layer_ls, add_layer_cat, add_layer_stat, add_layer_mount,
        add_layer_verify, add_layer_missing}) {
    add(*layer, action);
  }
}

}  // namespace veneer::cli
