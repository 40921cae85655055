// SPDX-License-Identifier: MIT
//
// Ref<T>: a counted pointer whose count lives in the object.
//
// Trees of small inodes are what this program holds in memory; a count inside
// the object costs four bytes where a shared pointer costs a block. T derives
// from RefCounted. Counting is atomic; the object itself promises its own
// thread safety.

#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace veneer {

class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_ref() const noexcept {
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  void drop_ref() const noexcept {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /// Nobody but the caller holds it.
  bool is_last_ref() const noexcept {
    return count_.load(std::memory_order_acquire) == 1;
  }

 protected:
  RefCounted() = default;
  virtual ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> count_{0};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* object) : object_(object) {
    if (object_) object_->add_ref();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
  Ref(const Ref<U>& other) : Ref(other.get()) {}
  template <typename U>
  Ref(Ref<U>&& other) noexcept
      : object_(std::exchange(other.object_, nullptr)) {}
  ~Ref() {
    if (object_) object_->drop_ref();
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) {
    return a.object_ == b.object_;
  }

 private:
  template <typename U>
  friend class Ref;

  T* object_ = nullptr;
};

template <typename T, typename... Args>
Ref<T> make_ref(Args&&... args) {
  return Ref<T>(new T(std::forward<Args>(args)...));
}

}  // namespace veneer
