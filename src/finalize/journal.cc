// SPDX-License-Identifier: MIT

#include "finalize/journal.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "finalize/journal_json.h"
#include "finalize/step_json.h"
#include "sys/file.h"
#include "sys/link.h"
#include "sys/open.h"

namespace veneer::finalize {
namespace {

constexpr char kJournal[] = "veneer.journal";
constexpr char kNewJournal[] = "veneer.journal.new";
constexpr char kSteps[] = "veneer.steps";
constexpr char kNewSteps[] = "veneer.steps.new";

constexpr std::size_t kMostBytes = std::size_t{16} << 20;
constexpr std::size_t kChunk = std::size_t{1} << 20;

// For people: "read veneer.journal, which ...: Structure needs cleaning".
Error unclean(const char* file, const std::string& how) {
  return Error(EUCLEAN, "read", std::string(file) + ", " + how);
}

// --- Files ---

// Also of an O_PATH descriptor.
Result<void> sync_dir(int dir) {
  TRY_ASSIGN(const sys::UniqueFd readable,
             sys::reopen(dir, O_RDONLY | O_DIRECTORY));
  return sys::fsync_fd(readable.get());
}

Result<sys::UniqueFd> create(int work, const char* name) {
  // What an earlier attempt has left may be of any kind.
  if (auto gone = sys::unlink_at(work, name);
      !gone && gone.error().code() != ENOENT) {
    return gone.error();
  }
  return sys::open_at(work, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                      0600);
}

Result<void> publish(int work, const sys::UniqueFd& file, const char* new_name,
                     const char* name) {
  TRY(sys::fsync_fd(file.get()));
  TRY(sys::rename_at(work, new_name, work, name));
  return sync_dir(work);
}

Result<void> about(const char* file, Result<void> done) {
  if (!done) return done.error().about(file);
  return {};
}

// ENOENT if there is none; anything else than a file is corrupt.
Result<sys::UniqueFd> open_to_read(int work, const char* name) {
  auto file = sys::open_at(work, name, O_RDONLY | O_NONBLOCK);
  if (!file && file.error().code() == ELOOP) {
    return unclean(name, "which is a symbolic link");
  }
  if (!file) return file.error().about(name);
  TRY_ASSIGN(const Attr attr, sys::stat_fd(file->get()));
  if (!S_ISREG(attr.mode)) return unclean(name, "which is no file");
  return file;
}

// The steps as they lie there, piece by piece; `sink` may end it with an error.
template <typename Sink>
Result<void> read_pieces(const sys::UniqueFd& file, Sink&& sink) {
  std::string buffer(kChunk, '\0');
  for (std::uint64_t at = 0;;) {
    TRY_ASSIGN(const std::size_t size,
               sys::pread_full(file.get(), buffer.data(), buffer.size(), at));
    if (size == 0) return {};
    TRY(sink(std::string_view(buffer).substr(0, size)));
    at += size;
  }
}

// "" where there is no such file.
Result<std::string> digest_of_steps(int work) {
  const auto file = open_to_read(work, kSteps);
  if (!file && file.error().code() == ENOENT) return std::string();
  if (!file) return file.error();
  Blake3 hasher;
  TRY(read_pieces(*file, [&](std::string_view piece) -> Result<void> {
    hasher.update(piece);
    return {};
  }));
  return to_hex(hasher.finish());
}

Result<StoredJournal> read_stored(int work) {
  TRY_ASSIGN(const sys::UniqueFd file, open_to_read(work, kJournal));
  TRY_ASSIGN(const Attr attr, sys::stat_fd(file.get()));
  if (attr.size > kMostBytes) return unclean(kJournal, "which is too large");
  std::string text(static_cast<std::size_t>(attr.size), '\0');
  TRY_ASSIGN(const std::size_t size,
             sys::pread_full(file.get(), text.data(), text.size(), 0));
  text.resize(size);
  return journal_from_json(text);
}

// Cuts pieces into lines and those into steps.
class StepReader {
 public:
  Result<void> feed(std::string_view piece) {
    hasher_.update(piece);
    for (;;) {
      const std::size_t end = piece.find('\n');
      if (end == std::string_view::npos) break;
      rest_ += piece.substr(0, end);
      piece.remove_prefix(end + 1);
      // A line that does not parse may be the digest's matter, which is the
      // better thing to say.
      if (auto step = parse_step(rest_)) {
        steps_.push_back(*std::move(step));
      } else if (bad_line_ == 0) {
        bad_line_ = steps_.size() + 1;
      }
      rest_.clear();
    }
    rest_ += piece;
    return {};
  }

