// SPDX-License-Identifier: MIT
//
// Immutable and append-only over one pass, and over a crash in it. A mark that
// is taken off, or a flag, is first written into the staging directory.

#include <fcntl.h>

#include <charconv>

#include "finalize/applier.h"
#include "finalize/protection.h"
#include "sys/dir_stream.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::finalize {

// With a staging directory, which may be in it, the root is not done yet.
void Applier::protect_later(const std::string& path, unsigned flags) {
  if (path.empty() && site_.staging >= 0) return;
  if (flags != 0) protected_.emplace_back(path, flags);
}

// A directory that keeps its flags may lose them meanwhile.
Result<void> Applier::keep_protections() {
  if (site_.staging < 0) return {};
  for (number_ = 0; number_ < steps_.size(); ++number_) {
    const Step& step = steps_[number_];
    if (step.kind != StepKind::kAttrs || !is_without_upper(step)) continue;
    const auto at = base_.find(step.path);
    if (!at) continue;  // it is yet to come
    TRY_ASSIGN(const auto attr, sys::find_at(at->dir, at->name));
    const unsigned flags = attr ? set_protection_of(*attr) : 0;
    if (flags == 0 || written_protection() != 0) continue;
    TRY(write_protection(flags));
    written_[number_] = flags;
  }
  return {};
}

Result<void> Applier::write_protection(unsigned flags) const {
  const std::string name = "p" + std::to_string(number_);
  auto made = sys::symlink_at(protection_letters(flags).c_str(), site_.staging,
                              name.c_str());
  if (!made && made.error().code() != EEXIST) return made;
  return {};
}

Result<void> Applier::read_protections() {
  if (site_.staging < 0) return {};
  TRY_ASSIGN(const sys::UniqueFd staging,
             sys::reopen(site_.staging, O_RDONLY | O_DIRECTORY));
  std::vector<std::pair<std::string, std::size_t>> found;
  TRY(sys::read_dir(staging.get(), [&](std::string_view name, std::uint64_t,
                                       std::uint8_t) {
    std::size_t number = 0;
    if (!name.starts_with('p')) return;
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + 1, end, number);
    if (error == std::errc() && rest == end) found.emplace_back(name, number);
  }));
  for (const auto& [name, number] : found) {
    TRY_ASSIGN(const std::string letters,
               sys::read_link_at(site_.staging, name.c_str()));
    written_[number] = protection_from_letters(letters);
  }
  return {};
}

unsigned Applier::written_protection() const {
  const auto found = written_.find(number_);
  return found == written_.end() ? 0 : found->second;
}

}  // namespace veneer::finalize
