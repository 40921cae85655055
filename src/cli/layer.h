// SPDX-License-Identifier: MIT
//
// The commands of veneer layer, and what they have in common.

#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/commands.h"
#include "cli/progress.h"
#include "veneer/layerfs.h"
#include "veneer/layerfs_import.h"

namespace veneer::cli {

inline constexpr char kBuilding[] = "Making layers";
inline constexpr char kLooking[] = "Looking into them";

void add_layer_build(CLI::App& layer, Action& action);
void add_layer_stack(CLI::App& layer, Action& action);
void add_layer_flatten(CLI::App& layer, Action& action);
void add_layer_manifest(CLI::App& layer, Action& action);
void add_layer_ls(CLI::App& layer, Action& action);
void add_layer_cat(CLI::App& layer, Action& action);
void add_layer_stat(CLI::App& layer, Action& action);
void add_layer_mount(CLI::App& layer, Action& action);
void add_layer_verify(CLI::App& layer, Action& action);
void add_layer_missing(CLI::App& layer, Action& action);

/// The argument LAYER, the options --out and --blobs. `text`: what the blobs
/// are needed for; without one the option is required.
void add_layer_name(CLI::App& command, std::string& layer);
void add_out(CLI::App& command, std::string& out);
CLI::Option* add_blobs(CLI::App& command, std::string& blobs,
                       const std::string& text);

/// `report` in the words of the library. It outlives what is returned.
layerfs::OnProgress layer_progress(ProgressReport& report, const char* stage);

/// Opens the layer a user names; relative paths from where we are.
Result<layerfs::LayerFs> open_layer(const std::string& name,
                                    const std::string& blobs);

/// One line on standard error that is no complaint.
void note(std::string_view line);
/// "3 devices, fifos or sockets are hidden (the first: dev/null)"
void note_specials(std::uint64_t count, const std::string& first);

nlohmann::json blob_to_json(const layerfs::BlobStore::Blob& blob);

/// Writes all of it to standard output.
Result<void> print_all(std::string_view text);

}  // namespace veneer::cli
