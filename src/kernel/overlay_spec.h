// SPDX-License-Identifier: MIT
//
// What a mount of the kernel's overlayfs is made of, and how that is said to
// the kernel.
//
// Layers are descriptors, so that what is mounted is what was looked at, and
// mounts that are attached nowhere can be layers. The kernel takes them as they
// are since Linux 6.13 (O_PATH ones and such mounts since 6.15), before that as
// paths in /proc, one by one since 6.7, and in one string since ever. Which of
// these a kernel takes is tried, not told from its version.
//
// The order matters: lowers come before data layers. `userxattr` excludes
// `metacopy` and `redirect_dir`.
//
// Pure.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace veneer::kernel {

enum class OverlayVerity : std::uint8_t {
  kOff,
  kTry,      ///< digests are checked where there are some
  kRequire,  ///< a file without one cannot be opened
};

/// How layers are said.
enum class LayerForm : std::uint8_t {
  kDescriptors,  ///< FSCONFIG_SET_FD
  kPaths,        ///< lowerdir+, datadir+ with paths in /proc
  kOneString,    ///< lowerdir=A:B::C
};

struct OverlaySpec {
  /// What mountinfo shows as the source.
  std::string source = "veneer";
  /// O_PATH descriptors of directories, or of mounts; they are borrowed. The
  /// first lower is the topmost.
  std::vector<int> lowers = {};
  std::vector<int> data = {};  ///< reached by redirects only
  /// Those of them that are mounts attached nowhere, which not every kernel
  /// takes.
  std::vector<int> detached = {};
  int upper = -1;  ///< together with `work`
  int work = -1;
  /// Marks are user.overlay.*: the mounter is privileged in a user namespace
  /// only.
  bool userxattr = false;
  OverlayVerity verity = OverlayVerity::kOff;
  bool read_only = false;
  /// The first to be tried. Kernels that do not take descriptors do not take
  /// detached mounts either.
  LayerForm newest_form = LayerForm::kDescriptors;
  /// Further ones, as overlayfs spells them: {"index", "on"}.
  std::vector<std::pair<std::string, std::string>> options = {};
};

/// An overlay that takes metadata from `metadata` and content from `objects`.
/// With `userxattr` the metadata have user.overlay.*; without,
/// trusted.overlay.*.
OverlaySpec composefs_overlay(int metadata, std::vector<int> objects,
                              bool userxattr);

std::string_view name_of(LayerForm form);

struct OverlayParameter {
  std::string key;
  std::string value = {};  ///< empty: a flag, if there is no `fd`
  std::optional<int> fd = {};
  /// The mount is as good without it.
  bool is_optional = false;
};

/// In the order in which they are to be set.
std::vector<OverlayParameter> overlay_parameters(const OverlaySpec& spec,
                                                 LayerForm form);

/// The same for mount(2), with all that it needs escaped.
std::string legacy_options(const OverlaySpec& spec);

/// `path` as an element of a list that ':' separates.
std::string escape_layer(std::string_view path);

}  // namespace veneer::kernel
