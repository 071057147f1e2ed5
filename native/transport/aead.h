/**
 * Aead: ChaCha20-Poly1305 (RFC 8439) for one direction of one keypair, by OpenSSL: its primitives where the node
 * binary exports them (chacha_primitives.h), its EVP interface otherwise.
 *
 * The addon leaves the EVP symbols undefined and the node binary that loads it supplies them; test binaries and
 * fuzzers link libcrypto. An EVP context is made once with its key and takes a new nonce per message; with the
 * primitives there is the key alone. Either way nothing is allocated per packet, and the key is cleansed at the end.
 *
 * One thread at a time may use an Aead. Nonce (whitepaper section 5.4.6): 4 zero bytes and the counter, little
 * endian.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "chacha_primitives.h"

struct evp_cipher_ctx_st;

namespace anteroom {

class Aead {
 public:
  static constexpr size_t kKeySize = 32;
  static constexpr size_t kTagSize = 16;
  static constexpr size_t kNonceSize = 12;

  enum class Direction { kSeal, kOpen };

  /** Throws std::bad_alloc when OpenSSL cannot make the context. */
  Aead(Direction direction, const uint8_t* key, const ChaChaPrimitives* primitives = nullptr);
  ~Aead();
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;

  /**
   * Encrypt `length` bytes in place; the tag goes to `data + length`. With `room` for a block, 64 bytes, before
   * `data` that may be overwritten, one run of the cipher gives the Poly1305 key and the ciphertext.
   */
  bool seal(uint64_t counter, uint8_t* data, size_t length, size_t room = 0) noexcept;
  /**
   * Decrypt in place: `length` bytes of ciphertext with the tag after them. False when not authentic; with the
   * primitives the bytes are then as they were, with EVP they are of no use.
   */
  bool open(uint64_t counter, uint8_t* data, size_t length) noexcept;

  /** The general forms, with any nonce and associated data: the self-test and vectors use them. */
  bool seal_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data, size_t length,
                 size_t room = 0) noexcept;
  bool open_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data,
                 size_t length) noexcept;

  /** RFC 8439 section 2.8.2, both ways, and a flipped bit refused. Run once when the addon is loaded. */
  static bool self_test(const ChaChaPrimitives* primitives = nullptr) noexcept;

  /** The primitives say what EVP says: the vectors, and messages of many lengths with keys from `seed`. */
  static bool agree(const ChaChaPrimitives& primitives, uint64_t seed) noexcept;

  /** The primitives of this process when they are there and pass both tests, found once; null otherwise. */
  static const ChaChaPrimitives* fast() noexcept;

 private:
  void tag(const uint8_t* one_time_key, const uint8_t* aad, size_t aad_length, const uint8_t* data, size_t length,
           uint8_t* tag) const noexcept;

  const ChaChaPrimitives* primitives_;
  evp_cipher_ctx_st* context_ = nullptr;
  alignas(16) uint32_t key_[8] = {};
};

}  // namespace anteroom
