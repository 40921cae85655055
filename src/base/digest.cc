// SPDX-License-Identifier: MIT
//
// SHA-256 by OpenSSL, which uses the processor's instructions for it, and the
// one-shot forms.

#include "base/digest.h"

#include <openssl/evp.h>

#include <new>

namespace veneer {
namespace {

// OpenSSL reports that memory is out; with valid arguments nothing else fails.
void check(int result) {
  if (result != 1) throw std::bad_alloc();
}

// The value of a hexadecimal digit, or -1.
int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) throw std::bad_alloc();
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::update(std::span<const std::byte> bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

void Sha256::update(std::string_view text) {
  check(EVP_DigestUpdate(context_.get(), text.data(), text.size()));
}

Digest256 Sha256::finish() {
  Digest256 digest;
  check(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  check(EVP_DigestInit_ex(context_.get(), nullptr, nullptr));
  return digest;
}

Digest256 blake3(std::span<const std::byte> bytes) {
  Blake3 hasher;
  hasher.update(bytes);
  return hasher.finish();
}

Digest256 sha256(std::span<const std::byte> bytes) {
  Sha256 hasher;
  hasher.update(bytes);
  return hasher.finish();
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::optional<Digest256> digest_from_hex(std::string_view hex) {
  Digest256 digest;
  if (hex.size() != digest.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = nibble(hex[2 * i]);
    const int low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return digest;
}

}  // namespace veneer
