// SPDX-License-Identifier: MIT
//
// The lock of this code base: a reader-writer mutex that knows its rank.
//
// Locks are taken from the top of the list below to the bottom, never upwards;
// that, and nothing else, is why there is no deadlock. Two locks of one rank
// may be held together only where Rank says so. Debug builds (without NDEBUG)
// remember the ranks a thread holds and abort at the first lock taken out of
// order, whether or not it would have blocked this time.
//
// In release builds a Mutex is one word. It can be locked by std::scoped_lock
// and friends, but MutexLock, ReaderLock and WriterLock are what clang's
// thread-safety analysis understands.
//
// Why each rank is where it is: docs/design/locking.md.

#pragma once

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <chrono>
#include <cstdint>

#include "base/thread_annotations.h"

#if defined(__SANITIZE_THREAD__)
#define VENEER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define VENEER_TSAN 1
#endif
#endif
#ifdef VENEER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace veneer {

/// The order of locks, top to bottom.
enum class Rank : std::uint8_t {
  kTopology = 1,  ///< the shape of a merged tree
  kDir = 2,       ///< a directory; several, parent before child
  kCopy = 3,      ///< a node's copy-up; several, parent before child
  kTable = 4,     ///< node table; memory work only, from here down
  kHandles = 5,   ///< handle table
  kLeaf = 6,      ///< numbers, statistics, caches: nothing is taken under it
};

/// The ranks this thread holds. Debug builds alone call it.
class HeldRanks {
 public:
  /// Aborts if the order forbids `rank` now. Call it before blocking.
  static void check(Rank rank);
  static void push(Rank rank);
  static void pop(Rank rank);
};

// Abseil watches for deadlocks itself, in the builds that distributions ship:
// it remembers every order in which two locks were ever taken, and aborts at a
// cycle. Directories trade places in a tree that is renamed, so their locks are
// rightly taken in either order over time, and a graph of all of them costs
// more than the locks do. Ranks are our watch, so its is switched off, in each
// program that has a Mutex.
inline const bool kNoDeadlockGraph = [] {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return true;
}();

class CAPABILITY("mutex") Mutex {
 public:
  explicit Mutex([[maybe_unused]] Rank rank)
#ifndef NDEBUG
      : rank_(rank)
#endif
  {
    tsan_create();
  }
  ~Mutex() { tsan_destroy(); }
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() ACQUIRE() NO_THREAD_SAFETY_ANALYSIS {
    before_lock();
    tsan_before_lock(kTsanExclusive);
    mutex_.Lock();
    tsan_after_lock(kTsanExclusive, true);
    after_lock();
  }
  void unlock() RELEASE() NO_THREAD_SAFETY_ANALYSIS {
    before_unlock();
    tsan_before_unlock(kTsanExclusive);
    mutex_.Unlock();
    tsan_after_unlock(kTsanExclusive);
  }
  /// Never blocks, so any order is allowed.
  bool try_lock() TRY_ACQUIRE(true) NO_THREAD_SAFETY_ANALYSIS {
    tsan_before_lock(kTsanTry);
    const bool locked = mutex_.TryLock();
    tsan_after_lock(kTsanTry, locked);
    if (locked) after_lock();
    return locked;
  }

  void lock_shared() ACQUIRE_SHARED() NO_THREAD_SAFETY_ANALYSIS {
    before_lock();
    tsan_before_lock(kTsanShared);
    mutex_.ReaderLock();
    tsan_after_lock(kTsanShared, true);
    after_lock();
  }
  void unlock_shared() RELEASE_SHARED() NO_THREAD_SAFETY_ANALYSIS {
    before_unlock();
    tsan_before_unlock(kTsanShared);
    mutex_.ReaderUnlock();
    tsan_after_unlock(kTsanShared);
  }

