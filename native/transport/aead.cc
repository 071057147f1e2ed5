/**
 * Aead over EVP. See aead.h.
 */
#include "aead.h"

#include <openssl/evp.h>

#include <cstring>
#include <new>

#include "message.h"

namespace anteroom {

Aead::Aead(Direction direction, const uint8_t* key) : context_(EVP_CIPHER_CTX_new()) {
  const int sealing = direction == Direction::kSeal ? 1 : 0;
  if (context_ == nullptr ||
      EVP_CipherInit_ex(context_, EVP_chacha20_poly1305(), nullptr, key, nullptr, sealing) != 1) {
    EVP_CIPHER_CTX_free(context_);
    throw std::bad_alloc();
  }
}

Aead::~Aead() { EVP_CIPHER_CTX_free(context_); }

bool Aead::seal(uint64_t counter, uint8_t* data, size_t length) noexcept {
  uint8_t nonce[kNonceSize] = {0, 0, 0, 0};
  store_le64(nonce + 4, counter);
  return seal_with(nonce, nullptr, 0, data, length);
}

bool Aead::open(uint64_t counter, uint8_t* data, size_t length) noexcept {
  uint8_t nonce[kNonceSize] = {0, 0, 0, 0};
  store_le64(nonce + 4, counter);
  return open_with(nonce, nullptr, 0, data, length);
}

bool Aead::seal_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data,
                     size_t length) noexcept {
  int written = 0;
  int last = 0;
  if (EVP_EncryptInit_ex(context_, nullptr, nullptr, nullptr, nonce) != 1) return false;
  if (aad_length != 0 &&
      EVP_EncryptUpdate(context_, nullptr, &written, aad, static_cast<int>(aad_length)) != 1) {
    return false;
  }
  written = 0;
  if (length != 0 && EVP_EncryptUpdate(context_, data, &written, data, static_cast<int>(length)) != 1) {
    return false;
  }
  return EVP_EncryptFinal_ex(context_, data + written, &last) == 1 &&
         EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, kTagSize, data + length) == 1;
}

bool Aead::open_with(const uint8_t* nonce, const uint8_t* aad, size_t aad_length, uint8_t* data,
                     size_t length) noexcept {
  int written = 0;
  int last = 0;
  if (EVP_DecryptInit_ex(context_, nullptr, nullptr, nullptr, nonce) != 1) return false;
  if (EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, kTagSize, data + length) != 1) return false;
  if (aad_length != 0 &&
      EVP_DecryptUpdate(context_, nullptr, &written, aad, static_cast<int>(aad_length)) != 1) {
    return false;
  }
  written = 0;
  if (length != 0 && EVP_DecryptUpdate(context_, data, &written, data, static_cast<int>(length)) != 1) {
    return false;
  }
  return EVP_DecryptFinal_ex(context_, data + written, &last) == 1;
}

namespace {

constexpr char kPlaintext[] =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
    "would be it.";
constexpr size_t kPlaintextSize = sizeof kPlaintext - 1;
constexpr uint8_t kAad[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
constexpr uint8_t kNonce[] = {0x07, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
constexpr uint8_t kFirstBlock[] = {0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb,
                                   0x7b, 0x86, 0xaf, 0xbc, 0x53, 0xef, 0x7e, 0xc2};
constexpr uint8_t kTag[] = {0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a,
                            0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91};

}  // namespace

bool Aead::self_test() noexcept {
  try {
    uint8_t key[kKeySize];
    for (size_t i = 0; i < kKeySize; i++) key[i] = static_cast<uint8_t>(0x80 + i);
    Aead sealing(Direction::kSeal, key);
    Aead opening(Direction::kOpen, key);
    // Twice: a context that has been used must behave like a new one.
    for (int round = 0; round < 2; round++) {
      uint8_t data[kPlaintextSize + kTagSize];
      std::memcpy(data, kPlaintext, kPlaintextSize);
      if (!sealing.seal_with(kNonce, kAad, sizeof kAad, data, kPlaintextSize)) return false;
      if (std::memcmp(data, kFirstBlock, sizeof kFirstBlock) != 0) return false;
      if (std::memcmp(data + kPlaintextSize, kTag, kTagSize) != 0) return false;

      uint8_t flipped[sizeof data];
      std::memcpy(flipped, data, sizeof data);
      flipped[7] ^= 0x10;
      if (opening.open_with(kNonce, kAad, sizeof kAad, flipped, kPlaintextSize)) return false;
      if (!opening.open_with(kNonce, kAad, sizeof kAad, data, kPlaintextSize)) return false;
      if (std::memcmp(data, kPlaintext, kPlaintextSize) != 0) return false;
    }
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace anteroom
