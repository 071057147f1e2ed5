/**
 * ML-KEM-768 encapsulation (FIPS 203) by OpenSSL's EVP: the responder's part. OpenSSL has it since 3.5; where it
 * isn't there, `available` is false and hybrid handshakes are computed elsewhere.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "secret.h"

namespace anteroom {

struct Kem {
  static constexpr size_t kEncapsulationKeySize = 1184;
  static constexpr size_t kCiphertextSize = 1088;
  static constexpr size_t kRandomnessSize = 32;

  /** Tried once: OpenSSL makes a key pair and both halves come to one secret. */
  static bool available() noexcept;

  /**
   * False when `key` isn't an encapsulation key: a coefficient past the modulus (section 7.2). `randomness`, m of the
   * standard, is for vectors; without it OpenSSL takes its own.
   */
  static bool encapsulate(const uint8_t key[kEncapsulationKeySize], const uint8_t* randomness,
                          uint8_t ciphertext[kCiphertextSize], Key32& secret) noexcept;
};

}  // namespace anteroom
