// SPDX-License-Identifier: MIT
//
// veneer layer build: a layer of its own, from whatever there is.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "cli/changes_text.h"
#include "cli/help.h"
#include "cli/layer.h"
#include "finalize/json_path.h"
#include "layer/host/open_layers.h"
#include "session/plan.h"

namespace veneer::cli {
namespace {

using layerfs::BlobStore;
using layerfs::BottomLayerBuilder;
using layerfs::Specials;
using nlohmann::json;

constexpr char kUsageLine[] =
    "veneer layer build --out DIR --blobs STORE\n"
    "         (--tar FILE | --manifest FILE | --dir DIR | --upper DIR) "
    "[OPTION]...";

constexpr char kDescription[] =
    "Makes a layer. Of a tar, the files stay in it: the tar, unpacked if it "
    "was compressed, goes to the store whole. Of a directory, small files go "
    "into the layer and large ones to the store. Owners, extended attributes "
    "and times within a second are not kept, nor are devices, fifos and "
    "sockets: the format has no place for them.";

constexpr char kExamples[] = R"(make a layer

Examples:
  veneer layer build --out base --blobs store --tar base.tar.zst
  veneer layer build --out app --blobs store --dir ./app
  veneer layer build --out fix --blobs store --upper base.upper
  veneer layer build --out m --blobs store --manifest app.manifest
  veneer layer build --json --out base --blobs store --tar base.tar | jq .blob

--json has layer, entries, hidden (devices and the like), and of a tar blob,
with_xattrs and ignored, of a directory blobs and blob_bytes, of a manifest
missing, the blobs that the store does not have.

Nothing is left at --out if it fails.)";

struct Arguments {
  std::string out;
  std::string blobs;
  std::string tar;
  std::string manifest;
  std::string dir;
  std::string upper;
  std::optional<std::uint64_t> inline_limit;
  layerfs::BuildOptions options;
  bool refuse_specials = false;
  bool links = false;
  bool as_json = false;
  std::string progress = "auto";

