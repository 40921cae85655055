// SPDX-License-Identifier: MIT

#include "finalize/step_json.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "finalize/json_path.h"
#include "layer/host/overlay_xattrs.h"

namespace veneer::finalize {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 9> kKinds = {
    "stage", "stash", "place",    "make",  "install",
    "link",  "attrs", "whiteout", "settle"};
static_assert(static_cast<std::size_t>(StepKind::kSettle) + 1 == kKinds.size());
// In the order of ChangeKind.
constexpr std::string_view kReasons = "=AMmDRTO";
constexpr long kNanoseconds = 1'000'000'000;

// --- Writing ---

void append_text(std::string& out, const std::string& text) {
  const auto to = std::back_inserter(out);
  if (!is_utf8(text)) {
    out += path_to_json(text).dump();
    return;
  }
  out.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(to, "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

void append_key(std::string& out, std::string_view key) {
  out.append(",\"").append(key).append("\":");
}

void append(std::string& out, std::string_view key, const std::string& text) {
  if (text.empty()) return;
  append_key(out, key);
  append_text(out, text);
}

void append(std::string& out, std::string_view key, std::uint64_t number) {
  if (number == 0) return;
  append_key(out, key);
  fmt::format_to(std::back_inserter(out), "{}", number);
}

void append(std::string& out, std::string_view key, bool is_set) {
  if (!is_set) return;
  append_key(out, key);
  out += "true";
}

void append(std::string& out, std::string_view key, const timespec& time) {
  if (time.tv_sec == 0 && time.tv_nsec == 0) return;
  append_key(out, key);
  fmt::format_to(std::back_inserter(out), "[{},{}]", time.tv_sec, time.tv_nsec);
}

// --- Reading: absent is empty, another type is wrong ---

bool get(const json& object, const char* key, std::string& text) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  const auto read = path_from_json(*found);
  if (read) text = *read;
  return read.has_value();
}

template <std::unsigned_integral T>
bool get(const json& object, const char* key, T& number) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_number_unsigned()) return false;
  const auto read = found->get<std::uint64_t>();
  number = static_cast<T>(read);
  return number == read;
}

bool get(const json& object, const char* key, bool& is_set) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_boolean()) return false;
  is_set = found->get<bool>();
  return true;
}

bool get(const json& object, const char* key, timespec& time) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_array() || found->size() != 2) return false;
  const json& seconds = (*found)[0];
  const json& rest = (*found)[1];
  if (!seconds.is_number_integer() || !rest.is_number_integer()) return false;
  time = {.tv_sec = seconds.get<time_t>(), .tv_nsec = rest.get<long>()};
  return time.tv_nsec >= 0 && time.tv_nsec < kNanoseconds;
}

bool get(const json& object, StepKind& kind) {
  const auto found = object.find("do");
  if (found == object.end() || !found->is_string()) return false;
  const auto at = std::ranges::find(kKinds, found->get<std::string>());
  if (at == kKinds.end()) return false;
  kind = static_cast<StepKind>(at - kKinds.begin());
  return true;
}

bool get(const json& object, ChangeKind& reason) {
  std::string letter;
  if (!get(object, "why", letter) || letter.size() > 1) return false;
  const std::size_t at = letter.empty() ? 0 : kReasons.find(letter);
  if (at == std::string_view::npos) return false;
  reason = static_cast<ChangeKind>(at);
  return true;
}

// A path below a root, or the root: plain names with single slashes between.
bool is_inside(std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view name = path.substr(0, end);
    if (name.empty() || name == "." || name == ".." || name.size() > 255 ||
        name.find('\0') != std::string_view::npos) {
      return false;
    }
    if (end == std::string_view::npos) return true;
    path.remove_prefix(end + 1);
    if (path.empty()) return false;
  }
  return true;
}

// Or a name of the inode index.
bool is_inside_upper(std::string_view path) {
  const bool in_index = path.starts_with(kIndexPrefix);
  if (in_index) path.remove_prefix(kIndexPrefix.size());
  return is_inside(path) &&
         (!in_index || (!path.empty() && path.find('/') == path.npos));
}

bool may_be_done(const Step& step) {
  // Only attributes and marks are the root's to get.
  const bool root_is_fine = step.kind == StepKind::kAttrs ||
                            step.kind == StepKind::kStage ||
                            step.kind == StepKind::kSettle;
  return is_inside(step.path) && is_inside_upper(step.from) &&
         is_inside(step.data_path) && (root_is_fine || !step.path.empty()) &&
         (step.redirect.empty() || layer::is_valid_redirect(step.redirect)) &&
         step.metadata.mode <= 07777;
}

}  // namespace

void append_step(std::string& out, const Step& step) {
  out += R"({"do":")";
  out += kKinds[static_cast<std::size_t>(step.kind)];
  out.push_back('"');
  append(out, "path", step.path);
  append(out, "from", step.from);
  append(out, "data_path", step.data_path);
  append(out, "slot", step.slot);
  append(out, "ino", step.ino);
  append(out, "from_ino", step.from_ino);
  append(out, "mode", std::uint64_t{step.metadata.mode});
  append(out, "uid", std::uint64_t{step.metadata.uid});
  append(out, "gid", std::uint64_t{step.metadata.gid});
  append(out, "atime", step.metadata.atime);
  append(out, "mtime", step.metadata.mtime);
  append(out, "move", step.move);
  append(out, "opaque", step.opaque);
  append(out, "redirect", step.redirect);
  if (step.reason != ChangeKind::kNone) {
    append_key(out, "why");
    out.push_back('"');
    out.push_back(kReasons[static_cast<std::size_t>(step.reason)]);
    out.push_back('"');
  }
  out += "}\n";
}

std::optional<Step> parse_step(std::string_view line) {
  const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  Step step;
  const bool good =
      get(object, step.kind) && get(object, "path", step.path) &&
      get(object, "from", step.from) &&
      get(object, "data_path", step.data_path) &&
      get(object, "slot", step.slot) && get(object, "ino", step.ino) &&
      get(object, "from_ino", step.from_ino) &&
      get(object, "mode", step.metadata.mode) &&
      get(object, "uid", step.metadata.uid) &&
      get(object, "gid", step.metadata.gid) &&
      get(object, "atime", step.metadata.atime) &&
      get(object, "mtime", step.metadata.mtime) &&
      get(object, "move", step.move) && get(object, "opaque", step.opaque) &&
      get(object, "redirect", step.redirect) && get(object, step.reason);
  if (!good || !may_be_done(step)) return std::nullopt;
  return step;
}

}  // namespace veneer::finalize
