// SPDX-License-Identifier: MIT
//
// Which lock guards what, in words that clang checks (-Wthread-safety).
//
// Other compilers see nothing. Fields are declared after their mutex:
//
//   Mutex mu_{Rank::kTable};
//   NodeMap nodes_ GUARDED_BY(mu_);
//   Node* find_locked(NodeId id) REQUIRES(mu_);

#pragma once

// Abseil has some of these names too, meaning the same; ours come after it.
#include <absl/base/thread_annotations.h>
#undef GUARDED_BY
#undef PT_GUARDED_BY
#undef NO_THREAD_SAFETY_ANALYSIS

#if defined(__clang__)
#define VENEER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define VENEER_THREAD_ANNOTATION(x)
#endif

/// On a class: it is a lock, or it holds one while it lives.
#define CAPABILITY(name) VENEER_THREAD_ANNOTATION(capability(name))
#define SCOPED_CAPABILITY VENEER_THREAD_ANNOTATION(scoped_lockable)

/// On a field: read with the lock held shared, written with it held alone. The
/// second form guards what the pointer points to.
#define GUARDED_BY(x) VENEER_THREAD_ANNOTATION(guarded_by(x))
#define PT_GUARDED_BY(x) VENEER_THREAD_ANNOTATION(pt_guarded_by(x))

/// On a function: the caller holds the locks, or must not hold them.
#define REQUIRES(...) VENEER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) \
  VENEER_THREAD_ANNOTATION(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...) VENEER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

/// On a function: it takes or gives back a lock.
#define ACQUIRE(...) VENEER_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define ACQUIRE_SHARED(...) \
  VENEER_THREAD_ANNOTATION(acquire_shared_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) \
  VENEER_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRE_SHARED(...) \
  VENEER_THREAD_ANNOTATION(try_acquire_shared_capability(__VA_ARGS__))
#define RELEASE(...) VENEER_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define RELEASE_SHARED(...) \
  VENEER_THREAD_ANNOTATION(release_shared_capability(__VA_ARGS__))
#define RELEASE_GENERIC(...) \
  VENEER_THREAD_ANNOTATION(release_generic_capability(__VA_ARGS__))

/// On a function: after it the lock is known to be held.
#define ASSERT_CAPABILITY(x) VENEER_THREAD_ANNOTATION(assert_capability(x))
#define ASSERT_SHARED_CAPABILITY(x) \
  VENEER_THREAD_ANNOTATION(assert_shared_capability(x))

/// On a function: it returns a reference to the lock.
#define RETURN_CAPABILITY(x) VENEER_THREAD_ANNOTATION(lock_returned(x))

/// On a function whose proof is beyond the checker; the reason stands beside.
#define NO_THREAD_SAFETY_ANALYSIS \
  VENEER_THREAD_ANNOTATION(no_thread_safety_analysis)
