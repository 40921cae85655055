// SPDX-License-Identifier: MIT
//
// veneer layer verify and missing: whether a layer is sound, and whole.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/digest.h"
#include "cli/changes_text.h"
#include "cli/help.h"
#include "cli/layer.h"
#include "finalize/json_path.h"

namespace veneer::cli {
namespace {

using nlohmann::json;

constexpr char kVerifyDescription[] =
    "Checks a layer with all that are below it: that every record is in its "
    "bounds and every name leads somewhere, that nothing was changed since it "
    "was made, and, with --blobs, that the blobs are there. Prints what is "
    "wrong, one fault a line. Exit status: 0 if nothing is, else 1.";

constexpr char kVerifyExamples[] = R"(check a layer and all below it

Examples:
  veneer layer verify all
  veneer layer verify --blobs store all          the blobs are there
  veneer layer verify --data --blobs store all   and have their digests
  veneer layer verify --json all | jq '.faults[]')";

constexpr char kMissingDescription[] =
    "Lists the blobs that a layer needs and the store does not have, one "
    "SHA-256 a line, each once.";

constexpr char kMissingExamples[] = R"(list blobs that a layer lacks

Examples:
  veneer layer missing --blobs store all | xargs -I{} cp -n other/{} store/)";

struct Arguments {
  std::string layer;
  std::string blobs;
  bool data = false;
  bool as_json = false;
};

std::string show_fault(const layerfs::Fault& fault) {
  const std::string where =
      fault.offset ? fmt::format("offset {}: ", *fault.offset) : "";
  return fmt::format("{}: {}{}\n", show_path(fault.file), where, fault.what);
}

json fault_to_json(const layerfs::Fault& fault) {
  json value = {{"file", finalize::path_to_json(fault.file)},
                {"what", fault.what}};
  if (fault.offset) value["offset"] = *fault.offset;
  return value;
}

Result<bool> verify(const Arguments& arguments) {
  TRY_ASSIGN(const auto layer, open_layer(arguments.layer, arguments.blobs));
  TRY_ASSIGN(const auto faults, layer.verify({.blobs = !arguments.blobs.empty(),
                                              .data = arguments.data}));
  std::string text;
  json list = json::array();
  for (const layerfs::Fault& fault : faults) {
    text += show_fault(fault);
    list.push_back(fault_to_json(fault));
  }
  if (arguments.as_json) {
    text = to_text({{"sound", faults.empty()}, {"faults", std::move(list)}});
  }
  TRY(print_all(text));
  return faults.empty();
}

int verify_or_complain(const Arguments& arguments) {
  if (arguments.data && arguments.blobs.empty()) {
    return complain_usage("--data needs the blobs (add --blobs STORE)",
                          "veneer layer verify");
  }
  const auto sound = verify(arguments);
  if (!sound) return complain(sound.error());
  return *sound ? 0 : kFailure;
}

Result<void> list_missing(const Arguments& arguments) {
  TRY_ASSIGN(const auto layer, open_layer(arguments.layer, arguments.blobs));
  TRY_ASSIGN(const auto missing, layer.missing_blobs());
  std::string text;
  json list = json::array();
  for (const layerfs::Sha256Digest& digest : missing) {
    text += to_hex(digest) + "\n";
    list.push_back(to_hex(digest));
  }
  return print_all(arguments.as_json ? to_text({{"missing", std::move(list)}})
                                     : text);
}

}  // namespace

void add_layer_verify(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = layer.add_subcommand("verify", kVerifyDescription);
  command->formatter(std::make_shared<HelpFormatter>(
      "veneer layer verify [--data] [--blobs STORE] [--json] LAYER"));
  command->footer(kVerifyExamples);
  command->group(kLooking);
  command->add_flag("--data", arguments->data,
                    "Read the blobs and compare their digests.");
  add_blobs(*command, arguments->blobs, "The store, to look for the blobs.");
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  add_layer_name(*command, arguments->layer);
  command->callback([arguments, &action] {
    action = [arguments] { return verify_or_complain(*arguments); };
  });
}

void add_layer_missing(CLI::App& layer, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      layer.add_subcommand("missing", kMissingDescription);
  command->formatter(std::make_shared<HelpFormatter>(
      "veneer layer missing --blobs STORE [--json] LAYER"));
  command->footer(kMissingExamples);
  command->group(kLooking);
  add_blobs(*command, arguments->blobs, "The store.")->required();
  command->add_flag("--json", arguments->as_json, "As JSON, for scripts.");
  add_layer_name(*command, arguments->layer);
  command->callback([arguments, &action] {
    action = [arguments] {
      const auto done = list_missing(*arguments);
      return done ? 0 : complain(done.error());
    };
  });
}

}  // namespace veneer::cli
