// SPDX-License-Identifier: MIT

#include "session/status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "finalize/json_path.h"
#include "fuse/library.h"
#include "fuse/session.h"
#include "session/machine.h"

namespace veneer::session {
namespace {

using nlohmann::json;

const char* name_of(ServerKind kind) {
  switch (kind) {
    case ServerKind::kDaemon:
      return "daemon";
    case ServerKind::kForeground:
      return "foreground";
    case ServerKind::kLibrary:
      return "library";
  }
  return "";
}

const char* name_of(overlay::InodeMode mode) {
  switch (mode) {
    case overlay::InodeMode::kLayer:
      return "layer";
    case overlay::InodeMode::kVirtual:
      return "virtual";
    case overlay::InodeMode::kPersistent:
      return "persistent";
  }
  return "";
}

const char* name_of(overlay::FsyncPolicy policy) {
  switch (policy) {
    case overlay::FsyncPolicy::kAuto:
      return "auto";
    case overlay::FsyncPolicy::kStrict:
      return "strict";
    case overlay::FsyncPolicy::kVolatile:
      return "volatile";
  }
  return "";
}

const char* name_of(finalize::Recovered recovered) {
  switch (recovered) {
    case finalize::Recovered::kNothing:
      return "nothing";
    case finalize::Recovered::kFinished:
      return "finished";
    case finalize::Recovered::kTakenBack:
      return "taken back";
  }
  return "";
}

json setting(json value, std::string why) {
  return {{"value", std::move(value)}, {"why", std::move(why)}};
}

class Settings {
 public:
  explicit Settings(const StatusFacts& facts) : facts_(facts) {}

  json all(const overlay::Filesystem& filesystem,
           const fuse::Session* fuse) const {
    const Options& options = facts_.config.options;
    json result = {
        {"writable", setting(!filesystem.read_only(), why_writable())},
        {"inode-mode", setting(name_of(options.inode_mode),
                               asked("inode-mode", "the default"))},
        {"fsync", setting(name_of(options.fsync),
                          asked_any({"fsync", "volatile"}, "the default"))},
        {"allow_other",
         setting(facts_.allow_other,
                 asked_any({"allow_other", "noallow_other"},
                           facts_.allow_other ? "the default for root"
                                              : "the default for users"))},
        {"threads", setting(facts_.threads,
                            asked("threads", "by the number of processors"))},
        {"timeout", options.timeout
                        ? setting(*options.timeout, "asked for")
                        : setting(nullptr,
                                  "for ever: nobody else changes the "
                                  "layers")},
    };
    if (!filesystem.read_only()) add_upper(result);
    if (fuse != nullptr) add_transport(result, *fuse);
    return result;
  }

 private:
  bool is_given(std::string_view flag) const {
    return facts_.config.given.contains(flag);
  }
  std::string asked(std::string_view flag, const char* otherwise) const {
    return is_given(flag) ? "asked for" : otherwise;
  }
  std::string asked_any(std::initializer_list<std::string_view> flags,
                        const char* otherwise) const {
    for (const std::string_view flag : flags) {
      if (is_given(flag)) return "asked for";
    }
    return otherwise;
  }
  std::string why_writable() const {
    return facts_.plan.read_only ? "read-only, as asked for"
                                 : "upper: " + facts_.plan.upper_reason;
  }

  void add_upper(json& result) const {
    const layer::UpperReport& upper = facts_.upper;
    // "whiteouts: kernel form, ...": each reason is of one setting.
    const auto reason_for = [&](std::string_view key) -> std::string {
      for (const std::string& reason : upper.reasons) {
        if (reason.starts_with(key) && reason.substr(key.size(), 2) == ": ") {
          return reason.substr(key.size() + 2);
        }
      }
      return "the file system has what it needs";
    };
    result["whiteouts"] = setting(upper.form, reason_for("whiteouts"));
    result["xattrs"] =
        upper.xattr_namespace.empty()
            ? setting("none", upper.filesystem + " refuses them")
            : setting(upper.xattr_namespace + ".overlay",
                      upper.xattr_namespace == "trusted"
                          ? "this mounter may use trusted attributes"
                          : "trusted attributes are for root");
    result["index"] = setting(upper.index, reason_for("index"));
  }

