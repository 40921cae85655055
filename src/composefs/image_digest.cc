// SPDX-License-Identifier: MIT

#include "composefs/image_digest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/verity_digest.h"
#include "sys/verity.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kReadSize = 1U << 20;

}  // namespace

Result<Digest256> image_digest(const ImageFile& file) {
  const auto measured = sys::measure_verity(file.fd());
  if (measured && *measured) return **measured;
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadSize);
  VerityHasher hasher;
  for (std::uint64_t at = 0; at < file.size();) {
    const auto part = std::span(
        buffer.get(), static_cast<std::size_t>(std::min<std::uint64_t>(
                          kReadSize, file.size() - at)));
    TRY(file.read(at, part));
    hasher.update(part);
    at += part.size();
  }
  return hasher.finish();
}

Result<void> check_image_digest(const ImageFile& file,
                                const Digest256& wanted) {
  TRY_ASSIGN(const Digest256 digest, image_digest(file));
  if (digest == wanted) return {};
  return Error(EILSEQ, "open image",
               fmt::format("{}: its digest is {}, not {}", file.name(),
                           to_hex(digest), to_hex(wanted)));
}

}  // namespace veneer::composefs
