// SPDX-License-Identifier: MIT
//
// macro_bench: overlays measured against each other, through real mounts.
//
//   macro_bench [--quick] [--seconds N] [--only STAGE] [--markdown]
//               [--json FILE] [--micro FILE]
//
// The program under measurement is named by the environment: VENEER_BIN.
// Rounds go on until the time is up; at least three are done. --json keeps
// every number, with the kernel's version and the number of processors, and
// with --micro those of micro_bench's own JSON too. docs/performance.md says
// what is measured and how to read it.

#include <fmt/format.h>
#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <thread>

#include "bench/macro/machine.h"
#include "bench/macro/runner.h"

namespace veneer::bench {
namespace {

using nlohmann::json;

struct Options {
  bool quick = false;
  bool markdown = false;
  double seconds = 200;
  std::string only;
  std::string json_file;
  std::string micro_file;
  std::string program;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (word == "--quick") {
      options.quick = true;
      options.seconds = 15;
      continue;
    }
    if (word == "--markdown") {
      options.markdown = true;
      continue;
    }
    if (value == nullptr) return std::nullopt;
    ++i;
    if (word == "--seconds") {
      options.seconds = std::atof(value);
    } else if (word == "--only") {
      options.only = value;
    } else if (word == "--json") {
      options.json_file = value;
    } else if (word == "--micro") {
      options.micro_file = value;
    } else {
      return std::nullopt;
    }
  }
  const char* const program = std::getenv("VENEER_BIN");
  if (program != nullptr) options.program = program;
  return options;
}

Shape shape_of(const Options& options) {
  if (!options.quick) return {};
  return {.dirs = 20,
          .files = 50,
          .big_bytes = 64ULL << 20,
          .layers = 50,
          .asked = 25,
          .nodes_per_dir = 500,
          .node_dirs = 20};
}

std::string load() {
  const std::string line = first_line("/proc/loadavg");
  return line.substr(0, line.find(' '));
}

// Of micro_bench's JSON only what it measured: it also names its host.
json micro_results(const std::string& file) {
  std::ifstream in(file);
  const json all = json::parse(in, nullptr, false);
  json results = json::array();
  if (!all.is_object()) return results;
  for (const json& run : all.value("benchmarks", json::array())) {
    results.push_back({{"name", run.value("name", "")},
                       {"real_time", run.value("real_time", 0.0)},
                       {"time_unit", run.value("time_unit", "")}});
  }
  return results;
}

int write_json(const Options& options, const Shape& shape, const Report& report,
               int rounds, const std::string& load_before) {
  utsname kernel{};
  ::uname(&kernel);
  json out = report.to_json();
  out["kernel"] = kernel.release;
  out["processors"] = std::thread::hardware_concurrency();
  out["load"] = {{"before", load_before}, {"after", load()}};
  out["rounds"] = rounds;
  out["shape"] = {{"directories", shape.dirs},
                  {"files_in_each", shape.files},
                  {"big_file_bytes", shape.big_bytes},
                  {"deep_stack_layers", shape.layers}};
  out["unit"] = "microseconds, unless a step is per bytes";
  if (!options.micro_file.empty()) {
    out["micro"] = micro_results(options.micro_file);
  }
  std::ofstream file(options.json_file);
  file << out.dump(1) << "\n";
  if (file.flush()) return 0;
  fmt::print(stderr, "{} cannot be written\n", options.json_file);
  return 1;
}

int measure(const Options& options, const std::string& scratch) {
  const Shape shape = shape_of(options);
  std::vector<Subject> present;
  std::vector<std::string> names;
  std::vector<std::pair<std::string, std::string>> absent;
  for (Subject& subject : all_subjects(options.program)) {
    if (!subject.missing.empty()) {
      absent.emplace_back(subject.name, subject.missing);
      continue;
    }
    names.push_back(subject.name);
    present.push_back(std::move(subject));
  }
  std::vector<Stage> stages = all_stages();
  std::erase_if(stages, [&](const Stage& stage) {
    return !options.only.empty() && options.only != stage.name;
  });

  Report report(names);
  for (const auto& [name, why] : absent) report.add_absent(name, why);
  Runner runner(scratch, shape, options.program, std::move(present),
                std::move(stages), report);
  if (const auto prepared = runner.prepare(); !prepared) {
    fmt::print(stderr, "{}\n", prepared.error().message());
    return 1;
  }
  const std::string load_before = load();
  runner.count_round();
  const double end = now() + options.seconds;
  int rounds = 0;
  double longest = 0;
  while (rounds < 3 || now() + longest < end) {
    const double begin = now();
    runner.timed_round(rounds++);
    longest = std::max(longest, now() - begin);
  }

  fmt::print(
      "The least of {} rounds, in microseconds; load {} before, {} after.\n\n",
      rounds, load_before, load());
  report.print(options.markdown);
  if (options.json_file.empty()) return 0;
  return write_json(options, shape, report, rounds, load_before);
}

}  // namespace
}  // namespace veneer::bench

int main(int argc, char** argv) {
  const auto options = veneer::bench::parse(argc, argv);
  if (!options) {
    fmt::print(stderr,
               "usage: macro_bench [--quick] [--seconds N] [--only STAGE]\n"
               "                   [--markdown] [--json FILE] [--micro FILE]\n"
               "VENEER_BIN names the program.\n");
    return 2;
  }
  return veneer::bench::run_isolated([&](const std::string& scratch) {
    return veneer::bench::measure(*options, scratch);
  });
}
