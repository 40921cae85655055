// SPDX-License-Identifier: MIT
//
// Which objects images name, whether a store has them, and what it has beyond.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "composefs/dump_text.h"
#include "composefs/object_store.h"
#include "composefs/source.h"
#include "composefs/tree.h"
#include "veneer/result.h"

namespace veneer::composefs {

/// An object as an image names it.
struct NamedObject {
  std::string path;  ///< in the store
  std::optional<Digest256> digest;
  std::uint64_t size = 0;

  auto operator<=>(const NamedObject&) const = default;
};

/// Adds those of the tree; with a filter, of what it lets through.
void add_objects(const Tree& tree, NameFilter filter,
                 std::vector<NamedObject>& objects);
/// Sorts, and leaves each out but once.
void sort_objects(std::vector<NamedObject>& objects);

/// What is wrong with an object.
struct ObjectProblem {
  std::string path;
  std::string what;  ///< "it is missing", ...
};

/// Compares the store with what images say: each object is there, has the size,
/// and the digest, if only the one in its name. On all processors. Sorted.
/// Fails  ECANCELED; what cannot be read is a problem, not an error
Result<std::vector<ObjectProblem>> verify_objects(
    const ObjectStore& store, const std::vector<NamedObject>& objects,
    unsigned threads, const OnProgress& on_progress);

struct Collected {
  std::uint64_t kept = 0;
  std::uint64_t removed = 0;
  std::uint64_t bytes = 0;  ///< of those removed
};

/// Removes the objects of the store that are not among `needed`, or
/// with `dry_run` only counts them. `removed` gets their paths.
/// Requires that the store is open exclusively.
Result<Collected> collect_garbage(ObjectStore& store,
                                  const std::vector<NamedObject>& needed,
                                  bool dry_run,
                                  std::vector<std::string>& removed);

}  // namespace veneer::composefs
