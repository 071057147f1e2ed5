/**
 * Noise: SymmetricState of the Noise Protocol Framework, revision 34, section 5.2, with CipherState (section 5.1)
 * folded in, for ChaChaPoly and BLAKE2s. Everything in it is cleansed with it.
 *
 * A state that has failed to open is spoilt.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "secret.h"

namespace anteroom {

class Noise {
 public:
  static constexpr size_t kHashSize = 32;
  static constexpr size_t kTagSize = 16;

  void initialize(const char* protocol_name) noexcept;
  void copy(const Noise& other) noexcept;
  void wipe() noexcept;

  void mix_hash(const uint8_t* data, size_t length) noexcept;
  void mix_key(const uint8_t* material, size_t length) noexcept;
  void mix_key_and_hash(const uint8_t* material, size_t length) noexcept;

  /** EncryptAndHash: `length` bytes in place, the tag behind them. False when OpenSSL can't. */
  bool seal(uint8_t* data, size_t length) noexcept;
  /**
   * DecryptAndHash of `length` bytes and the tag behind them, into `out`, which has room for both and is another
   * place. False when not authentic.
   */
  bool open(const uint8_t* sealed, size_t length, uint8_t* out) noexcept;

  /** The initiator sends with the first and receives with the second. */
  void split(uint8_t first[32], uint8_t second[32]) const noexcept;
  /** Binds to everything said so far; safe to publish. */
  const uint8_t* hash() const noexcept { return h_.data(); }

 private:
  Key32 ck_;
  Key32 h_;
  Key32 k_;
  uint64_t n_ = 0;
};

}  // namespace anteroom
