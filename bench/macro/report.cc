// SPDX-License-Identifier: MIT

#include "bench/macro/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/macro/subject.h"

namespace veneer::bench {
namespace {

using nlohmann::json;

std::optional<double> least(const Cell* cell) {
  if (cell == nullptr || cell->samples.empty()) return std::nullopt;
  return *std::ranges::min_element(cell->samples);
}

double median(std::vector<double> samples) {
  std::ranges::sort(samples);
  const std::size_t middle = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[middle]
                                 : (samples[middle - 1] + samples[middle]) / 2;
}

// Three digits that say something.
std::string short_number(double value) {
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f}", value, decimals);
}

using Rows = std::vector<std::vector<std::string>>;

// The first row has the titles. Words stand to the left, numbers to the right.
void print_table(const Rows& rows, bool markdown) {
  std::vector<std::size_t> widths(rows.front().size());
  std::vector<bool> numbers(rows.front().size(), true);
  numbers[0] = numbers[1] = false;
  if (widths.size() == 3) numbers[2] = false;
  for (const auto& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], cells[i].size());
    }
  }
  for (const auto& cells : rows) {
    std::string line = markdown ? "|" : "";
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string cell = numbers[i]
                                   ? fmt::format("{:>{}}", cells[i], widths[i])
                                   : fmt::format("{:<{}}", cells[i], widths[i]);
      line += markdown ? fmt::format(" {} |", cell) : cell + "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
    if (!markdown || &cells != &rows.front()) continue;
    for (const bool number : numbers) fmt::print("|{}", number ? "--:" : "---");
    fmt::print("|\n");
  }
  fmt::print("\n");
}

}  // namespace

Cell& Report::at(const std::string& step, const std::string& subject) {
  if (std::ranges::find(steps_, step) == steps_.end()) steps_.push_back(step);
  return cells_[{step, subject}];
}

void Report::set_unit(const std::string& step, const std::string& unit) {
  units_[step] = unit;
}

const Cell* Report::find(const std::string& step,
                         const std::string& subject) const {
  const auto it = cells_.find({step, subject});
  return it == cells_.end() ? nullptr : &it->second;
}

std::string Report::ratio(const std::string& step, const char* above,
                          const char* below) const {
  const auto top = least(find(step, above));
  const auto bottom = least(find(step, below));
  if (!top || !bottom || *bottom == 0) return "-";
  return short_number(*top / *bottom);
}

// "2.01 = LOOKUP 1.00, CREATE 1.00": for one unit, the most frequent first.
std::string Report::messages(const std::string& step) const {
  const Cell* cell = find(step, kVeneer);
  if (cell == nullptr || cell->units == 0) return "-";
  std::vector<std::pair<double, std::string>> kinds;
  double total = 0;
  for (const auto& [kind, count] : cell->messages) {
    const double each = static_cast<double>(count) / cell->units;
    total += each;
    if (each >= 0.005) kinds.emplace_back(-each, kind);
  }
  std::ranges::sort(kinds);
  std::string text = fmt::format("{:.2f}", total);
  const char* before = " = ";
  for (const auto& [each, kind] : kinds) {
    text += fmt::format("{}{} {:.2f}", before, kind, -each);
    before = ", ";
  }
  return text;
}

std::vector<std::string> Report::row(const std::string& step) const {
  const auto unit = units_.find(step);
  std::vector<std::string> cells = {step,
                                    unit == units_.end() ? "op" : unit->second};
  for (const std::string& subject : subjects_) {
    const Cell* cell = find(step, subject);
    const auto value = least(cell);
    const bool failed = cell != nullptr && !cell->failure.empty();
    cells.push_back(failed ? "failed" : value ? short_number(*value) : "-");
  }
  cells.push_back(ratio(step, kVeneer, kKernel));
  cells.push_back(ratio(step, kFuseOverlayfs, kVeneer));
  return cells;
}

void Report::print(bool markdown) const {
  Rows times = {{"operation", "per"}};
  times[0].insert(times[0].end(), subjects_.begin(), subjects_.end());
  times[0].insert(times[0].end(),
                  {"veneer / kernel", "fuse-overlayfs / veneer"});
  Rows sent = {{"operation", "per", "messages to veneer"}};
  for (const std::string& step : steps_) {
    times.push_back(row(step));
    if (messages(step) != "-") {
      sent.push_back({step, times.back()[1], messages(step)});
    }
  }
  print_table(times, markdown);
  print_table(sent, markdown);
  for (const auto& [subject, why] : absent_) {
    fmt::print("{} is absent: {}\n", subject, why);
  }
  for (const auto& [key, cell] : cells_) {
    if (cell.failure.empty()) continue;
    fmt::print("{} failed at \"{}\": {}\n", key.second, key.first,
               cell.failure);
  }
}

json Report::to_json() const {
  json steps = json::array();
  for (const std::string& step : steps_) {
    const auto unit = units_.find(step);
    json entry = {{"operation", step},
                  {"per", unit == units_.end() ? "op" : unit->second},
                  {"subjects", json::object()}};
    for (const std::string& subject : subjects_) {
      const Cell* cell = find(step, subject);
      if (cell == nullptr || (cell->samples.empty() && cell->failure.empty())) {
        continue;
      }
      json& out = entry["subjects"][subject];
      if (!cell->samples.empty()) {
        out["min"] = *least(cell);
        out["median"] = median(cell->samples);
        out["max"] = *std::ranges::max_element(cell->samples);
        out["samples"] = cell->samples.size();
      }
      if (!cell->failure.empty()) out["failed"] = true;
      if (cell->units > 0) {
        json each = json::object();
        for (const auto& [kind, count] : cell->messages) {
          each[kind] = static_cast<double>(count) / cell->units;
        }
        out["messages"] = std::move(each);
      }
    }
    steps.push_back(std::move(entry));
  }
  json absent = json::object();
  for (const auto& [subject, why] : absent_) absent[subject] = why;
  return {{"steps", std::move(steps)}, {"absent", std::move(absent)}};
}

}  // namespace veneer::bench
