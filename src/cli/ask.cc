// SPDX-License-Identifier: MIT

#include "cli/ask.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#include "sys/terminal.h"

namespace veneer::cli {
namespace {

std::string lower_case(std::string_view text) {
  std::string result;
  for (const char c : text) {
    result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return result;
}

std::optional<std::string> read_answer(std::string_view question) {
  fmt::print(stderr, "{} ", question);
  std::fflush(stderr);
  std::string line;
  if (!std::getline(std::cin, line)) {
    fmt::print(stderr, "\n");
    return std::nullopt;
  }
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  const std::size_t end = line.find_last_not_of(" \t");
  return lower_case(line.substr(begin, end - begin + 1));
}

}  // namespace

bool can_ask() { return sys::is_terminal(0) && sys::is_terminal(2); }

bool ask_yes(std::string_view question) {
  const auto answer = read_answer(fmt::format("{} [y/N]", question));
  return answer && (*answer == "y" || *answer == "yes");
}

std::string_view match_answer(std::string_view answer,
                              std::span<const std::string_view> words) {
  std::string_view found;
  for (const std::string_view word : words) {
    if (word == answer) return word;
    if (answer.empty() || !word.starts_with(answer)) continue;
    if (!found.empty()) return {};
    found = word;
  }
  return found;
}

std::string_view ask_which(std::string_view question,
                           std::span<const std::string_view> words) {
  const std::string whole =
      fmt::format("{} [{}]", question, fmt::join(words, "/"));
  for (;;) {
    const auto answer = read_answer(whole);
    if (!answer) return words.front();
    const std::string_view word = match_answer(*answer, words);
    if (!word.empty()) return word;
  }
}

}  // namespace veneer::cli
