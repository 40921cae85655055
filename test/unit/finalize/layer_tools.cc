// SPDX-License-Identifier: MIT

#include "test/unit/finalize/layer_tools.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

#include "test/support/process.h"

namespace veneer::finalize {

namespace {

namespace fs = std::filesystem;
using veneer::testing::run;

struct FreeArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

void expect_success(const std::vector<std::string>& argv) {
  const auto done = run(argv, 120);
  EXPECT_EQ(done.status, 0) << argv[0] << " " << argv[1] << "\n" << done.err;
  EXPECT_EQ(done.err, "") << argv[0];
}

}  // namespace

std::vector<ListedEntry> list_tar(const std::string& tar) {
  const std::unique_ptr<archive, FreeArchive> reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  EXPECT_EQ(archive_read_open_filename(reader.get(), tar.c_str(), 65536),
            ARCHIVE_OK);
  std::vector<ListedEntry> entries;
  archive_entry* entry = nullptr;
  int result = 0;
  // A name that is not of the locale's character set is only warned of.
  while ((result = archive_read_next_header(reader.get(), &entry)) ==
             ARCHIVE_OK ||
         result == ARCHIVE_WARN) {
    const char* link = archive_entry_hardlink(entry);
    entries.push_back(
        {.path = archive_entry_pathname(entry),
         .mode = archive_entry_mode(entry),
         .hard_link = link != nullptr ? link : "",
         .size = static_cast<std::uint64_t>(archive_entry_size(entry))});
  }
  EXPECT_EQ(result, ARCHIVE_EOF) << archive_error_string(reader.get());
  return entries;
}

std::vector<std::string> paths_in(const std::string& tar) {
  std::vector<std::string> paths;
  for (auto& entry : list_tar(tar)) paths.push_back(std::move(entry.path));
  return paths;
}

void apply_by_tar(const std::string& tar, const std::string& dir, bool acls) {
  for (const ListedEntry& entry : list_tar(tar)) {
    fs::path path = fs::path(dir) / entry.path;
    if (!path.has_filename()) path = path.parent_path();
    const std::string name = path.filename();
    if (name == ".wh..wh..opq") {
      if (!fs::is_directory(fs::symlink_status(path.parent_path()))) continue;
      for (const auto& old : fs::directory_iterator(path.parent_path())) {
        fs::remove_all(old.path());
      }
    } else if (name.starts_with(".wh.")) {
      EXPECT_GT(fs::remove_all(path.parent_path() / name.substr(4)), 0U)
          << entry.path << " hides nothing";
    } else {
      const auto old = fs::symlink_status(path);
      const bool both_dirs = S_ISDIR(entry.mode) && fs::is_directory(old);
      if (fs::exists(old) && !both_dirs) fs::remove_all(path);
    }
  }
  std::vector<std::string> argv = {"tar",
                                   "-xpf",
                                   tar,
                                   "-C",
                                   dir,
                                   "--numeric-owner",
                                   "--xattrs",
                                   "--xattrs-include=*",
                                   "--exclude=.wh.*",
                                   "--warning=no-timestamp"};
  if (acls) argv.emplace_back("--acls");
  expect_success(argv);
}

std::string apply_by_umoci(const std::string& tar, const std::string& base,
                           const std::string& scratch) {
  if (run({"umoci", "--version"}).status != 0) return "";
  const std::string layout = scratch + "/layout";
  const std::string base_tar = scratch + "/base.tar";
  expect_success({"tar", "-cf", base_tar, "-C", base, "--format=pax",
                  "--numeric-owner", "--xattrs", "--xattrs-include=*", "."});
  expect_success({"umoci", "init", "--layout", layout});
  expect_success({"umoci", "new", "--image", layout + ":it"});
  for (const std::string& layer : {base_tar, tar}) {
    expect_success(
        {"umoci", "raw", "add-layer", "--image", layout + ":it", layer});
  }
  expect_success({"umoci", "unpack", "--keep-dirlinks", "--image",
                  layout + ":it", scratch + "/bundle"});
  return scratch + "/bundle/rootfs";
}

}  // namespace veneer::finalize
