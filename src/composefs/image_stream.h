// SPDX-License-Identifier: MIT
//
// A stream of bytes that are hashed and written behind the back of who makes
// them.
//
// Pieces go through a short queue to one thread; when it is full the maker
// waits, so memory stays at a few pieces. After an error the rest is thrown
// away, and finish() tells.

#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"
#include "base/verity_digest.h"
#include "veneer/result.h"

namespace veneer::composefs {

class ImageStream {
 public:
  /// `fd` -1: the bytes are hashed alone.
  explicit ImageStream(int fd);
  /// Waits for what was put.
  ~ImageStream();
  ImageStream(const ImageStream&) = delete;
  ImageStream& operator=(const ImageStream&) = delete;

  void put(std::vector<std::byte> piece);
  /// Once, at the end.
  Result<Digest256> finish();

 private:
  static constexpr std::size_t kMostWaiting = 4;

  void work();
  void stop();
  std::optional<std::vector<std::byte>> take();

  const int fd_;
  VerityHasher hasher_;         // of the worker
  std::optional<Error> error_;  // of the worker, until it has ended

  Mutex mutex_{Rank::kLeaf};
  CondVar changed_;
  std::deque<std::vector<std::byte>> waiting_ GUARDED_BY(mutex_);
  bool is_ended_ GUARDED_BY(mutex_) = false;

  std::thread worker_;
};

}  // namespace veneer::composefs
