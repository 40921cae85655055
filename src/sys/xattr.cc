// SPDX-License-Identifier: MIT
//
// The *xattrat system calls (Linux 6.13), or the older ones on /proc/self/fd.
//
// For the descriptor itself the new calls would take an empty name, but then
// refuse O_PATH descriptors. "." serves for directories, in a third of the time
// that the way through /proc takes; which is left for everything else.

#include "sys/xattr.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "sys/call.h"
#include "sys/fault.h"
#include "sys/open.h"

namespace veneer::sys {
namespace {

// One number on all architectures; older headers lack them.
constexpr long kSetXattrAt = 463;
constexpr long kGetXattrAt = 464;
constexpr long kListXattrAt = 465;
constexpr long kRemoveXattrAt = 466;

// struct xattr_args of linux/xattr.h.
struct alignas(8) XattrArgs {
  std::uint64_t value;
  std::uint32_t size;
  std::uint32_t flags;
};

std::uint64_t address(const void* pointer) {
  return reinterpret_cast<std::uint64_t>(pointer);
}

bool has_xattr_at() {
  static const bool has = is_implemented([] {
    XattrArgs args = {};
    return ::syscall(kGetXattrAt, -1, "", AT_EMPTY_PATH, "user.probe", &args,
                     sizeof(args));
  });
  return has && !fault::is_old_kernel();
}

// A path for the older calls to an entry, whatever it is. One that ends in a
// /proc link leads to the entry and no further, even if that is a symbolic
// link.
class EntryPath {
 public:
  static Result<EntryPath> of(int dir, const char* name) {
    if (*name == '\0') return EntryPath(UniqueFd(), dir);
    TRY_ASSIGN(UniqueFd entry, open_at(dir, name, O_PATH));
    const int fd = entry.get();
    return EntryPath(std::move(entry), fd);
  }
  const char* c_str() const { return path_.c_str(); }

 private:
  EntryPath(UniqueFd entry, int fd) : entry_(std::move(entry)), path_(fd) {}
  UniqueFd entry_;
  ProcFdPath path_;
};

// Makes the new call with a name, or where that does not lead to the entry, the
// old call with a path.
template <typename NewCall, typename OldCall>
auto on_entry(int dir, const char* name, const NewCall& new_call,
              const OldCall& old_call) -> decltype(old_call("")) {
  const bool is_dir_itself = *name == '\0';
  if (has_xattr_at()) {
    auto result = new_call(is_dir_itself ? "." : name);
    if (result || !is_dir_itself) return result;
    // Not a directory, or one that may not be searched.
    const int code = result.error().code();
    if (code != ENOTDIR && code != EACCES) return result;
  }
  TRY_ASSIGN(const EntryPath path, EntryPath::of(dir, name));
  return old_call(path.c_str());
}

// Makes `call` with a buffer, which grows until the answer fits into it.
template <typename Call>
Result<std::string> read_growing(Call&& call, const char* operation) {
  char small[1024];
  ssize_t length = call(small, sizeof(small));
  if (length >= 0) return std::string(small, static_cast<std::size_t>(length));

  std::string large;
  while (errno == ERANGE) {
    length = call(nullptr, 0);
    if (length < 0) break;
    large.resize(static_cast<std::size_t>(length));
    // Removed in between, and empty now: a size of 0 would only ask again.
    if (length == 0) return large;
    length = call(large.data(), large.size());
    if (length < 0) continue;
    large.resize(static_cast<std::size_t>(length));
    return large;
  }
  return last_error(operation);
}

Result<std::optional<std::string>> absent_if_no_data(Result<std::string> read) {
  if (read) return std::optional<std::string>(*std::move(read));
  if (read.error().code() == ENODATA) return std::optional<std::string>();
  return std::move(read).error();
}

}  // namespace

Result<std::optional<std::string>> get_xattr_at(int dir, const char* name,
                                                const char* xattr) {
  return absent_if_no_data(on_entry(
      dir, name,
      [&](const char* entry) {
        const auto get = [&](char* buffer, std::size_t size) -> ssize_t {
          XattrArgs args = {address(buffer), static_cast<std::uint32_t>(size),
                            0};
          return ::syscall(kGetXattrAt, dir, entry, AT_SYMLINK_NOFOLLOW, xattr,
                           &args, sizeof(args));
        };
        return read_growing(get, "getxattrat");
      },
      [&](const char* path) {
        const auto get = [&](char* buffer, std::size_t size) {
          return ::getxattr(path, xattr, buffer, size);
        };
        return read_growing(get, "getxattr");
      }));
}

Result<std::optional<std::string>> get_xattr_fd(int fd, const char* xattr) {
  return get_xattr_at(fd, "", xattr);
}

Result<std::string> list_xattrs_at(int dir, const char* name) {
  return on_entry(
      dir, name,
      [&](const char* entry) {
        const auto list = [&](char* buffer, std::size_t size) -> ssize_t {
          return ::syscall(kListXattrAt, dir, entry, AT_SYMLINK_NOFOLLOW,
                           buffer, size);
        };
        return read_growing(list, "listxattrat");
      },
      [&](const char* path) {
        const auto list = [&](char* buffer, std::size_t size) {
          return ::listxattr(path, buffer, size);
        };
        return read_growing(list, "listxattr");
      });
}

Result<std::string> list_xattrs_fd(int fd) { return list_xattrs_at(fd, ""); }

Result<std::string> list_xattrs_open(int fd) {
  const auto list = [fd](char* buffer, std::size_t size) {
    return ::flistxattr(fd, buffer, size);
  };
  return read_growing(list, "flistxattr");
}

Result<void> set_xattr_at(int dir, const char* name, const char* xattr,
                          std::string_view value, int flags) {
  TRY(fault::before_mutation("setxattr"));
  return on_entry(
      dir, name,
      [&](const char* entry) {
        const XattrArgs args = {address(value.data()),
                                static_cast<std::uint32_t>(value.size()),
                                static_cast<std::uint32_t>(flags)};
        return check(::syscall(kSetXattrAt, dir, entry, AT_SYMLINK_NOFOLLOW,
                               xattr, &args, sizeof(args)),
                     "setxattrat");
      },
      [&](const char* path) {
        return check(::setxattr(path, xattr, value.data(), value.size(), flags),
                     "setxattr");
      });
}

Result<void> set_xattr_fd(int fd, const char* xattr, std::string_view value,
                          int flags) {
  return set_xattr_at(fd, "", xattr, value, flags);
}

Result<void> remove_xattr_at(int dir, const char* name, const char* xattr) {
  TRY(fault::before_mutation("removexattr"));
  return on_entry(
      dir, name,
      [&](const char* entry) {
        return check(
            ::syscall(kRemoveXattrAt, dir, entry, AT_SYMLINK_NOFOLLOW, xattr),
            "removexattrat");
      },
      [&](const char* path) {
        return check(::removexattr(path, xattr), "removexattr");
      });
}

Result<void> remove_xattr_fd(int fd, const char* xattr) {
  return remove_xattr_at(fd, "", xattr);
}

}  // namespace veneer::sys