  void add_transport(json& result, const fuse::Session& fuse) const {
    const bool zero_open =
        fuse.cache().zero_message_open() && fuse.cache().zero_message_opendir();
    result["opens"] = setting(
        zero_open ? "without a message" : "with a message",
        zero_open ? "the kernel agreed" : "the kernel does not support it");
    result["data-path"] = setting(
        "cached", "the page cache of the mount serves reads, for any user");
    result["writeback"] =
        setting(fuse.cache().uses_writeback(),
                asked("writeback",
                      "the default: errors of a full disk are "
                      "told at once"));
    result["io-uring"] = setting(fuse.uses_io_uring(), why_io_uring(fuse));
  }

  std::string why_io_uring(const fuse::Session& fuse) const {
    if (fuse.uses_io_uring()) return asked("io-uring", "the kernel allows it");
    if (facts_.config.options.io_uring == Choice::kOff) return "asked for";
    if (!fuse::library_has_io_uring()) return "not in this build's libfuse";
    if (!is_fuse_io_uring_enabled()) return "switched off in the kernel";
    return "no request has used it yet";
  }

  const StatusFacts& facts_;
};

json describe_layers(const StatusFacts& facts) {
  json lowers = json::array();
  for (const std::string& lower : facts.plan.lowers) {
    lowers.push_back(finalize::path_to_json(lower));
  }
  json result = {
      {"lower", std::move(lowers)}, {"upper", nullptr}, {"work", nullptr}};
  if (!facts.plan.upper.path.empty()) {
    result["upper"] = finalize::path_to_json(facts.plan.upper.path);
  }
  if (!facts.plan.work.path.empty()) {
    result["work"] = finalize::path_to_json(facts.plan.work.path);
  }
  if (!facts.upper.filesystem.empty()) {
    result["upper_filesystem"] = facts.upper.filesystem;
  }
  return result;
}

json count_messages(const fuse::MessageCounts& counts) {
  json result = json::object();
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < fuse::kMessageKinds; ++i) {
    const auto kind = static_cast<fuse::Message>(i);
    const std::uint64_t count = counts.get(kind);
    total += count;
    if (count != 0) result[std::string(fuse::message_name(kind))] = count;
  }
  result["total"] = total;
  return result;
}

json describe_counters(const overlay::Filesystem& filesystem,
                       const fuse::Session* fuse) {
  const overlay::Stats& stats = filesystem.stats();
  const auto read = [](const std::atomic<std::uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  json result = {
      {"copy_ups", read(stats.copy_ups)},
      {"copy_up_bytes", read(stats.copy_up_bytes)},
      {"metadata_copy_ups", read(stats.metadata_copy_ups)},
      {"layer_lookups", read(stats.layer_lookups)},
      {"listings_built", read(stats.listings_built)},
      {"listing_hits", read(stats.listing_hits)},
      {"file_cache_hits", read(stats.file_cache_hits)},
      {"file_cache_misses", read(stats.file_cache_misses)},
      {"bytes_read", read(stats.bytes_read)},
      {"bytes_written", read(stats.bytes_written)},
      {"nodes_in_memory", filesystem.nodes_in_memory()},
  };
  if (fuse != nullptr) result["messages"] = count_messages(fuse->messages());
  return result;
}

}  // namespace

std::string describe_status(const StatusFacts& facts,
                            const overlay::Filesystem& filesystem,
                            const fuse::Session* fuse) {
  const json status = {
      {"state", "mounted"},
      {"mount_point", finalize::path_to_json(facts.plan.mount_point.path)},
      {"server",
       {{"version", VENEER_VERSION},
        {"pid", facts.server.pid},
        {"start_time", facts.server.start_time},
        {"kind", name_of(facts.kind)}}},
      {"layers", describe_layers(facts)},
      {"recovered", name_of(facts.recovered)},
      {"settings", Settings(facts).all(filesystem, fuse)},
      {"counters", describe_counters(filesystem, fuse)},
  };
  return status.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace veneer::session
