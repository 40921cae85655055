// SPDX-License-Identifier: MIT
//
// The half of a commit's plan that is about files: where each one's bytes come
// from, and which of its names is made first.
//
// All names of one file are decided together. A file of the base that has just
// these names and the right bytes stays and gets attributes only; one that can
// take in the others does; else one name is made anew and the others are links
// to it. Bytes that are in the base under another name are staged (copied
// aside) before anything moves, but for a file that was only renamed.
//
// Pure, as the plan is.

#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "finalize/plan.h"

namespace veneer::finalize {

/// What is to be done at a file's name.
enum class FileStep : std::uint8_t {
  kNothing,
  kAttrs,
  kInstall,
  kPlaceStaged,
  kPlaceRenamed,
  kLink,
};

struct FilePlan {
  FileStep step = FileStep::kNothing;
  std::uint64_t slot = 0;         ///< kPlaceStaged: of its stage step
  const Change* first = nullptr;  ///< kLink: the name to link to
};

struct FilePlans {
  /// Of what is no file of the upper: kNothing.
  FilePlan of(const Change& change) const;

  absl::flat_hash_map<const Change*, FilePlan> by_change;
  std::vector<Step> stages;  ///< in the order of their slots, from 1
  std::uint64_t copied_bytes = 0;
  std::uint64_t moved_files = 0;
  std::uint64_t copied_files = 0;
};

FilePlans plan_files(const PlanInput& input);

}  // namespace veneer::finalize
