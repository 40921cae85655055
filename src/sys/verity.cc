// SPDX-License-Identifier: MIT

#include "sys/verity.h"

#include <linux/fsverity.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sys/call.h"
#include "sys/fault.h"

namespace veneer::sys {
namespace {

constexpr std::uint32_t kBlock = 4096;
constexpr std::uint16_t kLongestDigest = 64;

}  // namespace

Result<void> enable_verity(int fd) {
  TRY(fault::before_mutation("enable verity"));
  fsverity_enable_arg wanted = {};
  wanted.version = 1;
  wanted.hash_algorithm = FS_VERITY_HASH_ALG_SHA256;
  wanted.block_size = kBlock;
  const auto done = check(retry_interrupted([&] {
                            return ::ioctl(fd, FS_IOC_ENABLE_VERITY, &wanted);
                          }),
                          "enable verity");
  // Filesystems without ioctls of that kind say ENOTTY, others EOPNOTSUPP.
  if (!done && done.error().code() == ENOTTY) {
    return Error(EOPNOTSUPP, "enable verity");
  }
  return done;
}

Result<std::optional<Digest256>> measure_verity(int fd) {
  // struct fsverity_digest, with room for the digest.
  struct {
    std::uint16_t algorithm = 0;
    std::uint16_t size = kLongestDigest;
    std::array<std::uint8_t, kLongestDigest> digest = {};
  } answer;
  const int failed = retry_interrupted(
      [&] { return ::ioctl(fd, FS_IOC_MEASURE_VERITY, &answer); });
  TRY_ASSIGN(
      const bool is_measured,
      decide_measured(failed == 0 ? 0 : errno, answer.algorithm, answer.size));
  if (!is_measured) return std::optional<Digest256>();
  Digest256 digest;
  std::memcpy(digest.data(), answer.digest.data(), digest.size());
  return std::optional(digest);
}

Result<bool> decide_measured(int error, unsigned algorithm, unsigned size) {
  switch (error) {
    case 0:
      if (algorithm == FS_VERITY_HASH_ALG_SHA256 && size == 32) return true;
      return Error(EILSEQ, "measure verity");
    case EOVERFLOW:  // larger than any digest of ours
      return Error(EILSEQ, "measure verity");
    case ENODATA:
    case ENOTTY:
    case EOPNOTSUPP:
      return false;
    default:
      return Error(error, "measure verity");
  }
}

}  // namespace veneer::sys
