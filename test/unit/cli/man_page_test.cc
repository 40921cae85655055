// SPDX-License-Identifier: MIT
//
// veneer-mount(8) says what the table of options says, word for word.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session/options.h"

namespace veneer::session {
namespace {

struct Item {
  std::string tag;  // "--fsync auto|strict|volatile", "rw"
  std::string text;
};

std::string replaced(std::string text, std::string_view from,
                     std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// The text of a line of mdoc(7), without its macros.
std::string plain(std::string line) {
  if (line.starts_with("\\&")) line.erase(0, 2);
  return replaced(std::move(line), "\\e", "\\");
}

// ".It Fl -fsync Ar auto Ns | Ns Ar strict" as "--fsync auto|strict".
std::string tag_of(const std::string& line) {
  // A space, so that the macros behind it are seen, but one that goes.
  std::string tag = replaced(line, " Ns ", "\x01 ");
  for (const std::string macro : {".It", ".Pq", " Cm", " Ar"}) {
    tag = replaced(std::move(tag), macro + " ", " ");
  }
  tag = replaced(std::move(tag), "\x01 ", "");
  return replaced(tag.substr(tag.find_first_not_of(' ')), "Fl -", "--");
}

// The items of the lists on the page, in order.
std::vector<Item> read_items() {
  std::ifstream page(VENEER_SOURCE_DIR "/man/veneer-mount.8");
  std::vector<Item> items;
  bool in_list = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with(".Bl ") || line.starts_with(".El")) {
      in_list = line.starts_with(".Bl -tag -width indent");
    } else if (!in_list) {
      continue;
    } else if (line.starts_with(".It ")) {
      items.push_back({tag_of(line), ""});
    } else if (line.starts_with(".Pq Cm ") && items.back().text.empty()) {
      items.back().tag += " / " + tag_of(line);
    } else {
      std::string& text = items.back().text;
      text += (text.empty() ? "" : " ") + plain(line);
    }
  }
  return items;
}

// As the page should show an option.
std::string expected_tag(const OptionSpec& option) {
  const std::string value(option.value);
  std::string word(option.word);
  if (!value.empty()) word += "=" + value;
  if (option.flag.empty()) return word;
  std::string tag = "--" + std::string(option.flag);
  if (!value.empty()) tag += " " + value;
  return tag + " / " + word;
}

std::map<std::string, std::string> page_by_tag() {
  std::map<std::string, std::string> page;
  for (const Item& item : read_items()) {
    EXPECT_TRUE(page.emplace(item.tag, item.text).second)
        << item.tag << " is on the page twice";
  }
  return page;
}

TEST(ManPage, ExplainsEachOptionAsHelpDoes) {
  const auto page = page_by_tag();

  for (const OptionSpec& option : option_table()) {
    const auto found = page.find(expected_tag(option));
    ASSERT_NE(found, page.end()) << expected_tag(option) << " is missing";
    EXPECT_EQ(found->second, option.help) << expected_tag(option);
  }
}

TEST(ManPage, HasNoOptionThatDoesNotExist) {
  auto page = page_by_tag();

  for (const OptionSpec& option : option_table()) {
    page.erase(expected_tag(option));
  }

  // What only the command has, and the words of others.
  for (const char* const own :
       {"Fl f , --foreground", "--log file", "Fl o opt,...", "x-*"}) {
    EXPECT_EQ(page.erase(own), 1U) << own;
  }
  for (const auto& [tag, text] : page) ADD_FAILURE() << tag << ": " << text;
}

}  // namespace
}  // namespace veneer::session
