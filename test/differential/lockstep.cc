// SPDX-License-Identifier: MIT
//
// The stages of a run, in order. The subject always acts first, so that the
// reference can be spared a call that the subject may refuse.

#include "test/differential/lockstep.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <stop_token>
#include <thread>

#include "test/differential/arena.h"
#include "test/differential/exceptions.h"
#include "test/differential/executor.h"
#include "test/differential/sandbox.h"
#include "test/differential/snapshot.h"

namespace veneer::testing::differential {
namespace {

using Complaint = std::optional<std::string>;

// Names that an overlay with another form of whiteouts takes for its own: such
// an upper means one thing to the kernel and another to us.
bool has_marker_names(const Script& script) {
  return std::any_of(script.begin(), script.end(), [](const Op& op) {
    const auto is_marker = [](const std::string& path) {
      return path.starts_with(".wh.") ||
             path.find("/.wh.") != std::string::npos;
    };
    return is_marker(op.path) || is_marker(op.path2);
  });
}

void trace(const Op& op, const Outcome& subject, const Outcome& reference) {
  std::fprintf(stderr, "%s -> %s", format(op).c_str(),
               describe(reference).c_str());
  if (describe(subject) != describe(reference)) {
    std::fprintf(stderr, " (subject: %s)", describe(subject).c_str());
  }
  std::fprintf(stderr, "%s\n", reference.detail.c_str());
}

// Two mounted overlays, 0 the subject's and 1 the reference's.
class Match {
 public:
  Match(const Script& script, const Pairing& pairing, std::string base,
        Progress& progress)
      : script_(script),
        pairing_(pairing),
        arena_(std::move(base)),
        progress_(progress),
        host_("/") {}

  // "stage\nmessage", or nothing.
  std::string play();

 private:
  Complaint mount(bool swapped);
  Complaint unmount();
  Complaint lines(Phase phase);
  Complaint line(const Op& op);
  Outcome run_on_reference(const Op& op);
  Complaint compare_trees();
  Complaint after_remount();
  Complaint after_swap();
  Complaint lowers_intact() const;
  bool subject_may_refuse(const Op& op, const Outcome& answer);
  bool subject_alone_may_run(const Op& op);
  void drop_object(int slot);
  bool is_untold(const Op& op);

  Snapshot look(int side) const {
    Snapshot tree = snapshot_of(roots_.at(static_cast<std::size_t>(side))->fd(),
                                host_.fd());
    if (side == 1 || pairing_.subject->demands().shares_kernel_defects) {
      std::erase_if(tree, is_shown_whiteout);
    }
    return tree;
  }