  /// Aborts in debug builds if no thread holds it (alone, or at least shared).
  void assert_held() const ASSERT_CAPABILITY(this) {
#ifndef NDEBUG
    mutex_.AssertHeld();
#endif
  }
  void assert_held_shared() const ASSERT_SHARED_CAPABILITY(this) {
#ifndef NDEBUG
    mutex_.AssertReaderHeld();
#endif
  }

 private:
  friend class CondVar;

#ifndef NDEBUG
  void before_lock() { HeldRanks::check(rank_); }
  void after_lock() { HeldRanks::push(rank_); }
  void before_unlock() { HeldRanks::pop(rank_); }
#else
  void before_lock() {}
  void after_lock() {}
  void before_unlock() {}
#endif

  // Distributions build Abseil without ThreadSanitizer, which then would not
  // see who waits for whom; so it is told here.
#ifdef VENEER_TSAN
  static constexpr unsigned kTsanExclusive = 0;
  static constexpr unsigned kTsanShared = __tsan_mutex_read_lock;
  static constexpr unsigned kTsanTry = __tsan_mutex_try_lock;
  void tsan_create() { __tsan_mutex_create(this, 0); }
  void tsan_destroy() { __tsan_mutex_destroy(this, 0); }
  void tsan_before_lock(unsigned flags) { __tsan_mutex_pre_lock(this, flags); }
  void tsan_after_lock(unsigned flags, bool locked) {
    if (!locked) flags |= __tsan_mutex_try_lock_failed;
    __tsan_mutex_post_lock(this, flags, 0);
  }
  void tsan_before_unlock(unsigned flags) {
    __tsan_mutex_pre_unlock(this, flags);
  }
  void tsan_after_unlock(unsigned flags) {
    __tsan_mutex_post_unlock(this, flags);
  }
#else
  static constexpr unsigned kTsanExclusive = 0;
  static constexpr unsigned kTsanShared = 0;
  static constexpr unsigned kTsanTry = 0;
  void tsan_create() {}
  void tsan_destroy() {}
  void tsan_before_lock(unsigned) {}
  void tsan_after_lock(unsigned, bool) {}
  void tsan_before_unlock(unsigned) {}
  void tsan_after_unlock(unsigned) {}
#endif

  absl::Mutex mutex_;
#ifndef NDEBUG
  const Rank rank_;
#endif
};

#ifdef NDEBUG
static_assert(sizeof(Mutex) == sizeof(void*));
#endif

/// Holds a Mutex alone until the end of the scope.
class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// The same; the name for a Mutex that also has readers.
class SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~WriterLock() RELEASE() { mutex_.unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Holds a Mutex together with other readers until the end of the scope.
class SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(Mutex& mutex) ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~ReaderLock() RELEASE_GENERIC() { mutex_.unlock_shared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Waiting for a change of what a Mutex guards. Wake-ups may be spurious: wait
/// in a loop.
class CondVar {
 public:
  /// Requires that `mutex` is held alone; it is again on return.
  void wait(Mutex& mutex) REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    leave(mutex);
    cond_.Wait(&mutex.mutex_);
    enter(mutex);
  }
  /// False if `timeout` passed.
  bool wait_for(Mutex& mutex, std::chrono::nanoseconds timeout)
      REQUIRES(mutex) NO_THREAD_SAFETY_ANALYSIS {
    leave(mutex);
    const bool late =
        cond_.WaitWithTimeout(&mutex.mutex_, absl::FromChrono(timeout));
    enter(mutex);
    return !late;
  }
  void notify_one() { cond_.Signal(); }
  void notify_all() { cond_.SignalAll(); }

 private:
  static void leave(Mutex& mutex) {
    mutex.before_unlock();
    mutex.tsan_before_unlock(Mutex::kTsanExclusive);
    mutex.tsan_after_unlock(Mutex::kTsanExclusive);
  }
  static void enter(Mutex& mutex) {
    mutex.tsan_before_lock(Mutex::kTsanExclusive);
    mutex.tsan_after_lock(Mutex::kTsanExclusive, true);
    mutex.after_lock();
  }

  absl::CondVar cond_;
};

}  // namespace veneer
