// SPDX-License-Identifier: MIT

#include "composefs/object_list.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "base/mutex.h"
#include "base/verity_digest.h"
#include "composefs/work_stack.h"
#include "sys/file.h"
#include "sys/verity.h"

namespace veneer::composefs {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;
constexpr std::size_t kBatch = 64;

// Without what a path lookup passes over, so that an object counts as named
// however strangely an image does so.
std::string clean_path(std::string_view path) {
  std::string result;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      const std::size_t last = result.rfind('/');
      result.resize(last == result.npos ? 0 : last);
      continue;
    }
    if (!result.empty()) result += '/';
    result += part;
  }
  return result;
}

bool is_let_through(const Tree& tree, NodeIndex index, NameFilter filter) {
  if (filter.empty()) return true;
  while (tree.node(index).parent != kRootNode) index = tree.node(index).parent;
  return std::ranges::find(filter, tree.name(tree.node(index))) != filter.end();
}

class Verifier {
 public:
  explicit Verifier(const ObjectStore& store) : store_(store) {}

  /// "" if all is well.
  std::string check(const NamedObject& object) {
    const auto fd = store_.open_object(object.path);
    if (!fd) {
      const int code = fd.error().code();
      return code == ENOENT ? "it is missing" : fd.error().message();
    }
    const auto attr = sys::stat_fd(fd->get());
    if (!attr) return attr.error().message();
    if (!S_ISREG(attr->mode)) return "it is no regular file";
    if (attr->size != object.size) {
      return fmt::format("it has {} bytes instead of {}", attr->size,
                         object.size);
    }
    const auto wanted =
        object.digest ? object.digest : digest_from_object_name(object.path);
    if (!wanted) return "";
    const auto digest = digest_of(fd->get(), attr->size);
    if (!digest) return digest.error().message();
    return *digest == *wanted ? "" : "its content is not what its digest says";
  }

 private:
  Result<Digest256> digest_of(int fd, std::uint64_t size) {
    TRY_ASSIGN(const auto measured, sys::measure_verity(fd));
    if (measured) return *measured;
    if (buffer_.empty()) buffer_.resize(kBuffer);
    VerityHasher hasher;
    for (std::uint64_t done = 0; done < size;) {
      TRY_ASSIGN(const std::size_t got,
                 sys::pread_full(fd, buffer_.data(), buffer_.size(), done));
      if (got == 0) break;
      hasher.update(std::span(buffer_).first(got));
      done += got;
    }
    return hasher.finish();
  }

  const ObjectStore& store_;
  std::vector<std::byte> buffer_;
};

}  // namespace

void add_objects(const Tree& tree, NameFilter filter,
                 std::vector<NamedObject>& objects) {
  for (NodeIndex i = 0; i < tree.size(); ++i) {
    const TreeNode& node = tree.node(i);
    std::string path = tree.payload(node);
    if (path.empty() || !is_let_through(tree, i, filter)) continue;
    const Digest256* const digest = tree.digest(node);
    objects.push_back({std::move(path),
                       digest ? std::optional(*digest) : std::nullopt,
                       node.size});
  }
}

void sort_objects(std::vector<NamedObject>& objects) {
  std::ranges::sort(objects);
  const auto rest = std::ranges::unique(objects);
  objects.erase(rest.begin(), rest.end());
}

Result<std::vector<ObjectProblem>> verify_objects(
    const ObjectStore& store, const std::vector<NamedObject>& objects,
    unsigned threads, const OnProgress& on_progress) {
  Mutex mutex(Rank::kLeaf);
  std::vector<ObjectProblem> problems;
  std::uint64_t done = 0;
  const auto finish_batch = [&](std::vector<ObjectProblem> found,
                                std::size_t count) -> Result<void> {
    const MutexLock lock(mutex);
    std::ranges::move(found, std::back_inserter(problems));
    done += count;
    if (on_progress && !on_progress({"verifying", done, objects.size()})) {
      return Error(ECANCELED, "verify");
    }
    return {};
  };
  WorkStack<std::size_t> stack;
  for (std::size_t at = 0; at < objects.size(); at += kBatch) stack.push(at);
  TRY(stack.run(thread_count(threads), [&] {
    return [&, verifier = Verifier(store)](std::size_t first) mutable {
      const std::size_t end = std::min(first + kBatch, objects.size());
      std::vector<ObjectProblem> found;
      for (std::size_t i = first; i < end; ++i) {
        std::string what = verifier.check(objects[i]);
        if (!what.empty()) found.push_back({objects[i].path, std::move(what)});
      }
      return finish_batch(std::move(found), end - first);
    };
  }));
  std::ranges::sort(problems, {}, &ObjectProblem::path);
  return problems;
}

Result<Collected> collect_garbage(ObjectStore& store,
                                  const std::vector<NamedObject>& needed,
                                  bool dry_run,
                                  std::vector<std::string>& removed) {
  Collected collected;
  std::vector<std::string> named;
  named.reserve(needed.size());
  for (const NamedObject& each : needed) named.push_back(clean_path(each.path));
  std::ranges::sort(named);
  TRY(store.for_each(
      [&](const ObjectStore::StoredObject& object) -> Result<void> {
        if (std::ranges::binary_search(named, object.path)) {
          ++collected.kept;
          return {};
        }
        ++collected.removed;
        collected.bytes += object.size;
        removed.push_back(object.path);
        return dry_run ? Result<void>() : store.remove(object.path);
      }));
  std::ranges::sort(removed);
  return collected;
}

}  // namespace veneer::composefs
