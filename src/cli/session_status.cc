// SPDX-License-Identifier: MIT

#include "cli/session_status.h"

#include <fmt/format.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

#include "cli/changes_text.h"
#include "finalize/json_path.h"
#include "session/finish.h"

namespace veneer::cli {
namespace {

using nlohmann::json;

struct Report {
  std::string state;  // "unmounted", "killed" or "interrupted"
  std::string interrupted;
  std::optional<finalize::Summary> summary;
  std::string problem;  // why there is no summary
};

Report examine(const session::FoundSession& session) {
  Report report;
  report.interrupted = session::interrupted_action(session);
  report.state =
      session.state == session::SessionState::kKilled ? "killed" : "unmounted";
  if (!report.interrupted.empty()) report.state = "interrupted";
  const auto changes = session::list_changes(session, {});
  if (changes) {
    report.summary = finalize::summarize(*changes);
  } else {
    report.problem = changes.error().message();
  }
  return report;
}

json describe(const session::FoundSession& session, const Report& report) {
  const session::Manifest& manifest = session.manifest;
  json lowers = json::array();
  for (const std::string& lower : manifest.lowers) {
    lowers.push_back(finalize::path_to_json(lower));
  }
  json result = {
      {"state", report.state},
      {"mount_point", finalize::path_to_json(manifest.mount_point)},
      {"began", manifest.began},
      {"layers",
       {{"lower", std::move(lowers)},
        {"upper", finalize::path_to_json(manifest.upper)},
        {"work", finalize::path_to_json(manifest.work)}}},
      {"interrupted", nullptr},
      {"changes", nullptr},
      {"problem", nullptr},
  };
  if (!report.interrupted.empty()) result["interrupted"] = report.interrupted;
  if (report.summary) result["changes"] = summary_to_json(*report.summary);
  if (!report.problem.empty()) result["problem"] = report.problem;
  return result;
}

std::string show_time(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm local{};
  char text[32];
  if (seconds == 0 || localtime_r(&time, &local) == nullptr ||
      std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0) {
    return "unknown";
  }
  return text;
}

std::string explain(const session::FoundSession& session,
                    const Report& report) {
  const std::string upper = show_path(session.manifest.upper);
  if (!report.interrupted.empty()) {
    return fmt::format("a {} was interrupted (veneer recover {} ends it)",
                       report.interrupted, upper);
  }
  if (report.state == "killed") {
    return fmt::format(
        "not mounted: its server was killed (veneer preserve "
        "{} clears the mount point)",
        upper);
  }
  return "not mounted";
}

void print_line(std::string_view name, std::string_view value) {
  fmt::print("  {:<20} {}\n", name, value);
}

void print_text(const session::FoundSession& session, const Report& report) {
  const session::Manifest& manifest = session.manifest;
  fmt::print("{}: {}\n", show_path(manifest.upper), explain(session, report));
  print_line("begun", show_time(manifest.began));
  print_line("last mounted at", show_path(manifest.mount_point));
  fmt::print("layers\n");
  print_line("upper", show_path(manifest.upper));
  print_line("work", show_path(manifest.work));
  for (const std::string& lower : manifest.lowers) {
    print_line("lower", show_path(lower));
  }
  fmt::print("changes\n");
  if (!report.summary) {
    print_line("unknown", report.problem);
    return;
  }
  const json summary = summary_to_json(*report.summary);
  for (const char* const kind : {"added", "content", "metadata", "deleted",
                                 "renamed", "type", "replaced"}) {
    const auto count = summary[kind].get<std::uint64_t>();
    if (count != 0) print_line(kind, std::to_string(count));
  }
  print_line("size", show_size(report.summary->bytes));
  if (report.summary->conflicts != 0) {
    print_line("conflicts", std::to_string(report.summary->conflicts));
  }
}

}  // namespace

int print_session(const session::FoundSession& session, bool as_json) {
  const Report report = examine(session);
  if (as_json) {
    fmt::print("{}", to_text(describe(session, report)));
  } else {
    print_text(session, report);
  }
  return 0;
}

}  // namespace veneer::cli
