// SPDX-License-Identifier: MIT
//
// What was measured: samples by step and subject, as a table for people (the
// least of each, in microseconds) and as JSON (all that is known of them).

#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bench/macro/messages.h"

namespace veneer::bench {

struct Cell {
  std::vector<double> samples;  ///< microseconds for one unit; bytes for memory
  std::string failure;
  Messages messages;  ///< counted once, for `units` operations
  double units = 0;
};

class Report {
 public:
  explicit Report(std::vector<std::string> subjects)
      : subjects_(std::move(subjects)) {}

  /// Steps are shown in the order in which they were first met.
  Cell& at(const std::string& step, const std::string& subject);
  void set_unit(const std::string& step, const std::string& unit);
  void add_absent(const std::string& subject, const std::string& why) {
    absent_.emplace_back(subject, why);
  }

  /// Two tables: times and ratios, and messages; in columns, or in Markdown.
  void print(bool markdown) const;
  nlohmann::json to_json() const;

 private:
  const Cell* find(const std::string& step, const std::string& subject) const;
  std::vector<std::string> row(const std::string& step) const;
  std::string ratio(const std::string& step, const char* above,
                    const char* below) const;
  std::string messages(const std::string& step) const;

  std::vector<std::string> subjects_;
  std::vector<std::pair<std::string, std::string>> absent_;
  std::vector<std::string> steps_;
  std::map<std::string, std::string> units_;
  std::map<std::pair<std::string, std::string>, Cell> cells_;
};

}  // namespace veneer::bench
