// SPDX-License-Identifier: MIT
//
// Questions to a person at the terminal. They are asked on standard error and
// answered on standard input; the end of the input is the careful answer.

#pragma once

#include <span>
#include <string_view>

namespace veneer::cli {

/// There is a person to ask: both are terminals.
bool can_ask();

/// "y" and "yes", in any case, are yes; all else is no.
bool ask_yes(std::string_view question);

/// Asks until the answer is one of `words` or the beginning of just one, and
/// returns it; at the end of the input, the first of them.
std::string_view ask_which(std::string_view question,
                           std::span<const std::string_view> words);

/// The pure half: the word that `answer` means; empty if it means none or more
/// than one.
std::string_view match_answer(std::string_view answer,
                              std::span<const std::string_view> words);

}  // namespace veneer::cli
