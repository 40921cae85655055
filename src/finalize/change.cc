// SPDX-License-Identifier: MIT

#include "finalize/change.h"

#include <sys/stat.h>

#include <algorithm>

namespace veneer::finalize {

char letter_of(ChangeKind kind) {
  constexpr char kLetters[] = "=AMmDRTO";
  return kLetters[static_cast<std::size_t>(kind)];
}

bool walk_less(std::string_view a, std::string_view b) {
  const auto rank = [](char c) {
    return c == '/' ? 0 : static_cast<int>(static_cast<unsigned char>(c));
  };
  return std::ranges::lexicographical_compare(a, b, {}, rank, rank);
}

Summary summarize(const Changes& changes) {
  Summary sum;
  for (const Change& change : changes) {
    switch (change.kind) {
      case ChangeKind::kNone:
        break;
      case ChangeKind::kAdded:
        ++sum.added;
        break;
      case ChangeKind::kContent:
        ++sum.content;
        break;
      case ChangeKind::kMetadata:
        ++sum.metadata;
        break;
      case ChangeKind::kDeleted:
        ++sum.deleted;
        break;
      case ChangeKind::kRenamed:
        ++sum.renamed;
        break;
      case ChangeKind::kType:
        ++sum.type;
        break;
      case ChangeKind::kReplaced:
        ++sum.replaced;
        break;
    }
    const bool has_bytes = change.on_upper && S_ISREG(change.attr.mode) &&
                           !change.data_in_base &&
                           (!change.in_base || change.content_differs);
    if (has_bytes) sum.bytes += change.attr.size;
    if (!change.conflict.empty()) ++sum.conflicts;
  }
  return sum;
}

}  // namespace veneer::finalize
