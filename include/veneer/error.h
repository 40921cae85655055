// SPDX-License-Identifier: MIT
//
// What went wrong: an errno, the operation that met it, and, on paths where a
// person will read it, the thing it happened to.
//
// An Error is copied without allocating; the subject is shared. Hot paths (the
// answer to a lookup that found nothing) make one from two words and no more.
//
// Threads: immutable after construction, freely shared.

#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace veneer {

class Error {
 public:
  /// `code` is an errno value, positive; `operation` a string literal.
  constexpr Error(int code, const char* operation) noexcept
      : operation_(operation), code_(code) {}

  /// `subject` names what it happened to: a path, "layer 3: etc/motd".
  Error(int code, const char* operation, std::string subject)
      : operation_(operation),
        subject_(std::make_shared<const std::string>(std::move(subject))),
        code_(code) {}

  int code() const noexcept { return code_; }
  std::string_view operation() const noexcept { return operation_; }
  std::string_view subject() const noexcept {
    return subject_ ? std::string_view(*subject_) : std::string_view();
  }

  /// The same error about `subject`; an existing subject is kept.
  Error about(std::string subject) const {
    return subject_ ? *this : Error(code_, operation_, std::move(subject));
  }

  /// One line for people: "open /srv/base: Permission denied". Where the
  /// subject is a whole sentence (code 0, or an empty operation) it stands
  /// alone.
  std::string message() const;

 private:
  const char* operation_;
  std::shared_ptr<const std::string> subject_;
  int code_;
};

}  // namespace veneer
