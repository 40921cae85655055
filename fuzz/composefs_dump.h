// SPDX-License-Identifier: MIT
//
// A dump from anywhere. It is refused with the line, or it becomes an image
// whose own dump gives that image again; else the process aborts.
//
// Run by the fuzzer, and on its corpus by a unit test.

#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "composefs/dump_text.h"
#include "composefs/image.h"
#include "composefs/image_tree.h"
#include "composefs/image_writer.h"
#include "composefs/plan.h"
#include "require.h"
#include "sys/fd.h"

namespace veneer::fuzz {

/// The image of a dump, with the digest; nothing if it is refused.
inline std::optional<std::pair<sys::UniqueFd, Digest256>> image_of_dump(
    std::string_view text) {
  const auto tree = composefs::read_dump(text);
  if (!tree) {
    const int code = tree.error().code();
    require(code == EINVAL || code == EFBIG);
    require(tree.error().message().starts_with("dump:"));
    return std::nullopt;
  }
  const auto plan = composefs::Plan::make(**tree, {});
  if (!plan) {
    require(plan.error().code() == EFBIG || plan.error().code() == EINVAL);
    return std::nullopt;
  }
  sys::UniqueFd fd(::memfd_create("image", MFD_CLOEXEC));
  const auto written = composefs::write_image(**plan, fd.get());
  require(written && written->size == (*plan)->blocks() * 4096);
  return std::pair(std::move(fd), written->digest);
}

inline std::string dump_of_image(sys::UniqueFd fd) {
  const auto image = composefs::Image::open(std::move(fd), "image");
  require(image.has_value());
  const auto tree = composefs::read_image_tree(*image);
  require(tree.has_value());
  std::string text;
  const auto keep = [&text](std::string_view more) -> Result<void> {
    text += more;
    return {};
  };
  require(composefs::write_dump(**tree, {}, keep).has_value());
  return text;
}

inline void check_composefs_dump(std::string_view text) {
  auto first = image_of_dump(text);
  if (!first) return;
  const std::string dump = dump_of_image(std::move(first->first));
  // Reading loses what an image does not keep, such as the size of a device;
  // but only once.
  auto second = image_of_dump(dump);
  if (!second) return;
  const std::string again = dump_of_image(std::move(second->first));
  require(again == dump);
  const auto third = image_of_dump(again);
  require(third && third->second == second->second);
}

}  // namespace veneer::fuzz
