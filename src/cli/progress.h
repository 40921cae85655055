// SPDX-License-Identifier: MIT
//
// Telling how far a command has got, on standard error: a bar on a terminal
// once it has taken a second, JSON lines for programs, or nothing.
//
// Ctrl-C asks the work to stop at the next safe point; a second one ends the
// program at once, which is safe as well, only less polite.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "finalize/commit.h"

namespace veneer::cli {

enum class ProgressMode {
  kAuto,  ///< a bar on a terminal
  kOn,    ///< a bar, and on what is no terminal a line now and then
  kOff,
  kJson,  ///< {"stage": "copying", "done": 3, "total": 12}
};
/// "auto", "on", "off", "json"
std::optional<ProgressMode> parse_progress_mode(std::string_view word);

/// One line of at most `columns` columns, without a newline.
std::string draw_bar(const finalize::Progress& progress, int columns);

/// Lives as long as the work; one at a time.
class ProgressReport {
 public:
  explicit ProgressReport(ProgressMode mode);
  /// Takes the bar off the screen.
  ~ProgressReport();
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;

  /// Valid as long as this object.
  finalize::OnProgress callback();

 private:
  using Clock = std::chrono::steady_clock;

  void show(const finalize::Progress& progress);

  const bool as_json_;
  const bool is_terminal_;
  const bool is_shown_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_{};
  std::string last_stage_;
  bool is_drawn_ = false;
};

}  // namespace veneer::cli
