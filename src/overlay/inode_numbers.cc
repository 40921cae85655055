// SPDX-License-Identifier: MIT

#include "overlay/inode_numbers.h"

#include "base/hash.h"

namespace veneer::overlay {
namespace {

constexpr int kSlotShift = 52;
constexpr std::uint64_t kMaxSlot = 1U << 11;
constexpr std::uint64_t kOverflow = std::uint64_t{1} << 63;

}  // namespace

void InodeNumbers::add_device(std::uint64_t device) {
  const MutexLock lock(mu_);
  slots_.try_emplace(device, slots_.size());
}

std::uint64_t InodeNumbers::next_virtual(ObjectKey object) {
  const auto [it, fresh] = numbers_.try_emplace(object, next_);
  if (fresh) ++next_;
  return it->second;
}

std::uint64_t InodeNumbers::layer_number(ObjectKey object) {
  const std::uint64_t slot =
      slots_.try_emplace(object.device, slots_.size()).first->second;
  if (slot < kMaxSlot && object.inode >> kSlotShift == 0) {
    return slot << kSlotShift | object.inode;
  }
  // Alone, a file system may use the bits itself.
  if (slots_.size() == 1 && object.inode < kOverflow) return object.inode;
  // No room for the bits: still unique, for this mount.
  return kOverflow | next_virtual(object);
}

std::uint64_t InodeNumbers::number_of(
    ObjectKey object, const std::function<std::string()>& path) {
  if (mode_ != InodeMode::kPersistent) {
    const MutexLock lock(mu_);
    return mode_ == InodeMode::kVirtual ? next_virtual(object)
                                        : layer_number(object);
  }
  {
    const MutexLock lock(mu_);
    const auto known = numbers_.find(object);
    if (known != numbers_.end()) return known->second;
  }
  std::uint64_t number = fnv1a64(path());
  const MutexLock lock(mu_);
  // The smallest numbers are the root's and the tools' favourites for "none".
  if (number < 100) number += 100;
  while (!taken_.try_emplace(number, object).second &&
         taken_.at(number) != object) {
    ++number;
  }
  return numbers_.try_emplace(object, number).first->second;
}

std::uint64_t InodeNumbers::reserve(const std::string& path) {
  std::uint64_t number = fnv1a64(path);
  if (number < 100) number += 100;
  const MutexLock lock(mu_);
  while (!taken_.try_emplace(number, ObjectKey{0, number}).second) ++number;
  return number;
}

std::uint64_t InodeNumbers::number_recorded(ObjectKey object,
                                            std::uint64_t number) {
  if (mode_ != InodeMode::kPersistent) return number;
  const MutexLock lock(mu_);
  const auto known = numbers_.find(object);
  if (known != numbers_.end() && known->second == number) return number;
  const ObjectKey reservation{0, number};
  const auto [holder, fresh] = taken_.try_emplace(number, object);
  if (!fresh && holder->second == reservation) holder->second = object;
  while (taken_.at(number) != object) {
    taken_.try_emplace(++number, object);
  }
  numbers_.insert_or_assign(object, number);
  return number;
}

void InodeNumbers::remember_copy(ObjectKey copy, std::uint64_t number) {
  if (mode_ == InodeMode::kLayer) return;
  const MutexLock lock(mu_);
  numbers_.insert_or_assign(copy, number);
}

}  // namespace veneer::overlay
