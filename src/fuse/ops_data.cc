// SPDX-License-Identifier: MIT
//
// Messages about what is in files.

#include <cerrno>

#include "fuse/dispatcher.h"
#include "fuse/libfuse.h"
#include "fuse/scratch.h"

namespace veneer::fuse {

namespace {

// The overlay tells the privileged by their user id; the kernel knows better,
// for capabilities can be dropped and kept, and says so with each write.
overlay::Caller as_writer(overlay::Caller caller, const fuse_file_info& info) {
  constexpr uid_t kNobody = 65534;
  const bool is_root = caller.uid == 0;
  const bool kills = asks_to_kill_set_id(info, !is_root);
  if (kills == is_root) caller.uid = kills ? kNobody : 0;
  return caller;
}

}  // namespace

void Dispatcher::open(Reply& reply, std::uint64_t /*id*/,
                      fuse_file_info* info) {
  if (context_.cache.zero_message_open()) return reply.never();
  info->fh = 0;
  info->keep_cache = 1;
  reply.opened(*info);
}

// There is nothing to do at close(2): what was written has been written.
void Dispatcher::flush(Reply& reply, std::uint64_t /*id*/,
                       fuse_file_info* /*info*/) {
  reply.never();
}

void Dispatcher::release(Reply& reply, std::uint64_t /*id*/,
                         fuse_file_info* /*info*/) {
  reply.error(0);
}

void Dispatcher::read(Reply& reply, std::uint64_t id, std::size_t size,
                      off_t offset, fuse_file_info* /*info*/) {
  const auto read = filesystem_.read(
      node(id), static_cast<std::uint64_t>(offset), scratch(size));
  if (!read) return reply.error(read.error());
  reply.bytes(read->bytes);
}

void Dispatcher::write(Reply& reply, std::uint64_t id, const char* data,
                       std::size_t size, off_t offset, fuse_file_info* info) {
  auto kind = overlay::WriteKind::kCall;
  if (info->writepage != 0) {
    kind = context_.cache.uses_writeback() ? overlay::WriteKind::kHeldBack
                                           : overlay::WriteKind::kMapping;
  }
  reply.written(filesystem_.write(
      as_writer(reply.caller(), *info), node(id),
      static_cast<std::uint64_t>(offset),
      {reinterpret_cast<const std::byte*>(data), size}, kind));
}

void Dispatcher::fsync(Reply& reply, std::uint64_t id, int data_only,
                       fuse_file_info* /*info*/) {
  if (options_.never_syncs) return reply.never();
  reply.done(filesystem_.fsync(node(id), data_only != 0));
}

void Dispatcher::fallocate(Reply& reply, std::uint64_t id, int mode,
                           off_t offset, off_t length,
                           fuse_file_info* /*info*/) {
  reply.done(filesystem_.fallocate(reply.caller(), node(id), mode,
                                   static_cast<std::uint64_t>(offset),
                                   static_cast<std::uint64_t>(length)));
}

void Dispatcher::lseek(Reply& reply, std::uint64_t id, off_t offset, int whence,
                       fuse_file_info* /*info*/) {
  if (offset < 0) return reply.error(ENXIO);
  reply.offset(
      filesystem_.seek(node(id), static_cast<std::uint64_t>(offset), whence));
}

void Dispatcher::copy_file_range(Reply& reply, std::uint64_t from,
                                 off_t from_offset,
                                 fuse_file_info* /*from_info*/,
                                 std::uint64_t to, off_t to_offset,
                                 fuse_file_info* /*to_info*/, std::size_t size,
                                 int flags) {
  if (flags != 0) return reply.error(EINVAL);
  reply.written(filesystem_.copy_file_range(
      reply.caller(), node(from), static_cast<std::uint64_t>(from_offset),
      node(to), static_cast<std::uint64_t>(to_offset), size));
}

}  // namespace veneer::fuse
