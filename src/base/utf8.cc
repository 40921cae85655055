// SPDX-License-Identifier: MIT

#include "base/utf8.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace veneer {
namespace {

// Sequences of UTF-8 by their first byte (RFC 3629): what may come second, and
// how many bytes there are. Overlong forms, surrogates and what lies beyond
// Unicode are left out.
struct Form {
  unsigned char first, last;
  unsigned char second_low, second_high;
  std::size_t length;
};
constexpr Form kForms[] = {
    {0x00, 0x7F, 0x00, 0xFF, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
};

// How many bytes the sequence at the start of `bytes` has; 0 if it is none.
std::size_t sequence_length(std::string_view bytes) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(bytes[i]);
  };
  const auto* const form = std::ranges::find_if(kForms, [&](const Form& f) {
    return f.first <= byte(0) && byte(0) <= f.last;
  });
  if (form == std::end(kForms) || bytes.size() < form->length) return 0;
  for (std::size_t i = 1; i < form->length; ++i) {
    const unsigned low = i == 1 ? form->second_low : 0x80;
    const unsigned high = i == 1 ? form->second_high : 0xBF;
    if (byte(i) < low || byte(i) > high) return 0;
  }
  return form->length;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = sequence_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

}  // namespace veneer
