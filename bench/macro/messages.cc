// SPDX-License-Identifier: MIT

#include "bench/macro/messages.h"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "bench/macro/machine.h"

namespace veneer::bench {
namespace {

Messages difference(const Messages& after, const Messages& before) {
  Messages result = after;
  for (const auto& [kind, count] : before) result[kind] -= count;
  std::erase_if(result, [](const auto& entry) { return entry.second == 0; });
  return result;
}

}  // namespace

Result<Messages> MessageCounter::ask() const {
  const Finished finished = run({program_, "status", "--json", at_});
  const auto status = nlohmann::json::parse(finished.out, nullptr, false);
  const auto counts = nlohmann::json::json_pointer("/counters/messages");
  if (!status.is_object() || !status.contains(counts)) {
    return Error(EPROTO, "veneer status", at_);
  }
  Messages messages;
  for (const auto& [kind, count] : status.at(counts).items()) {
    if (kind != "total") messages[kind] = count.get<std::int64_t>();
  }
  return messages;
}

Result<void> MessageCounter::start() {
  // The first time may look more up than later ones.
  TRY(ask());
  TRY_ASSIGN(const Messages once, ask());
  TRY_ASSIGN(before_, ask());
  own_ = difference(before_, once);
  return {};
}

Result<Messages> MessageCounter::stop() {
  TRY_ASSIGN(const Messages after, ask());
  return difference(difference(after, before_), own_);
}

}  // namespace veneer::bench
