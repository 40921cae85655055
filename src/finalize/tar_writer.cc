// SPDX-License-Identifier: MIT

#include "finalize/tar_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/bytes.h"
#include "sys/stream.h"

namespace veneer::finalize {

namespace {
constexpr std::array<std::byte, kTarBlock> kZeros = {};
}

Result<void> TarWriter::flush() {
  sha256_.update(buffer_);
  TRY(sys::write_all(fd_, buffer_));
  buffer_.clear();
  return {};
}

Result<void> TarWriter::put(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t n = std::min(bytes.size(), kBuffer - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(),
                   bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
    if (buffer_.size() == kBuffer) TRY(flush());
  }
  return {};
}

Result<void> TarWriter::add(const TarEntry& entry) {
  assert(data_left_ == 0);
  TRY_ASSIGN(const std::string header, tar_header(entry));
  TRY(put(as_bytes(header)));
  const bool has_data = S_ISREG(entry.mode) && entry.hard_link.empty();
  data_left_ = has_data ? entry.size : 0;
  return {};
}

Result<void> TarWriter::append(std::span<const std::byte> bytes) {
  assert(bytes.size() <= data_left_);
  TRY(put(bytes));
  data_left_ -= bytes.size();
  if (data_left_ == 0 && size_ % kTarBlock != 0) {
    TRY(put(std::span(kZeros).first(kTarBlock - size_ % kTarBlock)));
  }
  return {};
}

Result<void> TarWriter::finish() {
  assert(data_left_ == 0);
  TRY(put(kZeros));
  TRY(put(kZeros));
  return flush();
}

}  // namespace veneer::finalize