  Result<std::vector<Step>> finish(const std::string& digest) {
    if (to_hex(hasher_.finish()) != digest) {
      return unclean(kSteps, "which is not what veneer.journal says");
    }
    if (bad_line_ == 0 && !rest_.empty()) bad_line_ = steps_.size() + 1;
    if (bad_line_ != 0) {
      return unclean(kSteps, "line " + std::to_string(bad_line_));
    }
    return std::move(steps_);
  }

 private:
  Blake3 hasher_;
  std::string rest_;
  std::vector<Step> steps_;
  std::size_t bad_line_ = 0;  // from 1; 0: none
};

}  // namespace

Result<void> write_steps(int work, const std::vector<Step>& steps) {
  const auto write = [&]() -> Result<void> {
    TRY_ASSIGN(const sys::UniqueFd file, create(work, kNewSteps));
    std::string buffer;
    std::uint64_t at = 0;
    for (const Step& step : steps) {
      append_step(buffer, step);
      const bool is_last = &step == &steps.back();
      if (buffer.size() < kChunk && !is_last) continue;
      TRY(sys::pwrite_full(file.get(), buffer.data(), buffer.size(), at));
      at += buffer.size();
      buffer.clear();
    }
    return publish(work, file, kNewSteps, kSteps);
  };
  return about(kSteps, write());
}

Result<void> write_journal(int work, const Journal& journal) {
  const auto write = [&]() -> Result<void> {
    TRY_ASSIGN(const std::string digest, digest_of_steps(work));
    const std::string text =
        to_json({.journal = journal, .steps_digest = digest});
    TRY_ASSIGN(const sys::UniqueFd file, create(work, kNewJournal));
    TRY(sys::pwrite_full(file.get(), text.data(), text.size(), 0));
    return publish(work, file, kNewJournal, kJournal);
  };
  return about(kJournal, write());
}

Result<Journal> read_journal(int work) {
  TRY_ASSIGN(StoredJournal stored, read_stored(work));
  return std::move(stored.journal);
}

Result<std::vector<Step>> read_steps(int work) {
  TRY_ASSIGN(const StoredJournal stored, read_stored(work));
  if (stored.steps_digest.empty()) return std::vector<Step>();
  auto file = open_to_read(work, kSteps);
  if (!file && file.error().code() == ENOENT) {
    return unclean(kSteps, "which is missing");
  }
  if (!file) return file.error();
  StepReader reader;
  TRY(read_pieces(*file,
                  [&](std::string_view piece) { return reader.feed(piece); }));
  return reader.finish(stored.steps_digest);
}

bool has_journal(int work) {
  const auto found = sys::find_at(work, kJournal);
  return found && found->has_value();
}

Result<void> remove_journal(int work) {
  bool was_there = false;
  const auto remove = [&](const char* name) -> Result<void> {
    auto gone = sys::unlink_at(work, name);
    if (!gone && gone.error().code() != ENOENT) {
      return gone.error().about(name);
    }
    was_there = was_there || gone;
    return {};
  };
  TRY(remove(kJournal));
  // Steps without a journal mean nothing, a journal without its steps is
  // corrupt: this order is on the disk, too.
  if (was_there) TRY(about(kJournal, sync_dir(work)));
  for (const char* const name : {kNewJournal, kSteps, kNewSteps}) {
    TRY(remove(name));
  }
  return {};
}

bool is_journal_entry(std::string_view name) {
  return name == kJournal || name == kNewJournal || name == kSteps ||
         name == kNewSteps;
}

}  // namespace veneer::finalize
