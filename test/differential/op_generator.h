// SPDX-License-Identifier: MIT
//
// One random call after another, chosen with an eye on what is there.

#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "test/differential/op.h"
#include "test/differential/random.h"
#include "test/differential/world.h"

namespace veneer::testing::differential {

/// Which of the awkward things may come.
struct Taste {
  bool wh_names = true;
  bool drop_caches = false;
};

class OpGenerator {
 public:
  /// Borrows both. The pool of descriptors starts empty.
  OpGenerator(Random& random, World& world, Taste taste)
      : random_(random), world_(world), taste_(taste) {}

  Op next();

 private:
  // A place as the *at() calls take it, and the path the world knows it by.
  struct Place {
    int at = kNone;
    std::string path;
    std::string known;
  };
  struct Slot {
    bool open = false;
    bool is_dir = false;
    bool reads = false;
    bool writes = false;
    std::string path = {};
  };

  Op choose();
  Op open();
  Op unlink();
  Op mkdir();
  Op rename();
  Op link();
  Op link_fd();
  Op make_node(OpKind kind);
  Op by_path_or_fd(Op op);
  Op data_call(OpKind kind);
  Op utimens();

  Place existing();
  Place existing(Kind kind);
  Place fresh(bool for_dir);
  Place place(const std::string& known);
  int file_slot(bool Slot::* use);
  int any_slot();
  std::string name_below(const std::string& dir);

  Random& random_;
  World& world_;
  Taste taste_;
  std::array<Slot, kSlots> slots_;
};

}  // namespace veneer::testing::differential
