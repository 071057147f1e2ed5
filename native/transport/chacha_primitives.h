/**
 * ChaChaPrimitives: OpenSSL's own ChaCha20 and Poly1305 (include/crypto/chacha.h, poly1305.h), which the node binary
 * exports though they are no public interface. EVP spends as long on its bookkeeping as on a small packet.
 *
 * They are looked up by name, so a node without them loads the addon all the same. Whoever uses them tests them
 * first: `Aead::fast`.
 */
#pragma once

#include <cstddef>
#include <cstdint>

namespace anteroom {

struct ChaChaPrimitives {
  /** Bytes that a Poly1305 state may have; a bigger one isn't used. */
  static constexpr size_t kMaxPolyState = 512;

  void (*chacha)(uint8_t* out, const uint8_t* in, size_t length, const uint32_t key[8], const uint32_t counter[4]);
  void (*poly_init)(void* state, const uint8_t key[32]);
  void (*poly_update)(void* state, const uint8_t* in, size_t length);
  void (*poly_final)(void* state, uint8_t tag[16]);

  /** Those of this process; null when one is missing or has another shape. */
  static const ChaChaPrimitives* find() noexcept;
};

}  // namespace anteroom
