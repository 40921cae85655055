// SPDX-License-Identifier: MIT
//
// spdlog behind log.h.

#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include <memory>

namespace veneer::log_internal {

constinit std::atomic<LogLevel> level = LogLevel::kWarning;

namespace {

spdlog::level::level_enum to_spdlog(LogLevel wanted) {
  switch (wanted) {
    case LogLevel::kOff:
      return spdlog::level::off;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kDebug:
      return spdlog::level::debug;
  }
  return spdlog::level::off;
}

// Lives for ever: threads may still log while the process goes down.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
    auto* const made = new spdlog::logger("veneer", std::move(sink));
    made->set_pattern("%n: %^%l%$: %v");
    made->set_level(spdlog::level::debug);  // log.h has decided already
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

}  // namespace

void write(LogLevel wanted, fmt::string_view format,
           fmt::format_args args) noexcept {
  try {
    fmt::memory_buffer line;
    fmt::vformat_to(fmt::appender(line), format, args);
    logger().log(to_spdlog(wanted),
                 spdlog::string_view_t(line.data(), line.size()));
  } catch (...) {  // NOLINT(bugprone-empty-catch): nobody could act on it.
    // Out of memory: the line is lost, the request goes on.
  }
}

}  // namespace veneer::log_internal