  [[nodiscard]] int sources() const {
    return static_cast<int>(
        std::ranges::count_if(std::vector{&tar, &manifest, &dir, &upper},
                              [](const auto* text) { return !text->empty(); }));
  }
  [[nodiscard]] Specials specials() const {
    return refuse_specials ? Specials::kRefuse : Specials::kHide;
  }
  [[nodiscard]] BlobStore::How how() const {
    return links ? BlobStore::How::kLink : BlobStore::How::kCopy;
  }
};

Result<json> add_tar(const Arguments& arguments, BottomLayerBuilder& builder,
                     BlobStore& store, ProgressReport& progress) {
  const layerfs::TarOptions options{
      .inline_limit = arguments.inline_limit.value_or(0),
      .specials = arguments.specials(),
      .how = arguments.how(),
      .progress = layer_progress(progress, "reading")};
  TRY_ASSIGN(const auto report,
             layerfs::add_from_tar(builder, store, arguments.tar, options));
  note_specials(report.specials, report.first_special);
  if (report.with_xattrs > 0) {
    note(
        fmt::format("{} members have extended attributes, which a layer does "
                    "not keep",
                    report.with_xattrs));
  }
  return json{{"entries", report.entries},
              {"hidden", report.specials},
              {"ignored", report.ignored},
              {"with_xattrs", report.with_xattrs},
              {"compressed", report.was_compressed},
              {"blob", blob_to_json(report.blob)}};
}

Result<json> add_tree(const Arguments& arguments, BottomLayerBuilder& builder,
                      const std::string& blobs, ProgressReport& progress) {
  const bool as_changes = arguments.dir.empty();
  const std::string& path = as_changes ? arguments.upper : arguments.dir;
  TRY_ASSIGN(const auto source,
             layer::open_host_lower(session::to_absolute(path), !as_changes));
  const layerfs::TreeOptions options{
      .inline_limit =
          arguments.inline_limit.value_or(layerfs::kDefaultInlineLimit),
      .specials = arguments.specials(),
      .as_changes = as_changes,
      .how = arguments.how(),
      .progress = layer_progress(progress, "reading")};
  TRY_ASSIGN(const auto report,
             layerfs::add_from_tree(builder, blobs, *source, path, options));
  note_specials(report.specials, report.first_special);
  return json{{"entries", report.entries},
              {"hidden", report.specials},
              {"blobs", report.blobs},
              {"blob_bytes", report.blob_bytes}};
}

Result<json> add_manifest(const Arguments& arguments,
                          BottomLayerBuilder& builder,
                          ProgressReport& progress) {
  TRY_ASSIGN(const std::uint64_t entries,
             layerfs::add_from_manifest(builder, arguments.manifest,
                                        layer_progress(progress, "reading")));
  return json{{"entries", entries}, {"hidden", 0}};
}

// A manifest may name blobs that are still to come.
Result<void> look_for_blobs(const Arguments& arguments, json& report) {
  TRY_ASSIGN(const auto layer, open_layer(arguments.out, arguments.blobs));
  TRY_ASSIGN(const auto missing, layer.missing_blobs());
  report["missing"] = missing.size();
  if (!missing.empty()) {
    note(fmt::format(
        "{} blobs are not in the store yet (veneer layer missing "
        "--blobs {} {})",
        missing.size(), show_path(arguments.blobs), show_path(arguments.out)));
  }
  return {};
}

Result<json> fill(const Arguments& arguments, BottomLayerBuilder& builder,
                  BlobStore& store) {
  ProgressReport progress(*parse_progress_mode(arguments.progress));
  if (!arguments.tar.empty()) {
    return add_tar(arguments, builder, store, progress);
  }
  if (!arguments.manifest.empty()) {
    return add_manifest(arguments, builder, progress);
  }
  return add_tree(arguments, builder, store.path(), progress);
}

Result<void> build(const Arguments& arguments) {
  const std::string blobs = session::to_absolute(arguments.blobs);
  TRY_ASSIGN(BlobStore store, BlobStore::open(blobs, /*create=*/true));
  TRY_ASSIGN(BottomLayerBuilder builder,
             BottomLayerBuilder::create(session::to_absolute(arguments.out),
                                        arguments.options));
  TRY_ASSIGN(json report, fill(arguments, builder, store));
  TRY(store.publish());
  TRY(std::move(builder).finish());
  if (!arguments.manifest.empty()) TRY(look_for_blobs(arguments, report));
  if (arguments.as_json) {
    report["layer"] =
        finalize::path_to_json(session::to_absolute(arguments.out));
    return print_all(to_text(report));
  }
  std::string line = fmt::format("{}: {} entries", show_path(arguments.out),
                                 report["entries"].get<std::uint64_t>());
  if (report.contains("blob")) {
    line += fmt::format(", {} in sha256:{}",
                        show_size(report["blob"]["size"].get<std::uint64_t>()),
                        report["blob"]["sha256"].get<std::string>());
  } else if (report.contains("blobs")) {
    line += fmt::format(", {} files with {} in the store",
                        report["blobs"].get<std::uint64_t>(),
                        show_size(report["blob_bytes"].get<std::uint64_t>()));
  }
  return print_all(line + "\n");
}

int build_or_complain(const Arguments& arguments) {
  if (arguments.sources() != 1) {
    return complain_usage(
        fmt::format("{} (name one of --tar, --manifest, --dir and --upper)",
                    arguments.sources() == 0
                        ? "there is nothing to make a layer from"
                        : "a layer is made from one thing"),
        "veneer layer build");
  }
  if (!parse_progress_mode(arguments.progress)) {
    return complain_usage(
        fmt::format("--progress must be auto, on, off or json, not '{}'",
                    arguments.progress),
        "veneer layer build");
  }
  const auto done = build(arguments);
  return done ? 0 : complain(done.error());
}

void add_sources(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--tar", arguments.tar,
                  "From a tar, plain or compressed by gzip, bzip2, xz or zstd. "
                  ".wh. names are whiteouts, as in images.")
      ->type_name("FILE");
  command
      .add_option("--manifest", arguments.manifest,
                  "From a manifest, binary or text (veneer layer manifest).")
      ->type_name("FILE");
  command
      .add_option("--dir", arguments.dir,
                  "From a directory, as it looks when it is mounted.")
      ->type_name("DIR");
  command
      .add_option("--upper", arguments.upper,
                  "From the upper of an overlay that is not mounted: its "
                  "changes, with whiteouts and opaque directories in any form.")
      ->type_name("DIR");
}

void add_options(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--inline-limit", arguments.inline_limit,
                  "Files up to this size are kept in the layer. Default: 0 for "
                  "a tar, else 204800.")
      ->type_name("BYTES");
  command
      .add_option("--time", arguments.options.default_time,
                  "The time, in seconds since 1970, of directories that nobody "
                  "described. Default: 0.")
      ->type_name("EPOCH");
  command.add_flag("--link", arguments.links,
                   "Link files into the store instead of copying them, where "
                   "they are on its file system. They must never be written "
                   "again.");
  command.add_flag("--follow-links", arguments.options.follow_symlinks,
                   "What is below a symbolic link of the layer goes where that "
                   "leads. Otherwise it is an error.");
  command.add_flag("--refuse-duplicates", arguments.options.refuse_duplicates,
                   "A name given twice is an error. Otherwise the last wins.");
  command.add_flag("--refuse-specials", arguments.refuse_specials,
                   "A device, fifo or socket is an error. Otherwise its name "
                   "is hidden.");
  command.add_flag("--as-original", arguments.options.as_original,
                   "The very bytes that Maelstrom writes, with its slips.");
  command.add_flag("--json", arguments.as_json, "As JSON, for scripts.");
  command
      .add_option("--progress", arguments.progress,
                  "auto, on, off or json, on standard error.")
      ->type_name("MODE");
}

}  // namespace

void add_layer_build(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = layer.add_subcommand("build", kDescription);
  command->formatter(std::make_shared<HelpFormatter>(kUsageLine));
  command->footer(kExamples);
  command->group(kBuilding);
  add_out(*command, arguments->out);
  add_blobs(*command, arguments->blobs,
            "The store, a directory; made if it is missing.")
      ->required();
  add_sources(*command, *arguments);
  add_options(*command, *arguments);
  command->callback([arguments, &action] {
    action = [arguments] { return build_or_complain(*arguments); };
  });
}

}  // namespace veneer::cli
