// SPDX-License-Identifier: MIT

#include "composefs/image_stream.h"

#include <utility>

#include "sys/stream.h"

namespace veneer::composefs {

ImageStream::ImageStream(int fd) : fd_(fd), worker_([this] { work(); }) {}

ImageStream::~ImageStream() { stop(); }

void ImageStream::put(std::vector<std::byte> piece) {
  if (piece.empty()) return;
  const MutexLock lock(mutex_);
  while (waiting_.size() >= kMostWaiting) changed_.wait(mutex_);
  waiting_.push_back(std::move(piece));
  changed_.notify_all();
}

Result<Digest256> ImageStream::finish() {
  stop();
  if (error_) return *std::move(error_);
  return hasher_.finish();
}

void ImageStream::stop() {
  if (!worker_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    is_ended_ = true;
    changed_.notify_all();
  }
  worker_.join();
}

std::optional<std::vector<std::byte>> ImageStream::take() {
  const MutexLock lock(mutex_);
  while (waiting_.empty() && !is_ended_) changed_.wait(mutex_);
  if (waiting_.empty()) return std::nullopt;
  std::vector<std::byte> piece = std::move(waiting_.front());
  waiting_.pop_front();
  changed_.notify_all();
  return piece;
}

void ImageStream::work() {
  while (const auto piece = take()) {
    if (error_) continue;
    hasher_.update(*piece);
    if (fd_ < 0) continue;
    if (auto written = sys::write_all(fd_, *piece); !written) {
      error_ = std::move(written).error();
    }
  }
}

}  // namespace veneer::composefs
