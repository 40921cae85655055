// SPDX-License-Identifier: MIT

#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>

#include "sys/terminal.h"

namespace veneer::cli {
namespace {

constexpr int kStandardError = 2;
constexpr std::chrono::milliseconds kPatience{1000};
constexpr std::chrono::milliseconds kInterval{100};
constexpr std::chrono::milliseconds kLineInterval{5000};

volatile std::sig_atomic_t was_interrupted = 0;

void on_interrupt(int /*signal*/) {
  was_interrupted = 1;
  std::signal(SIGINT, SIG_DFL);
}

// If nobody listens, the work goes on all the same.
void put(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::optional<ProgressMode> parse_progress_mode(std::string_view word) {
  constexpr std::array kModes = {std::pair("auto", ProgressMode::kAuto),
                                 std::pair("on", ProgressMode::kOn),
                                 std::pair("off", ProgressMode::kOff),
                                 std::pair("json", ProgressMode::kJson)};
  for (const auto& [name, mode] : kModes) {
    if (word == name) return mode;
  }
  return std::nullopt;
}

std::string draw_bar(const finalize::Progress& progress, int columns) {
  const auto width = static_cast<std::size_t>(std::max(columns, 0));
  if (progress.total == 0) {
    return fmt::format("{}: {}", progress.stage, progress.done)
        .substr(0, width);
  }
  const std::uint64_t done = std::min(progress.done, progress.total);
  const double part =
      static_cast<double>(done) / static_cast<double>(progress.total);
  const std::string head = fmt::format("{:<9}", progress.stage);
  // Down, so that 100% means that all is done.
  const std::string tail = fmt::format("{:>3}%", static_cast<int>(part * 100));
  constexpr std::size_t kFrame = 4;  // " [" and "] "
  constexpr std::size_t kLeast = 5;
  const std::size_t taken = head.size() + tail.size() + kFrame;
  if (width < taken + kLeast) {
    return fmt::format("{} {}", progress.stage, tail).substr(0, width);
  }
  const std::size_t room = std::min<std::size_t>(width - taken, 50);
  const auto filled =
      static_cast<std::size_t>(part * static_cast<double>(room));
  return fmt::format("{} [{}{}] {}", head, std::string(filled, '#'),
                     std::string(room - filled, '.'), tail);
}

ProgressReport::ProgressReport(ProgressMode mode)
    : as_json_(mode == ProgressMode::kJson),
      is_terminal_(sys::is_terminal(kStandardError)),
      is_shown_(mode == ProgressMode::kOn ||
                (mode == ProgressMode::kAuto && is_terminal_)) {
  was_interrupted = 0;
  std::signal(SIGINT, &on_interrupt);
}

ProgressReport::~ProgressReport() {
  std::signal(SIGINT, SIG_DFL);
  if (is_drawn_) put("\r\033[K");
}

finalize::OnProgress ProgressReport::callback() {
  return [this](const finalize::Progress& progress) {
    if (as_json_ || is_shown_) show(progress);
    return was_interrupted == 0;
  };
}

void ProgressReport::show(const finalize::Progress& progress) {
  const auto now = Clock::now();
  const bool is_new_stage = progress.stage != last_stage_;
  const bool is_last = progress.total != 0 && progress.done >= progress.total;
  if (as_json_) {
    if (!is_new_stage && !is_last && now - last_ < kInterval) return;
    put(fmt::format("{{\"stage\":\"{}\",\"done\":{},\"total\":{}}}\n",
                    progress.stage, progress.done, progress.total));
  } else if (is_terminal_) {
    if (now - start_ < kPatience || now - last_ < kInterval) return;
    // The last column stays free: some terminals go to the next line.
    const int columns = sys::terminal_width(kStandardError) - 1;
    put(fmt::format("\r{}\033[K", draw_bar(progress, columns)));
    is_drawn_ = true;
  } else {
    if (now - start_ < kPatience) return;
    if (!is_new_stage && now - last_ < kLineInterval) return;
    put(draw_bar(progress, 79) + "\n");
  }
  last_ = now;
  last_stage_ = progress.stage;
}

}  // namespace veneer::cli
