// SPDX-License-Identifier: MIT

#include "session/image_mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "composefs/image.h"
#include "fuse/session.h"
#include "kernel/erofs_mount.h"
#include "kernel/overlay_mount.h"
#include "overlay/filesystem.h"
#include "session/config.h"
#include "sys/credentials.h"
#include "sys/fs_context.h"
#include "sys/open.h"
#include "veneer/composefs.h"

namespace veneer::session {
namespace {

using composefs::LayerOptions;
using composefs::ServeMode;

Error needs_admin(const Error& error) {
  return sentence(
      error.code(),
      fmt::format("the kernel's overlay needs CAP_SYS_ADMIN: {} (run it in a "
                  "user namespace: unshare -Ur; or use --driver fuse)",
                  reason_of(error.code())));
}

}  // namespace

// The server of metadata, in a thread of its own.
class MetadataServer {
 public:
  static Result<std::unique_ptr<MetadataServer>> start(
      const ImageMountOptions& wanted, bool trusted);
  ~MetadataServer();

  /// The mount, which is attached nowhere.
  int mount() const { return mount_.get(); }
  /// Lets the mount go; the kernel ends it when the overlay above is gone.
  void let_go() { mount_.reset(); }
  Result<void> wait();

 private:
  Result<void> serve();

  std::unique_ptr<overlay::Filesystem> filesystem_;
  std::unique_ptr<fuse::Session> session_;
  sys::UniqueFd mount_;
  std::thread thread_;
  Result<void> ended_;
};

Result<std::unique_ptr<MetadataServer>> MetadataServer::start(
    const ImageMountOptions& wanted, bool trusted) {
  LayerOptions layer_options;
  layer_options.mode = ServeMode::kMetadata;
  layer_options.trusted_xattrs = trusted;
  if (!wanted.digest.empty()) layer_options.digest = wanted.digest;
  TRY_ASSIGN(auto layer, composefs::open_layer(wanted.image, layer_options));
  std::vector<std::unique_ptr<Layer>> layers;
  layers.push_back(std::move(layer));
  auto server = std::make_unique<MetadataServer>();
  TRY_ASSIGN(server->filesystem_,
             overlay::Filesystem::make(std::move(layers), nullptr, {}));
  TRY(server->serve());
  return server;
}

Result<void> MetadataServer::serve() {
  TRY_ASSIGN(sys::UniqueFd device, sys::open_file("/dev/fuse", O_RDWR));
  TRY_ASSIGN(sys::FsContext context, sys::FsContext::open("fuse"));
  for (const char* const flag : {"ro", "default_permissions", "allow_other"}) {
    TRY(context.set_flag(flag));
  }
  TRY(context.set_string("source", "veneer"));
  TRY(context.set_string("subtype", "veneer"));
  TRY(context.set_string("rootmode", "40555"));
  TRY(context.set_string("user_id", std::to_string(geteuid())));
  TRY(context.set_string("group_id", std::to_string(getegid())));
  TRY(context.set_string("fd", std::to_string(device.get())));
  TRY(context.create());
  TRY_ASSIGN(mount_, context.mount(true));

  fuse::SessionOptions options;
  options.read_only = true;
  TRY_ASSIGN(session_, fuse::Session::serve_fd(*filesystem_, device.release(),
                                               std::move(options)));
  thread_ = std::thread([this] { ended_ = session_->run(); });
  return {};
}

Result<void> MetadataServer::wait() {
  if (thread_.joinable()) thread_.join();
  return ended_;
}

MetadataServer::~MetadataServer() {
  mount_.reset();
  if (session_) session_->stop();
  if (thread_.joinable()) thread_.join();
}

class ImageMount::Impl {
 public:
  explicit Impl(const ImageMountOptions& options) : options_(options) {}

  Result<void> start();
  bool needs_server() const { return server_ != nullptr; }
  Result<void> wait() { return server_ ? server_->wait() : Result<void>(); }
  const std::string& description() const { return description_; }

