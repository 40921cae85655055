// SPDX-License-Identifier: MIT
//
// veneer-composefs(1) has each option that the commands have, and no other.

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "cli/tools.h"

namespace veneer::cli {
namespace {

std::set<std::string> options_on_page() {
  std::ostringstream page;
  page << std::ifstream(VENEER_SOURCE_DIR "/man/veneer-composefs.1").rdbuf();
  const std::string text = page.str();
  // "Fl -json", and behind "Fl n ," the long form alone.
  const std::regex option(R"((?:Fl |, )-([a-z][a-z-]*))");
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), option), end;
       at != end; ++at) {
    found.insert((*at)[1]);
  }
  return found;
}

std::set<std::string> options_of_commands() {
  CLI::App app;
  Action action;
  for (const auto add :
       {add_composefs_create, add_composefs_dump, add_composefs_ls,
        add_composefs_objects, add_composefs_missing_objects,
        add_composefs_digest, add_composefs_mount, add_composefs_verify,
        add_composefs_gc}) {
    add(app, action);
  }
  std::set<std::string> found;
  for (const CLI::App* const command : app.get_subcommands({})) {
    for (const CLI::Option* const option : command->get_options()) {
      const auto& names = option->get_lnames();
      found.insert(names.begin(), names.end());
    }
  }
  found.erase("help");
  return found;
}

TEST(ComposefsManPage, HasEachOptionAndNoOther) {
  std::set<std::string> expected = options_of_commands();
  expected.insert("basedir");  // composefs-info's own
  expected.insert("lower");    // veneer mount's

  EXPECT_EQ(options_on_page(), expected);
}

}  // namespace
}  // namespace veneer::cli
