// SPDX-License-Identifier: MIT
//
// veneer layer stack and flatten: several layers as one.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "cli/changes_text.h"
#include "cli/help.h"
#include "cli/layer.h"
#include "finalize/json_path.h"
#include "session/plan.h"

namespace veneer::cli {
namespace {

constexpr char kStackDescription[] =
    "Puts a layer on top of another, or of a stack, and writes down what one "
    "sees. Neither is changed, and both can be in other stacks. The lower ones "
    "stay where they are, as the result refers to them; one that is replaced "
    "later is noticed.";

constexpr char kStackExamples[] = R"(put a layer on top of another

Examples:
  veneer layer stack --out two --blobs store --lower base --layer app
  veneer layer stack --out three --blobs store --lower two --layer fix

--layer is one that veneer layer build made; --lower is any.)";

constexpr char kFlattenDescription[] =
    "Makes one layer that has what one sees of a stack, and refers to none of "
    "its layers any more. The blobs are the same.";

constexpr char kFlattenExamples[] = R"(make one layer of a stack

Examples:
  veneer layer flatten --out one three)";

struct Arguments {
  std::string out;
  std::string blobs;
  std::string lower;
  std::string layer;
  bool as_json = false;
};

Result<void> print_made(const Arguments& arguments, nlohmann::json report,
                        const std::string& what) {
  if (!arguments.as_json) {
    return print_all(fmt::format("{}: {}\n", show_path(arguments.out), what));
  }
  report["layer"] = finalize::path_to_json(session::to_absolute(arguments.out));
  return print_all(to_text(report));
}

Result<void> stack(const Arguments& arguments) {
  TRY_ASSIGN(const auto lower, open_layer(arguments.lower, arguments.blobs));
  TRY_ASSIGN(const auto bottom, open_layer(arguments.layer, arguments.blobs));
  TRY_ASSIGN(auto builder, layerfs::UpperLayerBuilder::create(
                               session::to_absolute(arguments.out), lower));
  TRY(builder.fill_from_bottom_layer(bottom));
  TRY(std::move(builder).finish());
  const std::uint32_t layers = lower.layer_id() + 2;
  return print_made(arguments, {{"layers", layers}},
                    fmt::format("a stack of {} layers", layers));
}

Result<void> flatten(const Arguments& arguments) {
  TRY_ASSIGN(const auto source, open_layer(arguments.layer, ""));
  TRY_ASSIGN(auto builder, layerfs::BottomLayerBuilder::create(
                               session::to_absolute(arguments.out)));
  std::uint64_t entries = 0;
  {
    ProgressReport progress(ProgressMode::kAuto);
    TRY_ASSIGN(entries, layerfs::flatten(builder, source,
                                         layer_progress(progress, "reading")));
  }
  TRY(std::move(builder).finish());
  return print_made(arguments, {{"entries", entries}},
                    fmt::format("{} entries", entries));
}

}  // namespace

void add_layer_stack(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = layer.add_subcommand("stack", kStackDescription);
  command->formatter(std::make_shared<HelpFormatter>(
      "veneer layer stack --out DIR --blobs STORE\n"
      "         --lower LAYER --layer BOTTOM"));
  command->footer(kStackExamples);
  command->group(kBuilding);
  add_out(*command, arguments->out);
  add_blobs(*command, arguments->blobs, "The store of both.")->required();
  command->add_option("--lower", arguments->lower, "What it is put on.")
      ->required()
      ->type_name("LAYER");
  command->add_option("--layer", arguments->layer, "What is put on top.")
      ->required()
      ->type_name("BOTTOM");
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = stack(*arguments);
      return done ? 0 : complain(done.error());
    };
  });
}

void add_layer_flatten(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      layer.add_subcommand("flatten", kFlattenDescription);
  command->formatter(
      std::make_shared<HelpFormatter>("veneer layer flatten --out DIR LAYER"));
  command->footer(kFlattenExamples);
  command->group(kBuilding);
  add_out(*command, arguments->out);
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  add_layer_name(*command, arguments->layer);
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = flatten(*arguments);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
