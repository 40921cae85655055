// SPDX-License-Identifier: MIT

#include "bench/macro/work.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "bench/macro/machine.h"
#include "sys/dir_stream.h"
#include "sys/fd.h"

namespace veneer::bench {
namespace {

using sys::UniqueFd;

constexpr char kFiveBytes[] = "five!";
constexpr std::uint64_t kMiB = 1U << 20;

Result<UniqueFd> open_at(const Site& site, const std::string& path, int flags) {
  UniqueFd fd(::openat(site.root, path.c_str(), flags | O_CLOEXEC, 0644));
  if (!fd) return failed("open", path);
  return fd;
}

Result<void> stat_at(const Site& site, const std::string& path) {
  struct stat status;
  if (::fstatat(site.root, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return failed("stat", path);
  }
  return {};
}

Result<void> must_miss(const Site& site, const std::string& path) {
  struct stat status;
  if (::fstatat(site.root, path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    return Error(EEXIST, "stat", path);
  }
  if (errno != ENOENT) return failed("stat", path);
  return {};
}

// Opens, writes five bytes, closes.
Result<void> write_five(const Site& site, const std::string& path, int flags) {
  TRY_ASSIGN(const UniqueFd fd, open_at(site, path, O_WRONLY | flags));
  if (::write(fd.get(), kFiveBytes, 5) != 5) return failed("write", path);
  return {};
}

// Calls `act(dir, file)` for the files of the part [from, to) of a hundredth
// of each directory's files.
template <typename Act>
Count for_files(const Shape& shape, int from, int to, const Act& act) {
  std::uint64_t count = 0;
  for (int dir = 0; dir < shape.dirs; ++dir) {
    const int end = shape.files * to / 100;
    for (int file = shape.files * from / 100; file < end; ++file, ++count) {
      TRY(act(dir, file));
    }
  }
  return count;
}

// Opens each directory from the root down, as find does, and calls `see(fd,
// name)` for what is listed there.
template <typename See>
Count for_entries(const Site& site, const See& see) {
  std::uint64_t count = 0;
  Result<void> seen;
  for (int dir = -1; dir < site.shape.dirs; ++dir) {
    const std::string name = dir < 0 ? "." : dir_name(dir);
    TRY_ASSIGN(const UniqueFd fd, open_at(site, name, O_RDONLY | O_DIRECTORY));
    TRY(sys::read_dir(fd.get(),
                      [&](std::string_view entry, std::uint64_t, std::uint8_t) {
                        ++count;
                        if (seen) seen = see(fd.get(), entry);
                      }));
  }
  TRY(std::move(seen));
  const auto expected =
      static_cast<std::uint64_t>(site.shape.dirs * (site.shape.files + 1) + 1);
  if (count != expected) return Error(EIO, "readdir");
  return count;
}

Count read_big(const Site& site, std::uint64_t step) {
  TRY_ASSIGN(const UniqueFd fd, open_at(site, kBigFile, O_RDONLY));
  std::vector<char> buffer(step);
  std::uint64_t total = 0;
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0) return failed("read", kBigFile);
    if (count == 0) break;
    total += static_cast<std::uint64_t>(count);
  }
  if (total != site.shape.big_bytes) return Error(EIO, "read", kBigFile);
  return total / kMiB;
}

// The file is closed before the clock stops, so that what is held back counts.
Count write_big(const Site& site, const std::string& name, std::uint64_t step) {
  TRY_ASSIGN(UniqueFd fd, open_at(site, name, O_WRONLY | O_CREAT | O_EXCL));
  const std::vector<char> buffer(step, 'w');
  for (std::uint64_t at = 0; at < site.shape.big_bytes; at += step) {
    if (::write(fd.get(), buffer.data(), buffer.size()) !=
        static_cast<ssize_t>(step)) {
      return failed("write", name);
    }
  }
  fd.reset();
  return site.shape.big_bytes / kMiB;
}

}  // namespace

Count walk(const Site& site) {
  return for_entries(site,
                     [](int, std::string_view) -> Result<void> { return {}; });
}

Count list(const Site& site) {
  return for_entries(site, [](int dir, std::string_view name) -> Result<void> {
    struct stat status;
    if (::fstatat(dir, name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      return failed("stat", std::string(name));
    }
    return {};
  });
}

Count stat_files(const Site& site) {
  return for_files(site.shape, 0, 100, [&](int dir, int file) {
    return stat_at(site, file_name(dir, file));
  });
}

Count read_files(const Site& site) {
  return for_files(site.shape, 0, 100, [&](int dir, int file) -> Result<void> {
    const std::string path = file_name(dir, file);
    TRY_ASSIGN(const UniqueFd fd, open_at(site, path, O_RDONLY));
    char buffer[4096];
    const ssize_t count = ::read(fd.get(), buffer, sizeof(buffer));
    if (count != static_cast<ssize_t>(file_size(dir, file))) {
      return failed("read", path);
    }
    return {};
  });
}

Count miss(const Site& site) {
  return for_files(site.shape, 0, 100, [&](int dir, int file) {
    return must_miss(site, absent_name(dir, file));
  });
}

Count create(const Site& site) {
  return for_files(site.shape, 0, 20, [&](int dir, int file) {
    return write_five(site, fmt::format("{}/new{}", dir_name(dir), file),
                      O_CREAT | O_EXCL);
  });
}

Count create_in_new(const Site& site) {
  return for_files(site.shape, 0, 20, [&](int dir, int file) -> Result<void> {
    const std::string parent = fmt::format("made{}", dir);
    if (file == 0 && ::mkdirat(site.root, parent.c_str(), 0755) != 0) {
      return failed("mkdir", parent);
    }
    return write_five(site, fmt::format("{}/new{}", parent, file),
                      O_CREAT | O_EXCL);
  });
}

Count append(const Site& site) {
  return for_files(site.shape, 0, 20, [&](int dir, int file) {
    return write_five(site, file_name(dir, file), O_APPEND);
  });
}

Count chmod_files(const Site& site) {
  return for_files(site.shape, 20, 40, [&](int dir, int file) -> Result<void> {
    const std::string path = file_name(dir, file);
    if (::fchmodat(site.root, path.c_str(), 0600, 0) != 0) {
      return failed("chmod", path);
    }
    return {};
  });
}

Count rename_files(const Site& site) {
  return for_files(site.shape, 40, 60, [&](int dir, int file) -> Result<void> {
    const std::string path = file_name(dir, file);
    if (::renameat(site.root, path.c_str(), site.root,
                   (path + ".moved").c_str()) != 0) {
      return failed("rename", path);
    }
    return {};
  });
}

Count unlink_files(const Site& site) {
  return for_files(site.shape, 60, 80, [&](int dir, int file) -> Result<void> {
    const std::string path = file_name(dir, file);
    if (::unlinkat(site.root, path.c_str(), 0) != 0) {
      return failed("unlink", path);
    }
    return {};
  });
}

Count read_big_1m(const Site& site) { return read_big(site, kMiB); }
Count read_big_64k(const Site& site) { return read_big(site, kMiB / 16); }
Count write_big_1m(const Site& site) { return write_big(site, "a", kMiB); }
Count write_big_64k(const Site& site) {
  return write_big(site, "b", kMiB / 16);
}

Count append_to_big(const Site& site) {
  TRY(write_five(site, kBigFile, O_APPEND));
  return site.shape.big_bytes / kMiB;
}

// Evenly from the topmost layer to the lowest.
Count stat_stack(const Site& site) {
  const Shape& shape = site.shape;
  for (int i = 0; i < shape.asked; ++i) {
    TRY(stat_at(site, stack_file_name(i * shape.layers / shape.asked)));
  }
  return static_cast<std::uint64_t>(shape.asked);
}

Count miss_in_stack(const Site& site) {
  for (int i = 0; i < site.shape.asked; ++i) {
    TRY(must_miss(site, fmt::format("d/none{}", i)));
  }
  return static_cast<std::uint64_t>(site.shape.asked);
}

Count stat_nodes(const Site& site) {
  std::uint64_t count = 0;
  for (int dir = 0; dir < site.shape.node_dirs; ++dir) {
    for (int file = 0; file < site.shape.nodes_per_dir; ++file, ++count) {
      TRY(stat_at(site, file_name(dir, file)));
    }
  }
  return count;
}

}  // namespace veneer::bench
