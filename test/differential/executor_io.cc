// SPDX-License-Identifier: MIT
//
// Calls on the bytes of files. What was read is reported as length and digest;
// where the kernel leaves freedom (where holes are, how much one
// copy_file_range moves) the result is judged against the file's own bytes, and
// the verdict is what gets compared.

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "test/differential/executor.h"
#include "test/differential/random.h"

namespace veneer::testing::differential {
namespace {

std::string describe(const std::string& bytes) {
  return "bytes=" + std::to_string(bytes.size()) +
         " digest=" + std::to_string(digest(bytes));
}

std::size_t size_of(std::int64_t number) {
  return static_cast<std::size_t>(std::max<std::int64_t>(number, 0));
}

std::optional<std::string> pread_all(int fd, std::int64_t off,
                                     std::int64_t len) {
  std::string bytes(size_of(len), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = pread(fd, bytes.data() + done, bytes.size() - done,
                              off + static_cast<off_t>(done));
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

// The range of `fd` that a mapping may touch without SIGBUS.
std::int64_t mappable(int fd, std::int64_t off, std::int64_t len) {
  struct stat status{};
  if (fstat(fd, &status) != 0) return -1;
  if (!S_ISREG(status.st_mode)) {
    errno = ENODEV;
    return -1;
  }
  return std::clamp<std::int64_t>(status.st_size - off, 0, len);
}

sigjmp_buf bus_exit;

void on_bus_error(int) { siglongjmp(bus_exit, 1); }

// Touching a mapping may fail by SIGBUS where its file ends before the size
// that was promised. False if it did.
bool copy_mapped(char* to, const char* from, std::size_t size) {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = on_bus_error;
  sigaction(SIGBUS, &action, &before);
  const bool whole = sigsetjmp(bus_exit, 1) == 0;
  if (whole) std::memcpy(to, from, size);
  sigaction(SIGBUS, &before, nullptr);
  return whole;
}

class Mapping {
 public:
  Mapping(int fd, std::int64_t off, std::int64_t len, int protection)
      : skip_(off % kPage),
        length_(size_of(len + skip_)),
        base_(mmap(nullptr, length_, protection, MAP_SHARED, fd, off - skip_)) {
  }
  ~Mapping() {
    if (ok()) munmap(base_, length_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  bool ok() const { return base_ != MAP_FAILED; }
  char* data() const { return static_cast<char*>(base_) + skip_; }
  int sync() const { return msync(base_, length_, MS_SYNC); }

 private:
  static constexpr std::int64_t kPage = 4096;
  std::int64_t skip_;
  std::size_t length_;
  void* base_;
};

}  // namespace

Outcome Executor::mkfile(const Op& op) {
  constexpr std::int64_t kBlock = 65536;
  const int fd = ::openat(dir_of(op.at), op.path.c_str(),
                          O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
                          static_cast<mode_t>(op.mode));
  if (fd < 0) return outcome(-1);
  const auto seed = static_cast<std::uint64_t>(op.seed);
  Outcome out = outcome(ftruncate(fd, op.len));
  const bool sparse = op.flags != 0;
  for (std::int64_t off = 0; off < op.len; off += kBlock) {
    if (sparse && mix(seed + size_of(off)) % 4 != 0) continue;
    const std::string bytes =
        pattern(seed + size_of(off),
                size_of(std::min(sparse ? 4096 : kBlock, op.len - off)));
    if (pwrite(fd, bytes.data(), bytes.size(), off) < 0) out = outcome(-1);
  }
  // An owner is part of making a file, and it clears setuid bits.
  if (fchown(fd, static_cast<uid_t>(op.uid), static_cast<gid_t>(op.gid)) != 0 ||
      fchmod(fd, static_cast<mode_t>(op.mode)) != 0) {
    out = outcome(-1);
  }
  ::close(fd);
  return out;
}

// O_NONBLOCK always, lest a FIFO without a partner stop the test.
Outcome Executor::open(const Op& op) {
  const int flags = static_cast<int>(op.flags);
  const int fd =
      ::openat(dir_of(op.at), op.path.c_str(), flags | O_CLOEXEC | O_NONBLOCK,
               static_cast<mode_t>(op.mode));
  if (fd < 0) return outcome(-1);
  keep(op.fd, fd);
  return {};
}

Outcome Executor::read(const Op& op) {
  const auto bytes = pread_all(slot(op.fd), op.off, op.len);
  if (!bytes) return outcome(-1);
  return {.detail = describe(*bytes)};
}

Outcome Executor::write(const Op& op) {
  const std::string bytes =
      pattern(static_cast<std::uint64_t>(op.seed), size_of(op.len));
  return outcome(pwrite(slot(op.fd), bytes.data(), bytes.size(), op.off));
}

Outcome Executor::truncate(const Op& op) {
  if (op.kind == OpKind::kFtruncate) {
    return outcome(ftruncate(slot(op.fd), op.len));
  }
  // truncate(2) knows no directory descriptor.
  if (op.at != kNone && fchdir(dir_of(op.at)) != 0) return outcome(-1);
  return outcome(::truncate(op.path.c_str(), op.len));
}

Outcome Executor::fallocate(const Op& op) {
  return outcome(
      ::fallocate(slot(op.fd), static_cast<int>(op.flags), op.off, op.len));
}

// Where holes begin is the file system's business. That what it skips is zero,
// and what it calls a hole is one, is not.
Outcome Executor::seek(const Op& op) {
  const int fd = slot(op.fd);
  const auto whence = static_cast<int>(op.flags);
  const off_t found = lseek(fd, op.off, whence);
  const int error = errno;
  const auto status = view_of(fd, "", false);
  if (status && status->is_dir()) {
    errno = error;
    Outcome out = outcome(found < 0 ? -1 : 0);
    out.note = "directory";
    return out;
  }
  if (!status || !status->is_regular()) {
    errno = error;
    return outcome(found < 0 ? -1 : 0);
  }
  const auto size = static_cast<std::int64_t>(status->size);
  if (op.off >= size || (found < 0 && error != ENXIO)) {
    errno = error;
    return outcome(found < 0 ? -1 : 0);
  }
  const std::int64_t end = found < 0 ? size : found;
  if (end < op.off || end > size) return {.detail = "outside the file"};
  if (whence == SEEK_HOLE) {
    if (found < 0) return {.detail = "no hole, not even the end"};
    const auto byte = pread_all(fd, end, 1);
    const bool is_hole = byte && (byte->empty() || byte->front() == '\0');
    return {.detail = is_hole || !byte ? "hole" : "data called a hole"};
  }
  const auto skipped = pread_all(fd, op.off, end - op.off);
  if (!skipped) return {.detail = "hole"};  // a write-only descriptor
  const bool zero = skipped->find_first_not_of('\0') == std::string::npos;
  return {.detail = zero ? "hole" : "skipped data"};
}

Outcome Executor::copy_range(const Op& op) {
  off_t from = op.off;
  off_t to = op.off2;
  std::int64_t done = 0;
  while (done < op.len) {
    const ssize_t moved = copy_file_range(slot(op.fd), &from, slot(op.fd2), &to,
                                          size_of(op.len - done), 0);
    if (moved < 0) return outcome(-1);
    if (moved == 0) break;
    done += moved;
  }
  return {.result = done};
}

Outcome Executor::mmap_write(const Op& op) {
  const int fd = slot(op.fd);
  const std::int64_t length = mappable(fd, op.off, op.len);
  if (length <= 0) return outcome(length);
  const Mapping map(fd, op.off, length, PROT_READ | PROT_WRITE);
  if (!map.ok()) return outcome(-1);
  const std::string bytes =
      pattern(static_cast<std::uint64_t>(op.seed), size_of(length));
  if (!copy_mapped(map.data(), bytes.data(), bytes.size())) {
    return {.detail = "SIGBUS"};
  }
  return outcome(map.sync());
}

Outcome Executor::mmap_read(const Op& op) {
  const int fd = slot(op.fd);
  const std::int64_t length = mappable(fd, op.off, op.len);
  if (length <= 0) return outcome(length);
  const Mapping map(fd, op.off, length, PROT_READ);
  if (!map.ok()) return outcome(-1);
  std::string mapped(size_of(length), '\0');
  if (!copy_mapped(mapped.data(), map.data(), mapped.size())) {
    return {.detail = "SIGBUS", .note = "stale"};
  }
  const auto read = pread_all(fd, op.off, length);
  return {.detail = describe(mapped),
          .note = read && *read == mapped ? "coherent" : "stale"};
}

}  // namespace veneer::testing::differential
