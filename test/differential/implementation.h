// SPDX-License-Identifier: MIT
//
// The overlays under comparison, behind one face: something that mounts layers.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/differential/compare.h"

namespace veneer::testing::differential {

/// Where an overlay is put together. The topmost lower comes first.
struct Site {
  std::vector<std::string> lowers;
  std::string upper;
  std::string work;
  std::string mount_point;
};

class Implementation {
 public:
  virtual ~Implementation() = default;

  /// None once the tree answers at the mount point, else the complaint.
  virtual std::optional<std::string> mount(const Site& site) const = 0;

  /// None once the tree is gone and the upper is complete.
  virtual std::optional<std::string> unmount(const Site& site) const = 0;

  virtual Demands demands() const { return {}; }
};

/// The kernel's overlayfs, by default with everything on that Veneer does.
class KernelOverlay : public Implementation {
 public:
  std::optional<std::string> mount(const Site& site) const override;
  std::optional<std::string> unmount(const Site& site) const override;
};

/// The program under test, started as a user would.
class VeneerProgram : public Implementation {
 public:
  VeneerProgram(std::string program, std::vector<std::string> arguments,
                Demands demands);
  std::optional<std::string> mount(const Site& site) const override;
  std::optional<std::string> unmount(const Site& site) const override;
  Demands demands() const override { return demands_; }

 private:
  std::string program_;
  std::vector<std::string> arguments_;
  Demands demands_;
};

/// The program's path: from VENEER_BIN, or as built. Empty if there is none.
std::string veneer_program();

}  // namespace veneer::testing::differential
