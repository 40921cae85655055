// SPDX-License-Identifier: MIT
//
// A Layer as a source: a LayerFS layer, an image, or the merged tree of several
// that presents itself as one. A piece of work is a directory, or some of its
// files.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "composefs/format.h"
#include "composefs/intake.h"
#include "composefs/source.h"
#include "composefs/work_stack.h"
#include "sys/fd.h"
#include "sys/file_data.h"
#include "sys/open.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kBatch = 128;

// A directory to be listed; with names, those of its entries to look at.
struct Task {
  NodeIndex node = kRootNode;
  LayerNodeRef dir;
  std::vector<std::pair<std::string, bool>> names;  // is it a whiteout?
};

class Worker {
 public:
  Worker(Layer& layer, Intake& intake, WorkStack<Task>& stack)
      : layer_(layer),
        intake_(intake),
        stack_(stack),
        reader_(intake.options()) {}

  Result<void> operator()(Task task) {
    return task.names.empty() ? list(task) : examine(task);
  }

  /// What an object is to the image, but its name.
  Result<Found> describe(const Child& child);

 private:
  const SourceOptions& options() const { return intake_.options(); }

  Result<void> list(const Task& task);
  Result<void> examine(const Task& task);
  Result<void> read_xattrs(const Child& child, Found& found);
  Result<void> read_file(const Child& child, Found& found);

  Layer& layer_;
  Intake& intake_;
  WorkStack<Task>& stack_;
  ContentReader reader_;
};

Result<void> Worker::list(const Task& task) {
  std::vector<std::pair<std::string, bool>> names;
  TRY(layer_.read_dir(*task.dir, [&](const DirEntry& entry) {
    names.emplace_back(entry.name, entry.whiteout);
    if (names.size() < kBatch) return;
    stack_.push({task.node, task.dir, std::exchange(names, {})});
  }));
  if (!names.empty()) stack_.push({task.node, task.dir, std::move(names)});
  return {};
}

Result<void> Worker::examine(const Task& task) {
  std::vector<Found> all;
  std::vector<LayerNodeRef> dirs;
  for (const auto& [name, is_whiteout] : task.names) {
    Found found;
    LayerNodeRef dir;
    if (is_whiteout) {
      if (options().skip_devices) continue;
      found.attributes.mode = S_IFCHR;
    } else {
      TRY_ASSIGN(const auto child, layer_.lookup(*task.dir, name));
      if (!child || !child->node) continue;
      const bool is_device =
          S_ISCHR(child->attr.mode) || S_ISBLK(child->attr.mode);
      if (options().skip_devices && is_device) continue;
      auto described = describe(*child);
      if (!described) {
        return described.error().about(layer_.path_of(*child->node));
      }
      found = *std::move(described);
      if (S_ISDIR(child->attr.mode)) dir = child->node;
    }
    found.name = name;
    all.push_back(std::move(found));
    dirs.push_back(std::move(dir));
  }
  TRY_ASSIGN(const auto nodes, intake_.add(task.node, all));
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (dirs[i]) stack_.push({nodes[i], std::move(dirs[i]), {}});
  }
  return {};
}

Result<Found> Worker::describe(const Child& child) {
  if (child.marks.metacopy || child.marks.redirect) {
    return Error(EINVAL, "",
                 fmt::format("/{}: it continues in the layers below (take the "
                             "merged tree)",
                             layer_.path_of(*child.node)));
  }
  Found found;
  found.attributes = attributes_of(child.attr, options());
  if (!S_ISDIR(child.attr.mode) && child.attr.nlink > 1) {
    found.dev = child.attr.dev;
    found.ino = child.attr.ino;
  }
  if (S_ISREG(child.attr.mode)) TRY(read_file(child, found));
  if (S_ISLNK(child.attr.mode)) {
    TRY_ASSIGN(found.text, layer_.read_link(*child.node));
  }
  TRY(read_xattrs(child, found));
  // What hides the layers below is to do so from the image too.
  if (child.marks.opaque) found.xattrs.emplace_back(kOpaqueName, "y");
  return found;
}

// Bytes in several places, brought together in a file without a name.
Result<FileData> gather(const FileData& pieces, std::uint64_t size) {
  TRY_ASSIGN(const sys::UniqueFd place,
             sys::open_dir(std::filesystem::temp_directory_path().string()));
  TRY_ASSIGN(sys::UniqueFd made, sys::open_tmpfile(place.get(), O_RDWR, 0600));
  TRY(sys::copy_data(pieces, made.get(), size));
  const sys::SharedFd file = sys::share(std::move(made));
  return FileData{.fd = file->get(), .owner = file};
}

Result<void> Worker::read_file(const Child& child, Found& found) {
  if (child.attr.size == 0) return {};
  TRY_ASSIGN(FileData data, layer_.open_data(*child.node));
  if (data.reader) {
    TRY_ASSIGN(data, gather(data, child.attr.size));
  }
  Content content = {data.fd, data.offset, child.attr.size, std::nullopt};
  if (data.fd < 0) content.bytes = data.bytes;
  const std::uint64_t length = content.bytes
                                   ? content.bytes->size()
                                   : data.length.value_or(content.size);
  if (length != content.size) return Error(EAGAIN, "read: it has another size");
  return reader_.read(content, found);
}

Result<void> Worker::read_xattrs(const Child& child, Found& found) {
  if (options().skip_xattrs || child.marks.no_xattrs) return {};
  auto names = layer_.list_xattrs(*child.node);
  if (!names) {
    if (names.error().code() == EOPNOTSUPP) return {};
    return std::move(names).error();
  }
  for (std::size_t at = 0; at < names->size();) {
    const std::string name(names->c_str() + at);
    at += name.size() + 1;
    if (!wants_xattr(name, options())) continue;
    TRY_ASSIGN(auto value, layer_.get_xattr(*child.node, name));
    if (value) found.xattrs.emplace_back(name, *std::move(value));
  }
  return {};
}

}  // namespace

Result<TreePtr> read_layer(Layer& layer, const SourceOptions& options) {
  Intake intake(options);
  WorkStack<Task> stack;
  const Child& root = layer.root();
  TRY_ASSIGN(const Found found, Worker(layer, intake, stack).describe(root));
  TRY(intake.add(kRootNode, std::span(&found, 1)));
  stack.push({kRootNode, root.node, {}});
  TRY(stack.run(thread_count(options.threads),
                [&] { return Worker(layer, intake, stack); }));
  return intake.finish("layer");
}

}  // namespace veneer::composefs
