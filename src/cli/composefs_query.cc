// SPDX-License-Identifier: MIT
//
// veneer composefs dump, ls, objects, missing-objects and digest: what images
// say.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/changes_text.h"
#include "cli/help.h"
#include "cli/image_queries.h"
#include "cli/tools.h"
#include "finalize/json_path.h"

namespace veneer::cli {
namespace {

using nlohmann::json;

constexpr char kLooking[] = "Looking into images";

struct Arguments {
  std::vector<std::string> images;
  std::vector<std::string> filter;
  std::string objects;
  bool as_json = false;
};
using ArgumentsPtr = std::shared_ptr<Arguments>;

struct Query {
  const char* name;
  const char* usage;
  const char* description;
  const char* footer;
  Result<void> (*answer)(const Arguments& arguments);
};

// --- Answers -----------------------------------------------------------------

Result<void> dump(const Arguments& arguments) {
  for (const std::string& image : arguments.images) {
    TRY_ASSIGN(const composefs::TreePtr tree, read_tree_of(image));
    TRY(composefs::write_dump(*tree, arguments.filter, print_text));
  }
  return {};
}

json describe(const composefs::Tree& tree, composefs::NodeIndex index) {
  const composefs::TreeNode& node = tree.node(tree.target(index));
  json result = {{"path", finalize::path_to_json(tree.path(index))},
                 {"mode", node.mode},
                 {"uid", node.uid},
                 {"gid", node.gid},
                 {"size", node.size},
                 {"mtime", node.mtime}};
  if (tree.target(index) != index) {
    result["link_to"] = finalize::path_to_json(tree.path(tree.target(index)));
  }
  if (node.is_symlink()) {
    result["target"] = finalize::path_to_json(std::string(tree.text(node)));
  }
  const std::string payload = tree.payload(node);
  if (!payload.empty()) result["object"] = finalize::path_to_json(payload);
  if (const Digest256* const digest = tree.digest(node)) {
    result["digest"] = to_hex(*digest);
  }
  return result;
}

Result<void> list(const Arguments& arguments) {
  for (const std::string& image : arguments.images) {
    TRY_ASSIGN(const composefs::TreePtr tree, read_tree_of(image));
    if (!arguments.as_json) {
      TRY(write_list(*tree, arguments.filter, print_text));
      continue;
    }
    json all = json::array();
    for (composefs::NodeIndex i = 1; i < tree->size(); ++i) {
      all.push_back(describe(*tree, i));
    }
    TRY(print_text(to_text(all)));
  }
  return {};
}

Result<void> print_paths(const std::vector<std::string>& paths, bool as_json) {
  if (as_json) {
    json all = json::array();
    for (const std::string& path : paths) {
      all.push_back(finalize::path_to_json(path));
    }
    return print_text(to_text(all));
  }
  std::string text;
  for (const std::string& path : paths) text.append(path).append("\n");
  return print_text(text);
}

Result<void> objects(const Arguments& arguments) {
  TRY_ASSIGN(const auto named, objects_of(arguments.images));
  return print_paths(paths_of(named), arguments.as_json);
}

Result<void> missing_objects(const Arguments& arguments) {
  TRY_ASSIGN(const auto named, objects_of(arguments.images));
  TRY_ASSIGN(const auto missing,
             missing_of(paths_of(named), arguments.objects));
  return print_paths(missing, arguments.as_json);
}

Result<void> digest(const Arguments& arguments) {
  json all = json::object();
  for (const std::string& image : arguments.images) {
    TRY_ASSIGN(const Digest256 found, measure_file(image));
    if (arguments.as_json) {
      all[image] = to_hex(found);
    } else {
      TRY(print_text(to_hex(found) + "\n"));
    }
  }
  return arguments.as_json ? print_text(to_text(all)) : Result<void>();
}

// --- Commands ----------------------------------------------------------------

CLI::App* add_query(CLI::App& app, Action& action, const Query& query,
                    const ArgumentsPtr& arguments) {
  CLI::App* const command = app.add_subcommand(query.name, query.description);
  command->formatter(std::make_shared<HelpFormatter>(query.usage));
  command->footer(query.footer);
  command->group(kLooking);
  command->add_option("IMAGE", arguments->images, "The images.")
      ->required()
      ->type_name("");
  command->callback([arguments, &action, answer = query.answer] {
    action = [arguments, answer] {
      const auto done = answer(*arguments);
      return done ? 0 : complain(done.error());
    };
  });
  return command;
}

void add_filter(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--filter", arguments.filter,
                  "Print only what has this name in the root, and what is "
                  "below it; may be repeated.")
      ->type_name("NAME")
      ->allow_extra_args(false);
}

void add_json(CLI::App& command, Arguments& arguments) {
  command.add_flag("--json", arguments.as_json, "As JSON, for scripts.");
}

}  // namespace

void add_composefs_dump(CLI::App& app, Action& action) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = add_query(
      app, action,
      {"dump", "veneer composefs dump [--filter NAME]... IMAGE...",
       "Prints all that an image says as text, a line for each object, from "
       "which the image can be made anew.",
       "print an image as text\n\n"
       "Examples:\n"
       "  veneer composefs dump base.cfs > base.dump",
       dump},
      arguments);
  add_filter(*command, *arguments);
}

void add_composefs_ls(CLI::App& app, Action& action) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = add_query(
      app, action,
      {"ls", "veneer composefs ls [--json] [--filter NAME]... IMAGE...",
       "Prints the names in an image, with the targets of symbolic links and "
       "the objects of files.",
       "list the names in an image\n\n"
       "Examples:\n"
       "  veneer composefs ls --filter etc base.cfs",
       list},
      arguments);
  add_filter(*command, *arguments);
  add_json(*command, *arguments);
}

void add_composefs_objects(CLI::App& app, Action& action) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command =
      add_query(app, action,
                {"objects", "veneer composefs objects [--json] IMAGE...",
                 "Prints the objects that the images name, sorted, each once.",
                 "list the objects that images name\n\n"
                 "Examples:\n"
                 "  veneer composefs objects base.cfs | rsync --files-from=- "
                 "there: store",
                 objects},
                arguments);
  add_json(*command, *arguments);
}

void add_composefs_missing_objects(CLI::App& app, Action& action) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = add_query(
      app, action,
      {"missing-objects",
       "veneer composefs missing-objects --objects DIR [--json] IMAGE...",
       "Prints the objects that the images name and the store does not have.",
       "list the objects that a store lacks\n\n"
       "Examples:\n"
       "  veneer composefs missing-objects --objects store base.cfs",
       missing_objects},
      arguments);
  command->add_option("--objects", arguments->objects, "The store.")
      ->required()
      ->type_name("DIR");
  add_json(*command, *arguments);
}

void add_composefs_digest(CLI::App& app, Action& action) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* const command = add_query(
      app, action,
      {"digest", "veneer composefs digest [--json] IMAGE...",
       "Prints the fs-verity digest of each image, by which it is known. The "
       "kernel's where it has one, else computed.",
       "print the digests of images\n\n"
       "Examples:\n"
       "  veneer composefs digest base.cfs",
       digest},
      arguments);
  add_json(*command, *arguments);
}

}  // namespace veneer::cli
