// SPDX-License-Identifier: MIT

#include "finalize/journal_json.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "finalize/json_path.h"

namespace veneer::finalize {
namespace {

using nlohmann::json;
using Action = Journal::Action;

constexpr int kFormat = 1;
constexpr std::array<std::string_view, 3> kActions = {"commit", "commit-atomic",
                                                      "discard"};
constexpr std::array<std::string_view, 3> kPhases = {"prepared", "staged",
                                                     "applied"};

// For people: "read veneer.journal, which ...: Structure needs cleaning".
Error unclean(const std::string& how) {
  return Error(EUCLEAN, "read", "veneer.journal, which " + how);
}

bool get(const json& object, const char* key, std::string& path) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  const auto read = path_from_json(*found);
  if (!read || read->find('\0') != std::string::npos) return false;
  path = *read;
  return true;
}

bool get(const json& object, const char* key, std::vector<std::string>& paths) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return false;
  for (const json& item : *found) {
    auto path = path_from_json(item);
    if (!path || path->find('\0') != std::string::npos) return false;
    paths.push_back(*std::move(path));
  }
  return true;
}

bool get(const json& object, const char* key, std::uint64_t& number) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return false;
  number = found->get<std::uint64_t>();
  return true;
}

bool get(const json& object, const char* key, std::int64_t& number) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return false;
  number = found->get<std::int64_t>();
  return true;
}

bool get(const json& object, const char* key, bool& is_set) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_boolean()) return false;
  is_set = found->get<bool>();
  return true;
}

template <typename Enum>
bool get(const json& object, const char* key,
         const std::array<std::string_view, 3>& words, Enum& value) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return false;
  const auto at = std::ranges::find(words, found->get<std::string>());
  if (at == words.end()) return false;
  value = static_cast<Enum>(at - words.begin());
  return true;
}

bool is_absolute(const std::string& path) { return path.starts_with('/'); }
bool is_absolute_lower(const std::string& lower) {
  return is_absolute(stack::parse_lower(lower).path);
}

bool is_usable(const Journal& journal) {
  const Directories& dirs = journal.directories;
  return !dirs.lowers.empty() &&
         std::ranges::all_of(dirs.lowers, is_absolute_lower) &&
         is_absolute(dirs.upper) && is_absolute(dirs.work) &&
         (is_absolute(journal.staging) ||
          (journal.staging.empty() && journal.action == Action::kDiscard));
}

}  // namespace

std::string to_json(const StoredJournal& stored) {
  const Journal& journal = stored.journal;
  json lowers = json::array();
  for (const std::string& lower : journal.directories.lowers) {
    lowers.push_back(path_to_json(lower));
  }
  const json object = {
      {"format", kFormat},
      {"action", kActions[static_cast<std::size_t>(journal.action)]},
      {"phase", kPhases[static_cast<std::size_t>(journal.phase)]},
      {"lower", std::move(lowers)},
      {"upper", path_to_json(journal.directories.upper)},
      {"work", path_to_json(journal.directories.work)},
      {"began", journal.directories.began},
      {"staging", path_to_json(journal.staging)},
      {"partial", journal.partial},
      {"new_ino", journal.new_ino},
      {"steps", stored.steps_digest},
  };
  return object.dump(2) + "\n";
}

Result<StoredJournal> journal_from_json(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return unclean("is cut off or no JSON");
  }
  std::int64_t format = 0;
  if (!get(object, "format", format) || format != kFormat) {
    return unclean("has another format");
  }
  StoredJournal stored;
  Journal& journal = stored.journal;
  Directories& dirs = journal.directories;
  const bool complete =
      get(object, "action", kActions, journal.action) &&
      get(object, "phase", kPhases, journal.phase) &&
      get(object, "lower", dirs.lowers) && get(object, "upper", dirs.upper) &&
      get(object, "work", dirs.work) && get(object, "began", dirs.began) &&
      get(object, "staging", journal.staging) &&
      get(object, "partial", journal.partial) &&
      get(object, "new_ino", journal.new_ino) &&
      get(object, "steps", stored.steps_digest);
  const bool has_digest = stored.steps_digest.empty() ||
                          digest_from_hex(stored.steps_digest).has_value();
  if (!complete || !has_digest || !is_usable(journal)) {
    return unclean("lacks something or has it wrong");
  }
  return stored;
}

}  // namespace veneer::finalize
