// SPDX-License-Identifier: MIT
//
// Messages about names: what they lead to, how they come and go.

#include <fcntl.h>

#include <cstring>

#include "fuse/dispatcher.h"
#include "fuse/libfuse.h"

namespace veneer::fuse {

namespace {

// The permission bits of a mode; the type is the operation's to say.
mode_t with_type(mode_t type, mode_t mode) {
  return type | (mode & ~static_cast<mode_t>(S_IFMT));
}

}  // namespace

void Dispatcher::lookup(Reply& reply, std::uint64_t dir, const char* name) {
  // Only a file handle is looked up by these two.
  if (std::strcmp(name, ".") == 0) {
    return reply.entry(filesystem_.lookup_self(node(dir)));
  }
  if (std::strcmp(name, "..") == 0) {
    return reply.entry(filesystem_.lookup_parent(node(dir)));
  }

  const Result<std::optional<Entry>> found =
      filesystem_.lookup(node(dir), name);
  if (!found) return reply.error(found.error());
  if (!*found) return reply.no_entry();
  reply.entry(**found);
}

void Dispatcher::forget(Reply& reply, std::uint64_t id, std::uint64_t count) {
  filesystem_.forget(node(id), count);
  reply.none();
}

void Dispatcher::forget_multi(Reply& reply, std::size_t count,
                              fuse_forget_data* data) {
  for (std::size_t i = 0; i < count; ++i) {
    filesystem_.forget(node(data[i].ino), data[i].nlookup);
  }
  reply.none();
}

void Dispatcher::mknod(Reply& reply, std::uint64_t dir, const char* name,
                       mode_t mode, dev_t rdev) {
  reply.entry(
      filesystem_.make(reply.caller(), node(dir), name, mode, rdev, {}));
}

void Dispatcher::mkdir(Reply& reply, std::uint64_t dir, const char* name,
                       mode_t mode) {
  reply.entry(filesystem_.make(reply.caller(), node(dir), name,
                               with_type(S_IFDIR, mode), 0, {}));
}

void Dispatcher::symlink(Reply& reply, const char* target, std::uint64_t dir,
                         const char* name) {
  reply.entry(filesystem_.make(reply.caller(), node(dir), name,
                               with_type(S_IFLNK, 0777), 0, target));
}

void Dispatcher::link(Reply& reply, std::uint64_t id, std::uint64_t dir,
                      const char* name) {
  reply.entry(filesystem_.link(reply.caller(), node(id), node(dir), name));
}

void Dispatcher::create(Reply& reply, std::uint64_t dir, const char* name,
                        mode_t mode, fuse_file_info* info) {
  const bool only_writes = (info->flags & O_ACCMODE) == O_WRONLY;
  info->direct_io = only_writes && context_.cache.direct_writes();
  reply.created(filesystem_.make(reply.caller(), node(dir), name,
                                 with_type(S_IFREG, mode), 0, {}),
                *info);
}

void Dispatcher::tmpfile(Reply& reply, std::uint64_t dir, mode_t mode,
                         fuse_file_info* info) {
  reply.created(filesystem_.make_unnamed(reply.caller(), node(dir),
                                         with_type(S_IFREG, mode)),
                *info);
}

void Dispatcher::unlink(Reply& reply, std::uint64_t dir, const char* name) {
  reply.done(filesystem_.unlink(reply.caller(), node(dir), name));
}

void Dispatcher::rmdir(Reply& reply, std::uint64_t dir, const char* name) {
  reply.done(filesystem_.remove_dir(reply.caller(), node(dir), name));
}

void Dispatcher::rename(Reply& reply, std::uint64_t dir, const char* name,
                        std::uint64_t new_dir, const char* new_name,
                        unsigned flags) {
  reply.done(filesystem_.rename(reply.caller(), node(dir), name, node(new_dir),
                                new_name, flags));
}

}  // namespace veneer::fuse
