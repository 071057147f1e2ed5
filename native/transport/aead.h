/**
 * Aead: ChaCha20-Poly1305 (RFC 8439) for one direction of one keypair, by OpenSSL's EVP interface.
 *
 * The addon leaves the EVP symbols undefined and the node binary that loads it supplies them; test binaries and
 * fuzzers link libcrypto. The context is made once with its key and takes a new nonce per message: no allocation
 * and no key schedule per packet. The key lives inside the context alone, and OpenSSL cleanses it on free.
 *
 * One thread at a time may use an Aead. Nonce (whitepaper section 5.4.6): 4 zero bytes and the counter, little
 * endian.
 */
#pragma once

#include <cstddef>
#include <cstdint>

struct evp_cipher_ctx_st;

namespace anteroom {

class Aead {
 public:
  static constexpr size_t kKeySize = 32;
  static constexpr size_t kTagSize = 16;
  static constexpr size_t kNonceSize = 12;

  enum class Direction { kSeal, kOpen };

  /** Throws std::bad_alloc when OpenSSL cannot make the context. */
  Aead(Direction direction, const uint8_t* key);
  ~Aead();
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;

  /** Encrypt `length` bytes in place; the tag goes to `data + length`. */
  bool seal(uint64_t counter, uint8_t* data, size_t length) noexcept;
  /** Decrypt in place: `length` bytes of ciphertext with the tag after them. False when not authentic. */
  bool open(uint64_t counter, uint8_t* data, size_t length) noexcept;

  /** The general forms, with any nonce and associated data: the self-test and vectors use them. */
  bool seal_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data,
                 size_t length) noexcept;
  bool open_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data,
                 size_t length) noexcept;

  /** RFC 8439 section 2.8.2, both ways, and a flipped bit refused. Run once when the addon is loaded. */
  static bool self_test() noexcept;

 private:
  evp_cipher_ctx_st* context_;
};

}  // namespace anteroom
