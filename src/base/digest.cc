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

// The values of hexadecimal digits; of what is none, a bit that no digit has.
constexpr std::uint8_t kNoDigit = 0x80;
constexpr auto kDigitValues = [] {
  std::array<std::uint8_t, 256> values;
  values.fill(kNoDigit);
  for (std::uint8_t i = 0; i < 10; ++i) values['0' + i] = i;
  for (std::uint8_t i = 10; i < 16; ++i) {
    values['a' + i - 10] = i;
    values['A' + i - 10] = i;
  }
  return values;
}();

std::uint8_t digit_value(char c) {
  return kDigitValues[static_cast<unsigned char>(c)];
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
  std::string hex(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    hex[2 * i] = kDigits[bytes[i] >> 4];
    hex[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return hex;
}

std::optional<Digest256> digest_from_hex(std::string_view hex) {
  Digest256 digest;
  if (hex.size() != digest.size() * 2) return std::nullopt;
  unsigned all = 0;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const unsigned high = digit_value(hex[2 * i]);
    const unsigned low = digit_value(hex[2 * i + 1]);
    all |= high | low;
    digest[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if ((all & kNoDigit) != 0) return std::nullopt;
  return digest;
}

}  // namespace veneer
