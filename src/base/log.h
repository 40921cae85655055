// SPDX-License-Identifier: MIT
//
// Words for the operator, on standard error: "veneer: warning: ...".
//
// Whether a line is wanted is one relaxed load; arguments of an unwanted line
// are evaluated, never formatted. Logging does not throw and does not fail: a
// line that cannot be written is lost. It may be called with any lock held.
//
// Threads: thread-safe.

#pragma once

#include <fmt/core.h>

#include <atomic>
#include <cstdint>

namespace veneer {

enum class LogLevel : std::uint8_t { kOff, kError, kWarning, kInfo, kDebug };

namespace log_internal {
extern constinit std::atomic<LogLevel> level;
void write(LogLevel level, fmt::string_view format,
           fmt::format_args args) noexcept;
}  // namespace log_internal

/// kWarning at start.
inline void set_log_level(LogLevel level) noexcept {
  log_internal::level.store(level, std::memory_order_relaxed);
}
inline LogLevel log_level() noexcept {
  return log_internal::level.load(std::memory_order_relaxed);
}
inline bool is_logged(LogLevel level) noexcept { return level <= log_level(); }

template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (!is_logged(LogLevel::kError)) return;
  log_internal::write(LogLevel::kError, format, fmt::make_format_args(args...));
}

template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (!is_logged(LogLevel::kWarning)) return;
  log_internal::write(LogLevel::kWarning, format,
                      fmt::make_format_args(args...));
}

template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (!is_logged(LogLevel::kInfo)) return;
  log_internal::write(LogLevel::kInfo, format, fmt::make_format_args(args...));
}

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
  if (!is_logged(LogLevel::kDebug)) return;
  log_internal::write(LogLevel::kDebug, format, fmt::make_format_args(args...));
}

}  // namespace veneer
