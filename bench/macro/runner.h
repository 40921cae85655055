// SPDX-License-Identifier: MIT
//
// Does the stages, subject by subject, round after round.
//
// Subjects take turns within each stage, so that what disturbs the machine
// for a while disturbs all of them, and each round starts with another one.
// The first round counts messages and is not timed.

#pragma once

#include <string>
#include <vector>

#include "bench/macro/report.h"
#include "bench/macro/stage.h"
#include "bench/macro/subject.h"

namespace veneer::bench {

class Runner {
 public:
  /// `scratch` is an empty directory; `report` outlives this object.
  Runner(std::string scratch, const Shape& shape, std::string program,
         std::vector<Subject> subjects, std::vector<Stage> stages,
         Report& report);

  /// Makes the layers.
  Result<void> prepare();
  void count_round();
  void timed_round(int number);

 private:
  enum class Kind : std::uint8_t { kCounted, kTimed };

  void run_stage(const Stage& stage, const Subject& subject, Kind kind);
  Result<void> try_stage(const Stage& stage, const Subject& subject, Kind kind,
                         std::string& step_name);
  Result<double> start(const Stage& stage, const Subject& subject);
  Result<void> run_steps(const Stage& stage, const Subject& subject, Kind kind,
                         std::string& step_name);
  Result<void> run_step(const Step& step, const Site& site,
                        const Subject& subject, Kind kind);
  Result<void> fill_native(const Stage& stage);

  const std::string scratch_;
  const Shape shape_;
  const std::string program_;
  const std::vector<Subject> subjects_;
  const std::vector<Stage> stages_;
  Report& report_;
  std::vector<std::string> stack_;
  Place place_;
};

}  // namespace veneer::bench
