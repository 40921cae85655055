// SPDX-License-Identifier: MIT
//
// The layer's xattrs and data, and opening a layer.

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "base/log.h"
#include "base/verity_digest.h"
#include "composefs/composefs_layer.h"
#include "composefs/image_digest.h"

namespace veneer::composefs {
namespace {

// Files that lie in pieces and are no larger are read as a whole.
constexpr std::uint64_t kReadWhole = 64 * 1024;

const ComposefsNode& of(const LayerNode& node) {
  return static_cast<const ComposefsNode&>(node);
}

class PiecesReader : public DataReader {
 public:
  PiecesReader(std::shared_ptr<const Image> image, const Inode& inode)
      : image_(std::move(image)), inode_(inode) {}

  Result<std::size_t> read(std::uint64_t offset,
                           std::span<std::byte> into) const override {
    return image_->read(inode_, offset, into);
  }

 private:
  const std::shared_ptr<const Image> image_;
  const Inode inode_;
};

}  // namespace

Result<Attr> ComposefsLayer::get_attr(const LayerNode& node) {
  TRY_ASSIGN(const Inode inode, image_->inode(of(node).nid()));
  return attr_of(inode);
}

Result<std::string> ComposefsLayer::read_link(const LayerNode& node) {
  TRY_ASSIGN(const Inode inode, image_->inode(of(node).nid()));
  return image_->read_link(inode);
}

// --- Xattrs ---

Result<std::optional<std::string>> ComposefsLayer::get_xattr(
    const LayerNode& node, const std::string& name) {
  const auto stored = names_.stored(name);
  if (!stored) return std::optional<std::string>();
  TRY_ASSIGN(const Inode inode, image_->inode(of(node).nid()));
  return image_->xattr(inode, *stored);
}

Result<std::string> ComposefsLayer::list_xattrs(const LayerNode& node) {
  TRY_ASSIGN(const Inode inode, image_->inode(of(node).nid()));
  std::string list;
  TRY(image_->for_each_xattr(inode, [&](const StoredXattr& xattr) {
    if (const auto name = names_.shown(xattr.name())) {
      list.append(*name).push_back('\0');
    }
    return true;
  }));
  return list;
}

// --- Data ---

Result<FileData> ComposefsLayer::open_data(const LayerNode& node) {
  TRY_ASSIGN(const Inode inode, image_->inode(of(node).nid()));
  if (!inode.is_regular()) return Error(EINVAL, "open_data");
  if (inode.size == 0) return FileData{};
  if (is_composefs()) {
    TRY_ASSIGN(auto metacopy, image_->xattr(inode, kMetacopyName));
    if (metacopy) return open_external(inode, *std::move(metacopy));
  }
  return open_stored(inode);
}

Result<FileData> ComposefsLayer::open_external(const Inode& inode,
                                               std::string metacopy) {
  if (objects_ == nullptr) return Error(EIO, "metadata only");
  TRY_ASSIGN(auto redirect, image_->xattr(inode, kRedirectName));
  if (!redirect) {
    log_error("{}: inode {} says neither content nor object",
              image_->file().name(), inode.nid);
    return Error(EIO, "open object");
  }
  return objects_->open_object({.redirect = *std::move(redirect),
                                .metacopy = std::move(metacopy),
                                .size = inode.size});
}

Result<FileData> ComposefsLayer::open_stored(const Inode& inode) const {
  FileData data;
  TRY_ASSIGN(const Piece piece, image_->piece_at(inode, 0));
  if (piece.offset && piece.size == inode.size) {
    data.fd = image_->file().fd();
    data.offset = *piece.offset;
    data.length = inode.size;
    data.owner = image_;
    return data;
  }
  if (inode.size > kReadWhole) {
    data.reader = std::make_shared<const PiecesReader>(image_, inode);
    return data;
  }
  auto bytes = std::make_shared<std::vector<std::byte>>(
      static_cast<std::size_t>(inode.size));
  TRY(image_->read(inode, 0, *bytes));
  data.bytes = *bytes;
  data.owner = std::move(bytes);
  return data;
}

// The kernel's overlay asks before it copies a file up, and takes this for "no
// flags"; other answers make the copy fail.
Result<unsigned> ComposefsLayer::get_flags(const LayerNode& /*node*/) {
  return Error(ENOTTY, "ioctl");
}

Result<void> ComposefsLayer::get_fsxattr(const LayerNode& /*node*/,
                                         fsxattr& /*out*/) {
  return Error(ENOTTY, "ioctl");
}

// --- Identity ---

// Two images of one shape have the same inode numbers, so a record must say
// which of them it means, or a file of the one would be taken for a file of the
// other: by the image's digest, or for a plain image by its UUID.
const std::optional<ImageId>& ComposefsLayer::image_id() {
  std::call_once(id_once_, [this] {
    ImageId id = {};
    if (!is_composefs()) {
      id = image_->info().super.uuid;
      if (id != ImageId{}) id_ = id;
      return;
    }
    if (!digest_) {
      const auto digest = image_digest(image_->file());
      if (!digest) return;
      digest_ = *digest;
    }
    std::memcpy(id.data(), digest_->data(), id.size());
    id_ = id;
  });
  return id_;
}

std::string ComposefsLayer::origin_record(const LayerNode& node) {
  const auto& id = image_id();
  return id ? encode_origin(*id, of(node).nid()) : std::string();
}

std::optional<Attr> ComposefsLayer::resolve_origin(std::string_view record) {
  if (!is_origin(record)) return std::nullopt;
  const auto& id = image_id();
  const auto nid = id ? decode_origin(record, *id) : std::nullopt;
  if (!nid) return std::nullopt;
  const auto inode = image_->inode(*nid);
  if (!inode) return std::nullopt;
  return attr_of(*inode);
}

// --- Opening ---

Result<std::unique_ptr<Layer>> open_layer(const std::string& path,
                                          const LayerOptions& options) {
  TRY_ASSIGN(Image opened, Image::open(path));
  const auto image = std::make_shared<const Image>(std::move(opened));
  std::optional<Digest256> digest;
  if (options.digest) {
    digest = digest_from_hex(*options.digest);
    if (!digest) {
      return Error(EINVAL, "open image",
                   fmt::format("{:?} is not a digest", *options.digest));
    }
    TRY(check_image_digest(image->file(), *digest));
  }
  std::unique_ptr<ObjectReader> objects;
  if (options.mode == ServeMode::kFollow) {
    TRY_ASSIGN(objects, ObjectReader::open(options.objects, options.verify));
  }
  TRY_ASSIGN(auto layer,
             ComposefsLayer::make(image, options, std::move(objects), digest));
  return std::unique_ptr<Layer>(std::move(layer));
}

}  // namespace veneer::composefs
