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

  /** Bytes before the data, on either side, with which a message takes one run of the cipher. */
  static constexpr size_t kRoom = 64;

  /**
   * Encrypt `length` bytes; the tag goes to `to + length`. `from` and `to` are the same or apart. With `room`, kRoom
   * bytes before each of them may be overwritten: then one run of the cipher gives the Poly1305 key and the ciphertext.
   */
  bool seal(uint64_t counter, uint8_t* from, uint8_t* to, size_t length, bool room) noexcept;
  bool seal(uint64_t counter, uint8_t* data, size_t length) noexcept { return seal(counter, data, data, length, false); }
  /**
   * Decrypt `length` bytes with the tag after them. False when not authentic. In place, the bytes are then as they were
   * (with EVP they are of no use); apart, nothing is left at `to`. `room` is of use only apart.
   */
  bool open(uint64_t counter, uint8_t* from, uint8_t* to, size_t length, bool room) noexcept;
  bool open(uint64_t counter, uint8_t* data, size_t length) noexcept { return open(counter, data, data, length, false); }

  /** The general forms, with any nonce and associated data: the self-test and vectors use them. */
  struct Text {
    uint8_t* from;
    uint8_t* to;
    size_t length;
    bool room;
  };
  bool seal_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, const Text& text) noexcept;
  bool open_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, const Text& text) noexcept;
  bool seal_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data, size_t length) noexcept {
    return seal_with(nonce, aad, aad_length, {data, data, length, false});
  }
  bool open_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data, size_t length) noexcept {
    return open_with(nonce, aad, aad_length, {data, data, length, false});
  }

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
