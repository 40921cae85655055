// SPDX-License-Identifier: MIT

#include "fuse/dispatcher.h"

#include <cerrno>
#include <exception>
#include <new>
#include <random>

#include "base/log.h"
#include "fuse/libfuse.h"

namespace veneer::fuse {

// What libfuse calls: counts, guards, and calls the method.
template <Message kMessage, typename... Args,
          void (Dispatcher::*kMethod)(Reply&, Args...)>
struct Dispatcher::Handler<kMessage, kMethod> {
  static void call(fuse_req_t request, Args... args) {
    auto& self = *static_cast<Dispatcher*>(fuse_req_userdata(request));
    self.messages_.add(kMessage);
    Reply reply(request, self.context_);
    try {
      (self.*kMethod)(reply, args...);
    } catch (const std::bad_alloc&) {
      reply.error(ENOMEM);
    } catch (const std::exception& problem) {
      log_error("{}: {}", message_name(kMessage), problem.what());
      reply.error(EIO);
    } catch (...) {
      log_error("{}: an unknown exception", message_name(kMessage));
      reply.error(EIO);
    }
  }
};

Dispatcher::Dispatcher(overlay::Filesystem& filesystem,
                       DispatcherOptions options)
    : filesystem_(filesystem),
      options_(std::move(options)),
      context_{.filesystem = filesystem,
               .cache = CachePolicy(options_.cache),
               .generation = std::random_device{}()},
      status_pages_(options_.status) {}

void Dispatcher::init(fuse_conn_info& connection) {
  context_.cache.negotiate(connection);
  if (options_.on_ready) options_.on_ready();
}

// Left out, so that the kernel manages by itself: ACCESS (it checks rights),
// GETLK, SETLK, FLOCK (it keeps the locks), POLL, BMAP.
fuse_lowlevel_ops Dispatcher::operations() {
  fuse_lowlevel_ops ops{};
  ops.init = [](void* self, fuse_conn_info* connection) {
    static_cast<Dispatcher*>(self)->init(*connection);
  };

#define VENEER_HANDLE(name, message) \
  ops.name = Handler<Message::message, &Dispatcher::name>::call
  VENEER_HANDLE(lookup, kLookup);
  VENEER_HANDLE(forget, kForget);
  VENEER_HANDLE(forget_multi, kBatchForget);
  VENEER_HANDLE(mknod, kMknod);
  VENEER_HANDLE(mkdir, kMkdir);
  VENEER_HANDLE(symlink, kSymlink);
  VENEER_HANDLE(link, kLink);
  VENEER_HANDLE(create, kCreate);
  VENEER_HANDLE(unlink, kUnlink);
  VENEER_HANDLE(rmdir, kRmdir);
  VENEER_HANDLE(rename, kRename);
#ifdef VENEER_FUSE_HAS_TMPFILE
  VENEER_HANDLE(tmpfile, kTmpFile);
#endif

  VENEER_HANDLE(getattr, kGetAttr);
  VENEER_HANDLE(setattr, kSetAttr);
  VENEER_HANDLE(readlink, kReadLink);
  VENEER_HANDLE(statfs, kStatFs);
  VENEER_HANDLE(setxattr, kSetXattr);
  VENEER_HANDLE(getxattr, kGetXattr);
  VENEER_HANDLE(listxattr, kListXattr);
  VENEER_HANDLE(removexattr, kRemoveXattr);
#ifdef VENEER_FUSE_HAS_STATX
  VENEER_HANDLE(statx, kStatx);
#endif

  VENEER_HANDLE(open, kOpen);
  VENEER_HANDLE(flush, kFlush);
  VENEER_HANDLE(release, kRelease);
  VENEER_HANDLE(read, kRead);
  VENEER_HANDLE(write, kWrite);
  VENEER_HANDLE(fsync, kFsync);
  VENEER_HANDLE(fallocate, kFallocate);
  VENEER_HANDLE(lseek, kLseek);
  VENEER_HANDLE(copy_file_range, kCopyFileRange);

  VENEER_HANDLE(opendir, kOpenDir);
  VENEER_HANDLE(readdir, kReadDir);
  VENEER_HANDLE(readdirplus, kReadDirPlus);
  ops.releasedir = Handler<Message::kReleaseDir, &Dispatcher::release>::call;
  ops.fsyncdir = Handler<Message::kFsyncDir, &Dispatcher::fsync>::call;

  VENEER_HANDLE(ioctl, kIoctl);
#undef VENEER_HANDLE
  return ops;
}

}  // namespace veneer::fuse
