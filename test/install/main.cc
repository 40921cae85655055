// SPDX-License-Identifier: MIT
//
// A program of a user's: an overlay over a directory, a file written through
// it, everything discarded. It knows the installed headers and nothing else.

#include <veneer/overlay_fs.h>

#include <filesystem>
#include <fstream>
#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::filesystem::path lower = argv[1];
  const std::filesystem::path seen = lower.string() + ".seen";

  veneer::OverlayFS overlay(lower);
  auto result = overlay.set_mount(seen);
  if (result) result = overlay.mount();
  if (result) {
    std::ofstream(seen / "new") << "written through the overlay\n";
    result = overlay.umount();
  }
  const std::filesystem::path written = overlay.handle().upper() / "new";
  const bool kept = std::filesystem::exists(written);
  if (result) result = overlay.overlay_action(veneer::OverlayAction::Discard);

  if (!result) std::cerr << result.error().message() << '\n';
  return result && kept && !std::filesystem::exists(written) ? 0 : 1;
}