  const Script& script_;
  const Pairing& pairing_;
  Arena arena_;
  Progress& progress_;
  OpenDir host_;
  std::array<Site, 2> sites_;
  std::array<std::unique_ptr<OpenDir>, 2> roots_;
  std::array<std::unique_ptr<Executor>, 2> executors_;
  std::array<Snapshot, 2> shown_;
  std::unique_ptr<Comparer> comparer_;
  std::int64_t started_ = 0;
  std::vector<std::map<std::string, std::string>> lowers_before_;
  std::string stage_;
  bool ended_ = false;
};

Complaint Match::mount(bool swapped) {
  for (int side = 0; side < 2; ++side) {
    const auto i = static_cast<std::size_t>(side);
    sites_.at(i) = arena_.site(side, swapped ? 1 - side : side);
    const Implementation& overlay =
        side == 0 ? *pairing_.subject : *pairing_.reference;
    if (auto problem = overlay.mount(sites_.at(i))) return problem;
    roots_.at(i) = std::make_unique<OpenDir>(sites_.at(i).mount_point);
    if (roots_.at(i)->fd() < 0) return "cannot open the mount point";
    executors_.at(i) =
        std::make_unique<Executor>(roots_.at(i)->fd(), host_.fd());
  }
  return std::nullopt;
}

Complaint Match::unmount() {
  for (std::size_t i = 0; i < 2; ++i) {
    executors_.at(i).reset();
    roots_.at(i).reset();
    const Implementation& overlay =
        i == 0 ? *pairing_.subject : *pairing_.reference;
    if (auto problem = overlay.unmount(sites_.at(i))) return problem;
  }
  return std::nullopt;
}

// Without redirects a merged directory cannot be renamed: EXDEV, and programs
// copy. The reference must then not do it either.
bool Match::subject_may_refuse(const Op& op, const Outcome& answer) {
  if (pairing_.moves_dirs || op.kind != OpKind::kRename ||
      answer.error != EXDEV) {
    return false;
  }
  Op look = op;
  look.kind = OpKind::kStat;
  look.flags = 0;
  const Outcome source = executors_[1]->run(look);
  look.at = op.at2;
  look.path = op.path2;
  const Outcome target = executors_[1]->run(look);
  return (source.stat && source.stat->is_dir()) ||
         (target.stat && target.stat->is_dir());
}

Outcome Match::run_on_reference(const Op& op) {
  if (!may_spoil_mtime(op) ||
      pairing_.subject->demands().shares_kernel_defects) {
    return executors_[1]->run(op);
  }
  Op look{.kind = OpKind::kStat, .at = op.at, .path = op.path, .flags = 1};
  const Outcome before = executors_[1]->run(look);
  Outcome answer = executors_[1]->run(op);
  if (answer.result < 0 || !before.stat) return answer;
  if (op.kind == OpKind::kOpen) look = {.kind = OpKind::kStat, .fd = op.fd};
  const Outcome after = executors_[1]->run(look);
  if (after.stat && after.stat->ino == before.stat->ino &&
      after.stat->size == before.stat->size) {
    executors_[1]->set_mtime(look, *before.stat);
  }
  return answer;
}

// Where the reference is spared a call, the subject runs it only if nothing of
// it remains in the tree: another name of the file would show a difference.
bool Match::subject_alone_may_run(const Op& op) {
  if (pairing_.subject->demands().shares_kernel_defects) return false;
  const Outcome held = executors_[0]->run({.kind = OpKind::kStat, .fd = op.fd});
  return held.stat && (held.stat->is_dir() || held.stat->nlink == 0);
}

// Its descriptors, however many, show what the trees do not agree on any more.
void Match::drop_object(int slot) {
  for (const int same : executors_[1]->slots_of_same(slot)) {
    executors_[0]->close_slot(same);
    executors_[1]->close_slot(same);
  }
}

// A call that the subject cannot tell from another one, of all that it knows.
bool Match::is_untold(const Op& op) {
  if (!may_be_untold(op) || pairing_.subject->demands().shares_kernel_defects) {
    return false;
  }
  Op look = op;
  look.kind = OpKind::kStat;
  look.flags = (op.flags & AT_SYMLINK_NOFOLLOW) == 0 ? 1 : 0;
  const Outcome object = executors_[1]->run(look);
  look.kind = OpKind::kGetxattr;
  look.name = "security.capability";
  const Outcome capability = executors_[1]->run(look);
  return object.stat && capability.result >= 0 && is_untold_chown(*object.stat);
}

Complaint Match::line(const Op& op) {
  if (op.fd != kNone &&
      damages_reference(op, executors_[1]->holds_removed_special(op.fd))) {
    if (subject_alone_may_run(op)) executors_[0]->run(op);
    drop_object(op.fd);
    return std::nullopt;
  }
  if (is_untold(op)) return std::nullopt;
  const Outcome subject = executors_[0]->run(op);
  if (subject_may_refuse(op, subject)) return std::nullopt;
  if (pairing_.sabotage && pairing_.sabotage(op)) return std::nullopt;
  const Outcome reference = run_on_reference(op);
  if (pairing_.trace) trace(op, subject, reference);
  auto difference = comparer_->compare(subject, reference);
  if (!difference) return std::nullopt;
  switch (judge(op, subject, reference)) {
    case Verdict::kDiverges:
      return difference;
    case Verdict::kAccept:
      return std::nullopt;
    case Verdict::kDropSlot:
      drop_object(op.fd);
      return std::nullopt;
    case Verdict::kEndRun:
      ended_ = true;
      return std::nullopt;
  }
  return difference;
}

Complaint Match::lines(Phase phase) {
  umask(022);
  for (std::size_t i = 0; i < script_.size() && !ended_; ++i) {
    const Op& op = script_[i];
    if (op.phase != phase) continue;
    progress_.line = static_cast<int>(i);
    stage_ = (phase == Phase::kMain ? "main " : "swap ") +
             std::string(word(op.kind));
    auto problem = op.kind == OpKind::kCompare ? compare_trees() : line(op);
    if (problem) return problem;
  }
  umask(022);
  progress_.line = static_cast<int>(script_.size());
  return std::nullopt;
}

Complaint Match::compare_trees() {
  return comparer_->compare(look(0), look(1));
}

Complaint Match::after_remount() {
  for (int side = 0; side < 2; ++side) {
    const auto i = static_cast<std::size_t>(side);
    Snapshot now = look(side);
    const Comparer lenient({}, 0);
    const Comparer& comparer = side == 0 ? *comparer_ : lenient;
    if (auto problem = comparer.compare_again(now, shown_.at(i))) {
      return std::string(side == 0 ? "subject: " : "reference: ") + *problem;
    }
    shown_.at(i) = std::move(now);
  }
  if (!pairing_.subject->demands().numbers_survive_remount) {
    comparer_->forget_numbers();
  }
  return comparer_->compare(shown_[0], shown_[1]);
}

// Side 0 now shows the reference's upper, and the other way round.
Complaint Match::after_swap() {
  const std::int64_t forever = 0;
  Comparer fresh(pairing_.subject->demands(), forever);
  // What was changed before the swap was changed on both sides, each in its
  // own moment, however long ago that is on a slow machine.
  comparer_ = std::make_unique<Comparer>(pairing_.subject->demands(), started_);
  const std::array<Snapshot, 2> now = {look(0), look(1)};
  if (auto problem = fresh.compare(now[0], shown_[1])) {
    return "the subject on the reference's upper: " + *problem;
  }
  Comparer lenient({}, forever);
  if (auto problem = lenient.compare(now[1], shown_[0])) {
    return "the reference on the subject's upper: " + *problem;
  }
  return std::nullopt;
}

Complaint Match::lowers_intact() const {
  const auto now = arena_.lower_state(host_.fd());
  for (std::size_t i = 0; i < now.size(); ++i) {
    for (const auto& [path, state] : lowers_before_[i]) {
      const auto found = now[i].find(path);
      if (found != now[i].end() && found->second == state) continue;
      return "layer " + std::to_string(i) + " /" + escape(path) + " was\n  " +
             state + "\nand is\n  " +
             (found == now[i].end() ? "gone" : found->second);
    }
    if (now[i].size() != lowers_before_[i].size()) {
      return "layer " + std::to_string(i) + " has new entries";
    }
  }
  return std::nullopt;
}

std::string Match::play() {
  Complaint problem;
  const auto stage = [&](const char* name, auto&& body) {
    if (problem || ended_) return;
    stage_ = name;
    problem = body();
  };
  stage("build", [&] { return arena_.build(script_, host_.fd()); });
  lowers_before_ = arena_.lower_state(host_.fd());
  started_ = std::time(nullptr);
  comparer_ = std::make_unique<Comparer>(pairing_.subject->demands(), started_);
  stage("mount", [&] { return mount(false); });
  stage("fresh", [&] { return compare_trees(); });
  stage("main", [&] { return lines(Phase::kMain); });
  stage("end", [&] {
    shown_ = {look(0), look(1)};
    return comparer_->compare(shown_[0], shown_[1]);
  });
  stage("unmount", [&] { return unmount(); });
  stage("remount", [&] { return mount(false); });
  stage("remount", [&] { return after_remount(); });
  stage("unmount", [&] { return unmount(); });
  stage("lowers", [&] { return lowers_intact(); });
  if (pairing_.swap_uppers && !has_marker_names(script_)) {
    stage("uppers", [&] {
      return compare_uppers(arena_.upper_state(0, host_.fd()),
                            arena_.upper_state(1, host_.fd()));
    });
    stage("swap", [&] { return mount(true); });
    stage("swap", [&] { return after_swap(); });
    stage("swap", [&] { return lines(Phase::kSwap); });
    stage("swap end", [&] { return compare_trees(); });
    stage("swap unmount", [&] { return unmount(); });
    stage("swap lowers", [&] { return lowers_intact(); });
  }
  return problem ? stage_ + "\n" + *problem : "";
}

void keep_dropping_caches(const std::stop_token& stop) {
  const int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  while (fd >= 0 && !stop.stop_requested()) {
    [[maybe_unused]] const auto written = write(fd, "2", 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (fd >= 0) close(fd);
}

}  // namespace

std::optional<Divergence> run_in_lockstep(const Script& script,
                                          const Pairing& pairing) {
  const SandboxReport report = run_in_sandbox(
      pairing.limit, [&](const std::string& base, Progress& progress) {
        std::jthread dropper;
        if (pairing.drop_caches) dropper = std::jthread(keep_dropping_caches);
        return Match(script, pairing, base, progress).play();
      });
  if (!report.finished) {
    const auto line = static_cast<std::size_t>(report.line);
    const bool inside = line < script.size() && line > 0;
    return Divergence{
        .line = report.line,
        .stage =
            inside ? "stuck " + std::string(word(script[line].kind)) : "stuck",
        .message = report.text};
  }
  if (report.text.empty()) return std::nullopt;
  const std::size_t end = report.text.find('\n');
  return Divergence{.line = report.line,
                    .stage = report.text.substr(0, end),
                    .message = report.text.substr(end + 1)};
}

}  // namespace veneer::testing::differential
