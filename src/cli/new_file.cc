// SPDX-License-Identifier: MIT

#include "cli/new_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>

#include "session/plan.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::cli {
namespace {

// In /proc a link leads to a file that is open already, and nothing can be made
// beside it.
bool is_written_in_place(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error || !std::filesystem::exists(status)) return false;
  return !std::filesystem::is_regular_file(status) ||
         path.native().starts_with("/proc/");
}

}  // namespace

Result<NewFile> NewFile::create(const std::string& path) {
  const std::filesystem::path whole(session::to_absolute(path));
  NewFile file;
  if (is_written_in_place(whole)) {
    TRY_ASSIGN(file.fd_, sys::open_setting(whole.string(), O_WRONLY));
    return file;
  }
  file.name_ = whole.filename().string();
  file.new_name_ = file.name_ + ".new";
  TRY_ASSIGN(file.dir_, sys::open_dir(whole.parent_path().string()));
  auto opened = sys::open_at(file.dir_.get(), file.new_name_.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (!opened) return opened.error().about(whole.string());
  file.fd_ = *std::move(opened);
  return file;
}

NewFile::~NewFile() {
  if (fd_ && !new_name_.empty()) {
    ignore_error(sys::unlink_at(dir_.get(), new_name_.c_str()));
  }
}

Result<void> NewFile::publish() {
  if (new_name_.empty()) return {};
  TRY(sys::fsync_fd(fd_.get()));
  TRY(sys::rename_at(dir_.get(), new_name_.c_str(), dir_.get(), name_.c_str()));
  fd_.reset();
  return {};
}

}  // namespace veneer::cli
