// SPDX-License-Identifier: MIT
//
// Where subject and reference may differ, and why. Every row here is a row of
// docs/semantics.md; what is not here is a defect.
//
// A row looks at one call and its two answers. It must be as narrow as it can
// be: a wide exception hides what it was not written for.

#pragma once

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "test/differential/executor.h"
#include "test/differential/op.h"
#include "test/differential/snapshot.h"

namespace veneer::testing::differential {

/// How the run goes on after two answers differ.
enum class Verdict : std::uint8_t {
  kDiverges,  ///< report it
  kAccept,    ///< go on
  kDropSlot,  ///< close the descriptor in both trees, as its file now differs
  kEndRun,    ///< the trees now differ with reason: nothing more can be learnt
};

struct Exception {
  std::string_view row;  ///< of docs/semantics.md
  std::string_view reason;
  Verdict verdict;
  bool (*applies)(const Op&, const Outcome& subject, const Outcome& reference);
};

namespace exception {

inline bool changes_attributes(OpKind kind) {
  return kind == OpKind::kChmod || kind == OpKind::kChown ||
         kind == OpKind::kUtimens || kind == OpKind::kSetxattr ||
         kind == OpKind::kSetflags || kind == OpKind::kRemovexattr ||
         kind == OpKind::kSetacl;
}

inline bool only_nlink_differs(const Outcome& subject,
                               const Outcome& reference) {
  if (!subject.stat || !reference.stat) return false;
  StatView same = *reference.stat;
  same.nlink = subject.stat->nlink;
  return same.mode == subject.stat->mode && same.uid == subject.stat->uid &&
         same.gid == subject.stat->gid && same.size == subject.stat->size;
}

// Their details are the flags, as a number.
inline bool only_no_dump_differs(const Outcome& subject,
                                 const Outcome& reference) {
  if (subject.result < 0 || reference.result < 0) return false;
  const long ours = std::atol(subject.detail.c_str());
  return (ours ^ std::atol(reference.detail.c_str())) == FS_NODUMP_FL;
}

}  // namespace exception

/// Calls that the reference must be spared, row 42: changing the attributes of
/// a removed lower directory or device through a descriptor. The kernel copies
/// it up to the name it had, over whatever has that name by now, and the next
/// mount shows the removed object instead. The subject runs the call, and its
/// tree is compared after it.
inline bool damages_reference(const Op& op, bool is_removed_special) {
  return op.fd != kNone && is_removed_special &&
         exception::changes_attributes(op.kind);
}

/// Row 62: root's chown to nobody else takes set-id bits and capabilities. To
/// the FUSE server it looks as root's write to a file that has both, which
/// takes the capabilities alone: the kernel removes them, then asks to change
/// nothing. Such a call is spared both, where there are both to lose.
inline bool may_be_untold(const Op& op) {
  return op.kind == OpKind::kChown && op.uid == -1 && op.gid == -1 &&
         op.as == 0;
}
inline bool is_untold_chown(const StatView& capable) {
  return !capable.is_dir() && (capable.mode & (S_ISUID | S_ISGID)) != 0;
}

/// Row 66: the kernel copies the data of a file up when it is opened for
/// writing or truncated to the size it has, and leaves the moment of that as
/// the time of modification. Ours changes no time where nothing is written. The
/// reference gets the time back that it had before such a call.
inline bool may_spoil_mtime(const Op& op) {
  if (op.kind == OpKind::kTruncate) return true;
  return op.kind == OpKind::kOpen && op.fd != kNone &&
         (op.flags & O_ACCMODE) != O_RDONLY &&
         (op.flags & (O_TRUNC | O_PATH)) == 0 &&
         (op.flags & O_TMPFILE) != O_TMPFILE;
}

inline constexpr std::array<Exception, 9> kExceptions = {{
    {"22",
     "a whiteout in a lower directory that is not merged: the kernel passes "
     "the listing through and shows a name that nobody can look up",
     Verdict::kAccept,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return op.kind == OpKind::kReaddir && subject.result >= 0 &&
              subject.detail == reference.note;
     }},
    {"42",
     "fchmod and its like on an unlinked lower file: the kernel tries to copy "
     "up to a name that is gone and answers EEXIST or ENOENT, whatever was "
     "asked; ours changes the file that the descriptor holds",
     Verdict::kDropSlot,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return op.fd != kNone && exception::changes_attributes(op.kind) &&
              reference.result < 0 &&
              (reference.error == EEXIST ||
               (reference.error == ENOENT && subject.result >= 0));
     }},
    {"42",
     "an unlinked lower file held open: the kernel goes on to report the link "
     "count of the lower inode, ours what is left of it",
     Verdict::kAccept,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return op.fd != kNone &&
              exception::only_nlink_differs(subject, reference) &&
              subject.stat->nlink < reference.stat->nlink;
     }},
    {"28",
     "the room that the list of attributes takes: the kernel counts its "
     "private "
     "ones, which it then does not tell",
     Verdict::kAccept,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       const bool asks_size = op.len == 0;
       return op.kind == OpKind::kListxattr && subject.result >= 0 &&
              (asks_size
                   ? subject.result < reference.result
                   : reference.error == ERANGE && subject.result <= op.len);
     }},
    {"34",
     "SEEK_DATA and SEEK_HOLE in a directory mean nothing; the FUSE kernel "
     "answers them by its own rule and asks no server",
     Verdict::kAccept,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return op.kind == OpKind::kSeek && subject.note == "directory" &&
              reference.note == "directory";
     }},
    {"62",
     "chown to nobody else by who is not the owner: the FUSE kernel passes it "
     "on as a change of nothing, the same as before a write that drops set-id "
     "bits; ours then changes nothing, the kernel says EPERM",
     Verdict::kAccept,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return op.kind == OpKind::kChown && op.uid == -1 && op.gid == -1 &&
              subject.result >= 0 && reference.result < 0 &&
              reference.error == EPERM;
     }},
    {"52",
     "the no-dump flag of a lower file, which copy-up leaves behind: the "
     "kernel "
     "has copied the file when it was opened for writing, ours copies it now",
     Verdict::kAccept,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return op.kind == OpKind::kSetflags &&
              exception::only_no_dump_differs(subject, reference);
     }},
    {"17",
     "a mapping made through a descriptor opened before copy-up: the kernel "
     "maps the lower file for good, ours has one page cache per file",
     Verdict::kAccept,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return op.kind == OpKind::kMmapRead && subject.result >= 0 &&
              subject.note == "coherent" && reference.note == "stale";
     }},
    {"8",
     "a redirect has at most 256 bytes; past that the kernel refuses the "
     "rename, and a subject with a longer reach need not",
     Verdict::kEndRun,
     [](const Op& op, const Outcome& subject, const Outcome& reference) {
       return (op.kind == OpKind::kRename || op.kind == OpKind::kLink) &&
              reference.result < 0 && reference.error == EXDEV &&
              subject.result >= 0;
     }},
}};

/// The same of whole trees, row 22: a name that is listed but not there.
inline bool is_shown_whiteout(const Entry& entry) {
  return entry.problem == kNotThere;
}

/// The first row that covers the difference decides.
inline Verdict judge(const Op& op, const Outcome& subject,
                     const Outcome& reference) {
  for (const Exception& row : kExceptions) {
    if (row.applies(op, subject, reference)) return row.verdict;
  }
  return Verdict::kDiverges;
}

}  // namespace veneer::testing::differential
