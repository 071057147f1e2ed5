/**
 * X25519 (RFC 7748 section 5) by OpenSSL's EVP, which the node binary exports.
 *
 * A secret is parsed once and serves any number of exchanges, in any number of threads at once. A shared secret of
 * all zeros, the mark of a point of small order, is refused (section 6.1).
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "secret.h"

struct evp_pkey_st;

namespace anteroom {

class X25519Secret {
 public:
  static constexpr size_t kKeySize = 32;

  X25519Secret() noexcept = default;
  ~X25519Secret();
  X25519Secret(const X25519Secret&) = delete;
  X25519Secret& operator=(const X25519Secret&) = delete;

  /** Takes a copy of `secret`, computing its public key. False when OpenSSL can't. */
  bool set(const uint8_t secret[kKeySize]) noexcept;
  const uint8_t* public_key() const noexcept { return public_; }
  /** False for all zeros. */
  bool shared(const uint8_t remote[kKeySize], Key32& out) const noexcept;

  /** RFC 7748 section 6.1 both ways, and a point of small order refused. */
  static bool self_test() noexcept;

 private:
  evp_pkey_st* key_ = nullptr;
  uint8_t public_[kKeySize] = {};
};

}  // namespace anteroom
