// SPDX-License-Identifier: MIT

#include "bench/macro/runner.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>

#include "bench/macro/machine.h"
#include "sys/fd.h"

namespace veneer::bench {
namespace {

namespace fs = std::filesystem;

const char* first_file(Ground ground) {
  return ground == Ground::kStack ? "/d/file0" : "/d000/file0000";
}

}  // namespace

Runner::Runner(std::string scratch, const Shape& shape, std::string program,
               std::vector<Subject> subjects, std::vector<Stage> stages,
               Report& report)
    : scratch_(std::move(scratch)),
      shape_(shape),
      program_(std::move(program)),
      subjects_(std::move(subjects)),
      stages_(std::move(stages)),
      report_(report) {}

Result<void> Runner::prepare() {
  TRY(make_tree(scratch_ + "/tree", shape_));
  TRY(make_nodes_tree(scratch_ + "/nodes", shape_));
  TRY_ASSIGN(stack_, make_stack(scratch_ + "/stack", shape_, false));
  TRY(make_stack(scratch_ + "/stack-merged", shape_, true));
  return {};
}

void Runner::count_round() {
  for (const Stage& stage : stages_) {
    for (const Subject& subject : subjects_) {
      if (subject.is_veneer || stage.measures_memory) {
        run_stage(stage, subject, Kind::kCounted);
      }
    }
  }
}

void Runner::timed_round(int number) {
  for (const Stage& stage : stages_) {
    if (stage.measures_memory) continue;
    for (std::size_t i = 0; i < subjects_.size(); ++i) {
      const std::size_t turn =
          (i + static_cast<std::size_t>(number)) % subjects_.size();
      run_stage(stage, subjects_[turn], Kind::kTimed);
    }
  }
}

// Whatever happens, nothing stays mounted and the directories go.
void Runner::run_stage(const Stage& stage, const Subject& subject, Kind kind) {
  if (subject.mount == nullptr && stage.measures_memory) return;
  std::string step_name = kMountStep;
  Result<void> done = try_stage(stage, subject, kind, step_name);
  if (subject.mount) {
    const Result<void> gone = unmount(place_.at);
    if (done && !gone) done = gone.error();
  }
  if (!done) {
    report_.at(step_name, subject.name).failure = done.error().message();
  }
  std::error_code ignored;
  fs::remove_all(scratch_ + "/run", ignored);
}

Result<void> Runner::try_stage(const Stage& stage, const Subject& subject,
                               Kind kind, std::string& step_name) {
  place_ = {.lowers = {scratch_ + "/tree"},
            .upper = scratch_ + "/run/upper",
            .work = scratch_ + "/run/work",
            .at = scratch_ + "/run/at"};
  if (stage.ground == Ground::kStack) place_.lowers = stack_;
  if (stage.ground == Ground::kNodes) place_.lowers = {scratch_ + "/nodes"};
  std::error_code error;
  fs::create_directories(place_.upper, error);
  fs::create_directories(place_.work, error);
  if (!subject.mount) {
    TRY(fill_native(stage));
  } else {
    fs::create_directories(place_.at, error);
    const std::uint64_t memory_before = daemon_memory();
    TRY_ASSIGN(const double seconds, start(stage, subject));
    if (kind == Kind::kTimed && stage.ground == Ground::kTree) {
      report_.at(kMountStep, subject.name).samples.push_back(seconds * 1e6);
    }
    if (stage.measures_memory) {
      // A kernel's file system has no daemon.
      const std::uint64_t idle = daemon_memory();
      if (idle == memory_before) return {};
      TRY(run_steps(stage, subject, kind, step_name));
      const double files = shape_.node_dirs * shape_.nodes_per_dir;
      report_.set_unit(kMemoryStep, "bytes");
      report_.at(kMemoryStep, subject.name)
          .samples.push_back(static_cast<double>(daemon_memory() - idle) /
                             files);
      return {};
    }
  }
  return run_steps(stage, subject, kind, step_name);
}

Result<void> Runner::fill_native(const Stage& stage) {
  if (stage.ground == Ground::kStack) {
    place_.at = scratch_ + "/stack-merged";
  } else if (stage.changes || stage.changes_big) {
    Shape shape = shape_;
    if (!stage.changes_big) shape.big_bytes = 0;
    TRY(make_tree(place_.at, shape));
  } else {
    place_.at = scratch_ + "/tree";
  }
  return {};
}

// Seconds from asking for the mount to its first answer.
Result<double> Runner::start(const Stage& stage, const Subject& subject) {
  const double begin = now();
  TRY(subject.mount(place_));
  struct stat status;
  const std::string first = place_.at + first_file(stage.ground);
  if (::stat(first.c_str(), &status) != 0) return failed("stat", first);
  return now() - begin;
}

Result<void> Runner::run_steps(const Stage& stage, const Subject& subject,
                               Kind kind, std::string& step_name) {
  const sys::UniqueFd root(
      ::open(place_.at.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return failed("open", place_.at);
  const Site site{.root = root.get(), .shape = shape_};
  TRY(drop_dentries());
  for (const Step& step : stage.steps) {
    step_name = step.name != nullptr ? step.name : stage.name;
    TRY(run_step(step, site, subject, kind));
  }
  return {};
}

Result<void> Runner::run_step(const Step& step, const Site& site,
                              const Subject& subject, Kind kind) {
  if (step.name == nullptr) {
    TRY(step.work(site));
    return {};
  }
  Cell& cell = report_.at(step.name, subject.name);
  report_.set_unit(step.name, step.unit);
  const bool counts = kind == Kind::kCounted && subject.is_veneer;
  MessageCounter counter(program_, place_.at);
  if (counts) TRY(counter.start());
  for (int time = 0; time < step.times; ++time) {
    const double begin = now();
    TRY_ASSIGN(const std::uint64_t units, step.work(site));
    const double seconds = now() - begin;
    if (kind == Kind::kTimed) {
      cell.samples.push_back(seconds * 1e6 / static_cast<double>(units));
    } else {
      cell.units += static_cast<double>(units);
    }
  }
  if (counts) {
    TRY_ASSIGN(cell.messages, counter.stop());
  }
  return {};
}

}  // namespace veneer::bench
