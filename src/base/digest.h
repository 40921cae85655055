// SPDX-License-Identifier: MIT
//
// Digests: BLAKE3, which tells files apart, and SHA-256, which formats ask for.
//
// A hasher is fed in any number of pieces and finished once; the one-shot
// functions do both. Digests are plain bytes and compare as such.
//
// Threads: a hasher is thread-compatible, the functions are free of state.

#pragma once

#include <blake3.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace veneer {

using Digest256 = std::array<std::uint8_t, 32>;

class Blake3 {
 public:
  Blake3() { blake3_hasher_init(&hasher_); }

  void update(std::span<const std::byte> bytes) {
    blake3_hasher_update(&hasher_, bytes.data(), bytes.size());
  }
  void update(std::string_view text) {
    blake3_hasher_update(&hasher_, text.data(), text.size());
  }
  /// The digest of all so far; feeding may go on.
  Digest256 finish() const {
    Digest256 digest;
    blake3_hasher_finalize(&hasher_, digest.data(), digest.size());
    return digest;
  }

 private:
  blake3_hasher hasher_;
};

class Sha256 {
 public:
  Sha256();

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  /// The digest of all so far; the hasher starts anew.
  Digest256 finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

Digest256 blake3(std::span<const std::byte> bytes);
Digest256 sha256(std::span<const std::byte> bytes);

/// Lower-case hexadecimal, two characters a byte.
std::string to_hex(std::span<const std::uint8_t> bytes);

/// The bytes that `hex` spells; nothing unless it is 64 hexadecimal digits.
std::optional<Digest256> digest_from_hex(std::string_view hex);

}  // namespace veneer
