// SPDX-License-Identifier: MIT
//
// Something to do when the scope ends, however it ends, unless released.
//
//   Cleanup remove_it([&] { ignore_error(sys::unlink_at(dir, name)); });
//   TRY(fill(name));
//   remove_it.release();
//
// The action runs in a destructor: it must not throw, and nobody learns that it
// failed. What someone would want to know belongs in a named method.

#pragma once

#include <utility>

namespace veneer {

template <typename Action>
class [[nodiscard]] Cleanup {
 public:
  explicit Cleanup(Action action) : action_(std::move(action)) {}
  ~Cleanup() {
    if (armed_) action_();
  }
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;

  /// The action will not run.
  void release() { armed_ = false; }

 private:
  Action action_;
  bool armed_ = true;
};

}  // namespace veneer
