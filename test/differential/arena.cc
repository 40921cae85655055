// SPDX-License-Identifier: MIT
//
// Layers are built from the bottom up, each as scripts say: first raw, then
// through an overlay of the kernel whose upper it is, which leaves redirects,
// metacopies and origins in it as a real stack of layers has them. Then its
// entries get time stamps of their own from long ago.

#include "test/differential/arena.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "test/differential/executor.h"

namespace veneer::testing::differential {
namespace {

std::optional<std::string> make_dir(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) return std::nullopt;
  return "mkdir " + path + ": " + std::strerror(errno);
}

// Old, different for each entry, and with nanoseconds.
void set_time(int dir_fd, const char* path, std::int64_t index) {
  const timespec times[2] = {{1400000000 + index * 7, 111 + index},
                             {1500000000 + index * 11, 999000000 + index}};
  utimensat(dir_fd, path, times, AT_SYMLINK_NOFOLLOW);
}

void age(int root_fd, int host_fd, std::int64_t first) {
  for (const Entry& entry : snapshot_of(root_fd, host_fd)) {
    set_time(root_fd, entry.path.empty() ? "." : entry.path.c_str(), first++);
  }
}

void run_all(const Script& script, Phase phase, std::uint32_t layer,
             int root_fd, int host_fd) {
  Executor executor(root_fd, host_fd);
  umask(022);
  for (const Op& op : script) {
    if (op.phase == phase && op.layer == layer) executor.run(op);
  }
  umask(022);
}

}  // namespace

OpenDir::OpenDir(const std::string& path)
    : fd_(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

OpenDir::~OpenDir() {
  if (fd_ >= 0) close(fd_);
}

std::string Arena::layer_dir(std::uint32_t layer) const {
  return "layers/" + std::to_string(layer);
}

Site Arena::site(int mount, int upper) const {
  const std::string side = base_ + "/side" + std::to_string(upper);
  Site site{.lowers = {},
            .upper = side + "/upper",
            .work = side + "/work",
            .mount_point = base_ + "/mnt" + std::to_string(mount)};
  for (std::uint32_t i = 0; i < layers_; ++i) {
    site.lowers.push_back(base_ + "/watched/" + std::to_string(i));
  }
  return site;
}

std::optional<std::string> Arena::build(const Script& script, int host_fd) {
  layers_ = 1;
  for (const Op& op : script) {
    if (op.phase == Phase::kRaw || op.phase == Phase::kVia) {
      layers_ = std::max(layers_, op.layer + 1);
    }
  }
  for (const char* name :
       {"layers", "watched", "mnt0", "mnt1", "side0", "side1", "side0/upper",
        "side1/upper", "side0/work", "side1/work", "stage", "stage/mnt"}) {
    if (auto problem = make_dir(base_ + "/" + name)) return problem;
  }
  for (std::uint32_t layer = layers_; layer-- > 0;) {
    if (auto problem = build_layer(script, layer, host_fd)) return problem;
  }
  for (const char* side : {"/side0/upper", "/side1/upper"}) {
    set_time(AT_FDCWD, (base_ + side).c_str(), 0);
  }
  const std::string source = base_ + "/layers";
  const std::string watched = base_ + "/watched";
  if (mount(source.c_str(), watched.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      mount(nullptr, watched.c_str(), nullptr,
            MS_REMOUNT | MS_BIND | MS_STRICTATIME, nullptr) != 0) {
    return std::string("bind layers: ") + std::strerror(errno);
  }
  return std::nullopt;
}

std::optional<std::string> Arena::build_layer(const Script& script,
                                              std::uint32_t layer,
                                              int host_fd) {
  const std::string dir = base_ + "/" + layer_dir(layer);
  if (auto problem = make_dir(dir)) return problem;
  const OpenDir root(dir);
  run_all(script, Phase::kRaw, layer, root.fd(), host_fd);

  const bool worked_over =
      std::any_of(script.begin(), script.end(), [layer](const Op& op) {
        return op.phase == Phase::kVia && op.layer == layer;
      });
  if (worked_over && layer + 1 < layers_) {
    const std::string work = base_ + "/stage/work" + std::to_string(layer);
    if (auto problem = make_dir(work)) return problem;
    Site site{.lowers = {},
              .upper = dir,
              .work = work,
              .mount_point = base_ + "/stage/mnt"};
    for (std::uint32_t below = layer + 1; below < layers_; ++below) {
      site.lowers.push_back(base_ + "/" + layer_dir(below));
    }
    const KernelOverlay kernel;
    if (auto problem = kernel.mount(site)) return problem;
    {
      const OpenDir merged(site.mount_point);
      run_all(script, Phase::kVia, layer, merged.fd(), host_fd);
    }
    if (auto problem = kernel.unmount(site)) return problem;
  }
  age(root.fd(), host_fd, 1000 * (layer + 1));
  return std::nullopt;
}

Snapshot Arena::upper_state(int upper, int host_fd) const {
  const OpenDir root(site(0, upper).upper);
  return snapshot_of(root.fd(), host_fd);
}

std::vector<std::map<std::string, std::string>> Arena::lower_state(
    int host_fd) const {
  std::vector<std::map<std::string, std::string>> states;
  for (std::uint32_t i = 0; i < layers_; ++i) {
    const OpenDir root(base_ + "/" + layer_dir(i));
    states.push_back(raw_state_of(root.fd(), host_fd));
  }
  return states;
}

}  // namespace veneer::testing::differential
