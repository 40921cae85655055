// SPDX-License-Identifier: MIT

#include "layerfs/store_content.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/digest.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::layerfs {
namespace {

constexpr std::array<std::byte, 64 * 1024> kZeros{};

constexpr mode_t kBlobMode = 0444;
constexpr int kMostNames = 1000;

// Nameless files are not a thing of every file system.
bool can_not(const Error& error) {
  return error.code() == EOPNOTSUPP || error.code() == EISDIR;
}

// With a nameless file of its own, which the store then links.
class HoleyContent : public ContentWriter {
 public:
  HoleyContent(BlobStore& store, sys::UniqueFd fd)
      : store_(store), fd_(std::move(fd)) {}

  Result<void> write(std::uint64_t offset,
                     std::span<const std::byte> bytes) override {
    TRY(sys::pwrite_full(fd_.get(), bytes.data(), bytes.size(), offset));
    return {};
  }
  Result<EntryData> finish(std::uint64_t size) override {
    TRY(sys::truncate_fd(fd_.get(), size));
    TRY_ASSIGN(const auto blob,
               store_.add_fd(fd_.get(), BlobStore::How::kLink));
    return BlobRange{blob.sha256, 0, blob.size};
  }

 private:
  BlobStore& store_;
  sys::UniqueFd fd_;
};

class DigestContent : public ContentWriter {
 public:
  Result<void> write(std::uint64_t offset,
                     std::span<const std::byte> bytes) override {
    update_zeros(offset - end_);
    end_ = offset + bytes.size();
    hasher_.update(bytes);
    return {};
  }
  Result<EntryData> finish(std::uint64_t size) override {
    update_zeros(size - end_);
    return BlobRange{hasher_.finish(), 0, size};
  }

 private:
  void update_zeros(std::uint64_t count) {
    while (count > 0) {
      const auto piece = static_cast<std::size_t>(
          std::min<std::uint64_t>(count, kZeros.size()));
      hasher_.update(std::span(kZeros).first(piece));
      count -= piece;
    }
  }

  Sha256 hasher_;
  std::uint64_t end_ = 0;
};

}  // namespace

Result<sys::UniqueFd> open_nameless(const std::string& store) {
  TRY_ASSIGN(const auto dir, sys::open_dir(store));
  auto fd = sys::open_tmpfile(dir.get(), O_RDWR, kBlobMode);
  for (int n = 0; !fd && can_not(fd.error()) && n < kMostNames; ++n) {
    const std::string name = fmt::format(".nameless-{}", n);
    auto named = sys::open_at(dir.get(), name.c_str(),
                              O_RDWR | O_CREAT | O_EXCL, kBlobMode);
    if (!named && named.error().code() == EEXIST) continue;
    if (named) TRY(sys::unlink_at(dir.get(), name.c_str()));
    fd = std::move(named);
    break;
  }
  if (!fd) return fd.error().about(store);
  return fd;
}

Result<std::unique_ptr<ContentWriter>> open_store_content(BlobStore& store) {
  TRY_ASSIGN(auto fd, open_nameless(store.path()));
  return std::make_unique<HoleyContent>(store, std::move(fd));
}

std::unique_ptr<ContentWriter> open_digest_content() {
  return std::make_unique<DigestContent>();
}

}  // namespace veneer::layerfs
