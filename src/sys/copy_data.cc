// SPDX-License-Identifier: MIT
//
// Three ways to copy, each trying to do better than the next one.
//
// The middle and the last share one walk over the data extents of the source.
// copy_file_range is given up for good at its first refusal: filesystems refuse
// by a dozen error codes, and whatever is a true error the plain copy meets
// too.

#include "sys/copy_data.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>

#include "sys/call.h"
#include "sys/fault.h"
#include "sys/file.h"

namespace veneer::sys {
namespace {

// A file of one page: two system calls, no allocation, and no hole to keep
// unless it is all of it.
constexpr std::size_t kSmall = 4096;
constexpr std::size_t kChunk = std::size_t{256} * 1024;

struct Extent {
  std::uint64_t begin;
  std::uint64_t end;
};

class Copier {
 public:
  Copier(int in, int out, std::uint64_t length)
      : in_(in), out_(out), length_(length) {}

  Result<CopyStats> run() {
    if (length_ <= kSmall) {
      TRY(copy_small());
      return stats_;
    }
    TRY(fault::before_mutation("FICLONE"));
    stats_.cloned = ::ioctl(out_, FICLONE, in_) == 0;
    if (!stats_.cloned) TRY(copy_extents());
    // A clone is as long as its source, which may be another length.
    TRY(set_length());
    return stats_;
  }

 private:
  Result<void> copy_small() {
    char buffer[kSmall];
    const auto wanted = static_cast<std::size_t>(length_);
    TRY_ASSIGN(const std::size_t size, pread_full(in_, buffer, wanted, 0));
    const bool is_hole =
        std::all_of(buffer, buffer + size, [](char c) { return c == 0; });
    if (!is_hole) TRY(write(buffer, size, 0));
    return set_length();
  }

  Result<void> copy_extents() {
    for (std::uint64_t at = 0; at < length_;) {
      const Extent extent = next_extent(at);
      TRY(copy_extent(extent));
      at = extent.end;
    }
    return {};
  }

  // The next piece of data from `at` on; an empty one at the end if there is
  // none. A filesystem that does not tell holes from data has only data.
  Extent next_extent(std::uint64_t at) const {
    const off_t begin = ::lseek(in_, static_cast<off_t>(at), SEEK_DATA);
    if (begin < 0) {
      if (errno == ENXIO) return Extent{length_, length_};
      return Extent{at, length_};
    }
    const off_t end = ::lseek(in_, begin, SEEK_HOLE);
    const auto from = static_cast<std::uint64_t>(begin);
    const auto to = end > begin ? static_cast<std::uint64_t>(end) : length_;
    return Extent{std::min(from, length_), std::min(to, length_)};
  }

  Result<void> copy_extent(Extent extent) {
    while (extent.begin < extent.end && in_kernel_) {
      TRY(fault::before_mutation("copy_file_range"));
      auto from = static_cast<off_t>(extent.begin);
      auto to = from;
      const ssize_t count = retry_interrupted([&] {
        return ::copy_file_range(in_, &from, out_, &to,
                                 extent.end - extent.begin, 0);
      });
      // 0 is the end of the file, or a filesystem that only pretends to copy.
      if (count <= 0) in_kernel_ = false;
      if (count > 0) advance(extent, static_cast<std::size_t>(count));
    }
    return copy_by_hand(extent);
  }

  Result<void> copy_by_hand(Extent extent) {
    if (extent.begin < extent.end && buffer_ == nullptr) {
      buffer_ = std::make_unique_for_overwrite<char[]>(kChunk);
    }
    while (extent.begin < extent.end) {
      const auto wanted = static_cast<std::size_t>(
          std::min<std::uint64_t>(kChunk, extent.end - extent.begin));
      TRY_ASSIGN(const std::size_t size,
                 pread_full(in_, buffer_.get(), wanted, extent.begin));
      if (size == 0) return {};  // shorter than it said
      TRY(write(buffer_.get(), size, extent.begin));
      extent.begin += size;
    }
    return {};
  }

  Result<void> write(const char* bytes, std::size_t size,
                     std::uint64_t offset) {
    TRY(pwrite_full(out_, bytes, size, offset));
    written_to_ = std::max(written_to_, offset + size);
    stats_.bytes_copied += size;
    return {};
  }

  void advance(Extent& extent, std::size_t count) {
    extent.begin += count;
    written_to_ = std::max(written_to_, extent.begin);
    stats_.bytes_copied += count;
  }

  // `out` was empty, so it is as long as what was written to it.
  Result<void> set_length() {
    if (!stats_.cloned && written_to_ == length_) return {};
    return truncate_fd(out_, length_);
  }

  const int in_;
  const int out_;
  const std::uint64_t length_;
  bool in_kernel_ = true;
  std::uint64_t written_to_ = 0;
  std::unique_ptr<char[]> buffer_;
  CopyStats stats_;
};

}  // namespace

Result<CopyStats> copy_range(int in, int out, std::uint64_t length) {
  return Copier(in, out, length).run();
}

Result<std::size_t> copy_file_range(int in, std::uint64_t from, int out,
                                    std::uint64_t to, std::size_t size) {
  TRY(fault::before_mutation("copy_file_range"));
  auto at = static_cast<off_t>(from);
  auto into = static_cast<off_t>(to);
  const ssize_t count = retry_interrupted(
      [&] { return ::copy_file_range(in, &at, out, &into, size, 0); });
  if (count < 0) return last_error("copy_file_range");
  return static_cast<std::size_t>(count);
}

}  // namespace veneer::sys
