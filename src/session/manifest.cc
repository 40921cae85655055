// SPDX-License-Identifier: MIT

#include "session/manifest.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "finalize/journal.h"
#include "finalize/json_path.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::session {
namespace {

using nlohmann::json;

constexpr char kName[] = "veneer.json";
constexpr char kNewName[] = "veneer.json.new";
constexpr int kFormat = 1;
constexpr std::size_t kMostBytes = std::size_t{16} << 20;

Error unclean() { return Error(EUCLEAN, "read veneer.json"); }

bool get(const json& object, const char* key, std::string& out) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  const std::optional<std::string> path = finalize::path_from_json(*found);
  if (path) out = *path;
  return path.has_value();
}

bool get(const json& object, const char* key, bool& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_boolean()) return false;
  out = found->get<bool>();
  return true;
}

template <typename T>
bool get_number(const json& object, const char* key, T& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return false;
  out = found->get<T>();
  return true;
}

bool get(const json& object, const char* key, std::vector<std::string>& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return false;
  for (const json& item : *found) {
    const std::optional<std::string> path = finalize::path_from_json(item);
    if (!path) return false;
    out.push_back(*path);
  }
  return true;
}

constexpr const char* kVerify[] = {"off", "on", "require"};

json to_json(const stack::Stores& stores) {
  json objects = json::array();
  for (const std::string& directory : stores.objects) {
    objects.push_back(finalize::path_to_json(directory));
  }
  return {{"blobs", finalize::path_to_json(stores.blobs)},
          {"objects", std::move(objects)},
          {"verify", kVerify[static_cast<std::size_t>(stores.verify)]}};
}

bool get(const json& object, const char* key, stack::Stores& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) return false;
  std::string verify;
  if (!get(*found, "blobs", out.blobs) ||
      !get(*found, "objects", out.objects) || !get(*found, "verify", verify)) {
    return false;
  }
  const auto* const word = std::ranges::find(kVerify, verify);
  if (word == std::end(kVerify)) return false;
  out.verify = static_cast<composefs::Verify>(word - std::begin(kVerify));
  return true;
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  json lowers = json::array();
  for (const std::string& lower : manifest.lowers) {
    lowers.push_back(finalize::path_to_json(lower));
  }
  const json object = {
      {"format", kFormat},
      {"mounted", manifest.mounted},
      {"pid", manifest.server.pid},
      {"start_time", manifest.server.start_time},
      {"lower", std::move(lowers)},
      {"stores", to_json(manifest.stores)},
      {"upper", finalize::path_to_json(manifest.upper)},
      {"work", finalize::path_to_json(manifest.work)},
      {"mount_point", finalize::path_to_json(manifest.mount_point)},
      {"made_upper", manifest.made_upper},
      {"made_work", manifest.made_work},
      {"made_mount_point", manifest.made_mount_point},
      {"upper_was_empty", manifest.upper_was_empty},
      {"began", manifest.began},
      {"over", manifest.over},
      {"options", manifest.options},
  };
  return object.dump(2) + "\n";
}

Result<Manifest> manifest_from_json(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  int format = 0;
  if (!object.is_object() || !get_number(object, "format", format) ||
      format != kFormat) {
    return unclean();
  }
  Manifest result;
  const bool complete =
      get(object, "mounted", result.mounted) &&
      get_number(object, "pid", result.server.pid) &&
      get_number(object, "start_time", result.server.start_time) &&
      get(object, "lower", result.lowers) &&
      get(object, "upper", result.upper) && get(object, "work", result.work) &&
      get(object, "mount_point", result.mount_point) &&
      get(object, "made_upper", result.made_upper) &&
      get(object, "made_work", result.made_work) &&
      get(object, "made_mount_point", result.made_mount_point) &&
      get(object, "upper_was_empty", result.upper_was_empty) &&
      get(object, "options", result.options);
  if (!complete) return unclean();
  // Older manifests do not have these.
  if (object.contains("began") && !get_number(object, "began", result.began)) {
    return unclean();
  }
  if (object.contains("stores") && !get(object, "stores", result.stores)) {
    return unclean();
  }
  if (object.contains("over") && !get(object, "over", result.over)) {
    return unclean();
  }
  return result;
}

Result<Manifest> read_manifest(int work) {
  TRY_ASSIGN(const sys::UniqueFd file,
             sys::open_at(work, kName, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(file.get()));
  if (attr.size > kMostBytes) return unclean();
  std::string text(static_cast<std::size_t>(attr.size), '\0');
  TRY_ASSIGN(const std::size_t size,
             sys::pread_full(file.get(), text.data(), text.size(), 0));
  text.resize(size);
  return manifest_from_json(text);
}

Result<void> write_manifest(int work, const Manifest& manifest) {
  const std::string text = to_json(manifest);
  TRY_ASSIGN(const sys::UniqueFd file,
             sys::open_at(work, kNewName,
                          O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  TRY(sys::pwrite_full(file.get(), text.data(), text.size(), 0));
  TRY(sys::fdatasync_fd(file.get()));
  return sys::rename_at(work, kNewName, work, kName);
}

bool has_manifest(int work) {
  const auto found = sys::find_at(work, kName);
  return found && found->has_value();
}

Result<void> remove_manifest(int work) {
  for (const char* const name : {kNewName, kName}) {
    const auto gone = sys::unlink_at(work, name);
    if (!gone && gone.error().code() != ENOENT) return gone.error();
  }
  return {};
}

bool is_work_entry(std::string_view name) {
  return name == "work" || name == "index" || is_manifest(name) ||
         finalize::is_journal_entry(name);
}

bool is_manifest(std::string_view name) {
  return name == kName || name == kNewName;
}

}  // namespace veneer::session
