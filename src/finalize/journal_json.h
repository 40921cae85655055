// SPDX-License-Identifier: MIT
//
// veneer.journal as text, and back. What is read may be anything. Pure.

#pragma once

#include <string>
#include <string_view>

#include "finalize/journal.h"
#include "veneer/result.h"

namespace veneer::finalize {

struct StoredJournal {
  Journal journal;
  std::string steps_digest;  ///< in hexadecimal; "": there are no steps
};

std::string to_json(const StoredJournal& stored);

/// Fails  EUCLEAN  with how it is corrupt
Result<StoredJournal> journal_from_json(std::string_view text);

}  // namespace veneer::finalize