 private:
  Result<void> open_stores();
  Result<sys::UniqueFd> mount_erofs() const;
  Result<void> mount_over(int metadata, bool userxattr, const char* what);

  const ImageMountOptions options_;
  std::vector<sys::UniqueFd> stores_;
  sys::UniqueFd upper_;
  sys::UniqueFd work_;
  std::unique_ptr<MetadataServer> server_;
  std::string description_;
};

Result<void> ImageMount::Impl::open_stores() {
  for (const std::string& objects : options_.objects) {
    TRY_ASSIGN(sys::UniqueFd store, sys::open_dir(objects));
    stores_.push_back(std::move(store));
  }
  if (options_.upper.empty()) return {};
  TRY_ASSIGN(upper_, sys::open_dir(options_.upper));
  TRY_ASSIGN(work_, sys::open_dir(options_.work));
  return {};
}

Result<sys::UniqueFd> ImageMount::Impl::mount_erofs() const {
  // What the kernel is given to mount has been looked at first, and its digest
  // checked.
  LayerOptions looked_at;
  if (!options_.digest.empty()) looked_at.digest = options_.digest;
  TRY(composefs::open_layer(options_.image, looked_at));
  TRY_ASSIGN(const auto image, composefs::Image::open(options_.image));
  const composefs::ImageInfo& info = image.info();
  // A plain image does not say.
  const bool has_acl =
      !info.is_composefs || (info.header.flags & composefs::kHasAcl) != 0;
  return kernel::mount_erofs(image.file().fd(), has_acl);
}

Result<void> ImageMount::Impl::mount_over(int metadata, bool userxattr,
                                          const char* what) {
  std::vector<int> objects;
  for (const sys::UniqueFd& store : stores_) objects.push_back(store.get());
  kernel::OverlaySpec spec =
      kernel::composefs_overlay(metadata, std::move(objects), userxattr);
  spec.detached = {metadata};
  spec.upper = upper_.get();
  spec.work = work_.get();
  spec.read_only = !upper_ || options_.read_only;
  spec.verity = options_.verity;
  TRY_ASSIGN(auto mount,
             kernel::OverlayMount::make(spec, options_.mount_point));
  description_ = fmt::format("{}, overlay by {}", what, mount.form());
  mount.release();
  return {};
}

Result<void> ImageMount::Impl::start() {
  TRY(open_stores());
  if (options_.source != MetadataSource::kFuse) {
    auto erofs = mount_erofs();
    if (erofs) return mount_over(erofs->get(), false, "erofs");
    const int code = erofs.error().code();
    const bool is_lacking = code == EPERM || code == ENODEV || code == ENOSYS;
    if (options_.source == MetadataSource::kErofs || !is_lacking) {
      return erofs.error();
    }
    log_info("no erofs here ({}): the metadata come through FUSE",
             erofs.error().message());
  }
  // In a user namespace trusted.* cannot be read.
  const bool userxattr = !sys::in_first_user_namespace();
  auto server = MetadataServer::start(options_, !userxattr);
  if (!server && server.error().code() == EPERM) {
    return needs_admin(server.error());
  }
  if (!server) return server.error();
  server_ = *std::move(server);
  TRY(mount_over(server_->mount(), userxattr, "metadata by FUSE"));
  server_->let_go();
  return {};
}

Result<std::unique_ptr<ImageMount>> ImageMount::start(
    const ImageMountOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  TRY(impl->start());
  return std::unique_ptr<ImageMount>(new ImageMount(std::move(impl)));
}

ImageMount::ImageMount(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageMount::~ImageMount() = default;
bool ImageMount::needs_server() const { return impl_->needs_server(); }
Result<void> ImageMount::wait() { return impl_->wait(); }
const std::string& ImageMount::description() const {
  return impl_->description();
}

}  // namespace veneer::session
