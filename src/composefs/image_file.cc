// SPDX-License-Identifier: MIT

#include "composefs/image_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "sys/file.h"

namespace veneer::composefs {

Result<ImageFile> ImageFile::open(sys::UniqueFd fd, std::string name) {
  const auto attr = sys::stat_fd(fd.get());
  if (!attr) return attr.error().about(name);
  if (!S_ISREG(attr->mode)) return Error(EINVAL, "open image", name);
  return ImageFile(std::move(fd), attr->size, std::move(name));
}

Error ImageFile::bad(std::uint64_t offset, std::string_view what) const {
  return Error(EUCLEAN, "read image",
               fmt::format("{}: offset {}: {}", name_, offset, what));
}

Result<void> ImageFile::read(std::uint64_t offset,
                             std::span<std::byte> into) const {
  if (!has(offset, into.size())) {
    return bad(offset, fmt::format("{} bytes reach behind the end at {}",
                                   into.size(), size_));
  }
  auto count = sys::pread_full(fd_.get(), into.data(), into.size(), offset);
  if (!count) return count.error().about(name_);
  if (*count < into.size()) {
    return bad(offset + *count, "the image was cut short");
  }
  return {};
}

Result<std::span<const std::byte>> Window::get(std::uint64_t offset,
                                               std::size_t size) {
  if (offset >= start_ && offset - start_ <= held_ &&
      size <= held_ - (offset - start_)) {
    return std::span<const std::byte>(block_).subspan(
        static_cast<std::size_t>(offset - start_), size);
  }
  if (!file_.has(offset, size)) {
    return file_.bad(offset, fmt::format("{} bytes reach behind the end at {}",
                                         size, file_.size()));
  }
  if (size > block_.size()) {
    large_.resize(size);
    TRY(file_.read(offset, large_));
    return std::span<const std::byte>(large_);
  }
  // From the block's start if that is enough, for what stands before it may be
  // asked for next.
  const std::uint64_t aligned = offset & ~std::uint64_t{block_.size() - 1};
  const bool fits = offset - aligned + size <= block_.size();
  start_ = fits ? aligned : offset;
  held_ = 0;  // until the read has succeeded
  const auto count = static_cast<std::size_t>(
      std::min<std::uint64_t>(block_.size(), file_.size() - start_));
  TRY(file_.read(start_, std::span(block_).first(count)));
  held_ = count;
  return std::span<const std::byte>(block_).subspan(
      static_cast<std::size_t>(offset - start_), size);
}

}  // namespace veneer::composefs
