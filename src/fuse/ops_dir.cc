// SPDX-License-Identifier: MIT
//
// Messages about listings.
//
// READDIR sends names. READDIRPLUS sends an entry with each, which saves the
// kernel a LOOKUP per name; the names are collected first and looked up after
// the listing's lock is gone. An entry whose attributes cannot be had is still
// listed (its node number is 0: "look it up yourself"), so that the caller
// meets the error where it asks for that entry; one that has vanished is not.

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/cleanup.h"
#include "fuse/dispatcher.h"
#include "fuse/libfuse.h"
#include "fuse/scratch.h"

namespace veneer::fuse {

namespace {

// Where the type stands in a mode: what dirent.h calls DTTOIF().
constexpr int kTypeShift = 12;

// A listing's entry with its name ended by NUL and a stat as libfuse wants it.
struct NamedEntry {
  explicit NamedEntry(const overlay::ListedEntry& entry)
      : name(entry.name),
        ino(entry.ino),
        mode(static_cast<mode_t>(entry.type) << kTypeShift),
        cookie(static_cast<off_t>(entry.cookie)) {}

  struct stat stat() const {
    struct stat out{};
    out.st_ino = ino;
    out.st_mode = mode;
    return out;
  }
  bool is_dot_or_dot_dot() const { return name == "." || name == ".."; }

  std::string name;
  std::uint64_t ino;
  mode_t mode;
  off_t cookie;
};

std::size_t plus_size(const std::string& name) {
  return fuse_add_direntry_plus(nullptr, nullptr, 0, name.c_str(), nullptr, 0);
}

// The entries after `cookie` that fit into `room` bytes of READDIRPLUS.
Result<std::vector<NamedEntry>> list_page(overlay::Filesystem& filesystem,
                                          overlay::NodeId dir, off_t cookie,
                                          std::size_t room) {
  std::vector<NamedEntry> entries;
  std::size_t needed = 0;
  TRY(filesystem.read_dir(dir, static_cast<std::uint64_t>(cookie),
                          [&](const overlay::ListedEntry& entry) {
                            NamedEntry named(entry);
                            needed += plus_size(named.name);
                            if (needed > room) return false;
                            entries.push_back(std::move(named));
                            return true;
                          }));
  return entries;
}

char* at(std::span<std::byte> page, std::size_t used) {
  return reinterpret_cast<char*>(page.data() + used);
}

}  // namespace

void Dispatcher::opendir(Reply& reply, std::uint64_t /*id*/,
                         fuse_file_info* info) {
  if (context_.cache.zero_message_opendir()) return reply.never();
  info->fh = 0;
  info->keep_cache = 1;
  info->cache_readdir = 1;
  reply.opened(*info);
}

void Dispatcher::readdir(Reply& reply, std::uint64_t id, std::size_t room,
                         off_t cookie, fuse_file_info* /*info*/) {
  const std::span<std::byte> page = scratch(room);
  std::size_t used = 0;
  const Result<void> listed =
      filesystem_.read_dir(node(id), static_cast<std::uint64_t>(cookie),
                           [&](const overlay::ListedEntry& entry) {
                             const NamedEntry named(entry);
                             const struct stat stat = named.stat();
                             const std::size_t size = fuse_add_direntry(
                                 nullptr, at(page, used), room - used,
                                 named.name.c_str(), &stat, named.cookie);
                             if (size > room - used) return false;
                             used += size;
                             return true;
                           });
  if (!listed) return reply.error(listed.error());
  reply.bytes(page.first(used));
}

void Dispatcher::readdirplus(Reply& reply, std::uint64_t id, std::size_t room,
                             off_t cookie, fuse_file_info* /*info*/) {
  const std::span<std::byte> page = scratch(room);
  std::size_t used = 0;
  std::vector<overlay::NodeId> given;
  Cleanup give_back([&] {
    for (const overlay::NodeId entry : given) filesystem_.forget(entry, 1);
  });

  // An empty page means the end, so a page of which nothing is left is followed
  // by the next one at once.
  for (bool at_end = false; used == 0 && !at_end;) {
    const Result<std::vector<NamedEntry>> entries =
        list_page(filesystem_, node(id), cookie, room);
    if (!entries) return reply.error(entries.error());
    at_end = entries->empty();
    given.reserve(given.size() + entries->size());
    for (const NamedEntry& named : *entries) {
      cookie = named.cookie;
      fuse_entry_param param{};
      param.attr = named.stat();
      if (!named.is_dot_or_dot_dot()) {
        const Result<std::optional<Entry>> found =
            filesystem_.lookup(node(id), named.name);
        if (found && !*found) continue;
        if (found) {
          given.push_back((*found)->id);
          param = context_.to_entry_param(**found);
        }
      }
      used += fuse_add_direntry_plus(nullptr, at(page, used), room - used,
                                     named.name.c_str(), &param, cookie);
    }
  }
  if (reply.bytes(page.first(used))) give_back.release();
}

}  // namespace veneer::fuse
