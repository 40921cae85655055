// SPDX-License-Identifier: MIT
//
// Result<T>: a value or an Error. Dropping one does not compile.
//
// A thin class over std::expected, so that the attribute can be put on it and
// an Error can be returned without ceremony. TRY and TRY_ASSIGN are the only
// macros that hide control flow in this code base:
//
//   TRY(upper.unlink(dir, name));
//   TRY_ASSIGN(const Attr attr, layer.get_attr(node));

#pragma once

#include <expected>
#include <utility>

#include "veneer/error.h"

namespace veneer {

template <typename T>
class [[nodiscard]] Result : public std::expected<T, Error> {
  using Base = std::expected<T, Error>;

 public:
  using Base::Base;
  Result() = default;
  Result(Error error) : Base(std::unexpect, std::move(error)) {}
};

/// For the few places where failing is as good: best-effort clean-up.
template <typename T>
void ignore_error(Result<T>&&) {}

}  // namespace veneer

#define VENEER_CONCAT_(a, b) a##b
#define VENEER_CONCAT(a, b) VENEER_CONCAT_(a, b)

/// Evaluates a Result<void> (or drops the value) and returns its error.
#define TRY(expression)                              \
  if (auto try_result_ = (expression); !try_result_) \
  return std::move(try_result_).error()

/// Declares `declaration` from the value of `expression`, or returns its error.
#define TRY_ASSIGN(declaration, expression) \
  TRY_ASSIGN_(VENEER_CONCAT(try_value_, __LINE__), declaration, expression)

// NOLINTBEGIN(bugprone-macro-parentheses): names that are declared.
#define TRY_ASSIGN_(temporary, declaration, expression) \
  auto temporary = (expression);                        \
  if (!temporary) [[unlikely]]                          \
    return std::move(temporary).error();                \
  declaration = *std::move(temporary)
// NOLINTEND(bugprone-macro-parentheses)
