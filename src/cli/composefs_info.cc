// SPDX-License-Identifier: MIT
//
// composefs-info: the commands of composefs' own program of that name, and what
// it prints.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "cli/help.h"
#include "cli/image_queries.h"
#include "cli/tools.h"

namespace veneer::cli {
namespace {

constexpr Voice kVoice = {"composefs-info", kFailure};

constexpr char kUsageLine[] =
    "composefs-info [--basedir=DIR] [--filter=NAME]... COMMAND IMAGE...";
constexpr char kDescription[] =
    "Prints what composefs images say. The commands: ls, the names; dump, all "
    "as text from which the image can be made anew; objects, what files of a "
    "store they name; missing-objects, those that --basedir does not have; "
    "measure-file, the fs-verity digest of any file.";

struct Arguments {
  std::string base;
  std::vector<std::string> filter;
  std::string command;
  std::vector<std::string> files;
};

Result<void> print_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append(line).append("\n");
  return print_text(text);
}

Result<void> print_trees(const Arguments& arguments) {
  for (const std::string& file : arguments.files) {
    TRY_ASSIGN(const composefs::TreePtr tree, read_tree_of(file));
    TRY(arguments.command == "ls"
            ? write_list(*tree, arguments.filter, print_text)
            : composefs::write_dump(*tree, arguments.filter, print_text));
  }
  return {};
}

Result<void> print_objects(const Arguments& arguments) {
  TRY_ASSIGN(const auto objects, objects_of(arguments.files, arguments.filter));
  const std::vector<std::string> paths = paths_of(objects);
  if (arguments.command == "objects") return print_lines(paths);
  TRY_ASSIGN(const auto missing, missing_of(paths, arguments.base));
  return print_lines(missing);
}

Result<void> measure(const Arguments& arguments) {
  for (const std::string& file : arguments.files) {
    TRY_ASSIGN(const Digest256 digest, measure_file(file));
    TRY(print_text(to_hex(digest) + "\n"));
  }
  return {};
}

int answer(const Arguments& arguments) {
  const std::string& command = arguments.command;
  for (const std::string& name : arguments.filter) {
    if (name.find('/') != name.npos) {
      return complain_as(
          kVoice, fmt::format("--filter is a single name, not '{}'", name));
    }
  }
  if (command == "missing-objects" && arguments.base.empty()) {
    return complain_as(kVoice, "missing-objects needs --basedir=DIR");
  }
  Result<void> done;
  if (command == "ls" || command == "dump") {
    done = print_trees(arguments);
  } else if (command == "objects" || command == "missing-objects") {
    done = print_objects(arguments);
  } else if (command == "measure-file") {
    done = measure(arguments);
  } else {
    return complain_as(kVoice, fmt::format("unknown command '{}'", command));
  }
  return done ? 0 : complain_as(kVoice, done.error().message());
}

}  // namespace

int run_composefs_info(int argc, const char* const* argv) {
  Arguments arguments;
  Action action;
  CLI::App app(kDescription, "composefs-info");
  app.formatter(std::make_shared<HelpFormatter>(kUsageLine));
  app.set_help_flag("-h,--help", "Show this text.");
  app.add_option("--basedir", arguments.base, "A store of objects.")
      ->type_name("DIR");
  app.add_option("--filter", arguments.filter,
                 "Print only what has this name in the root, and what is below "
                 "it; may be repeated.")
      ->type_name("NAME")
      ->allow_extra_args(false);
  app.add_option("COMMAND", arguments.command, "One of the above.")
      ->required()
      ->type_name("");
  app.add_option("IMAGE", arguments.files, "The images, or files to measure.")
      ->required()
      ->type_name("");
  app.callback([&] { action = [&] { return answer(arguments); }; });
  return parse_and_act(app, argc, argv, kVoice, action);
}

}  // namespace veneer::cli
