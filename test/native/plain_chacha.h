/**
 * RFC 8439 sections 2.3 and 2.5 as plainly as they can be written: what stands in for the node binary's functions in
 * the tests, and counts how it is called.
 */
#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <vector>

#include "net/little_endian.h"
#include "transport/chacha_primitives.h"

namespace anteroom::test::plain {

inline std::atomic<unsigned> chacha_calls{0};
inline bool wrong = false;

inline void quarter(uint32_t* x, int a, int b, int c, int d) {
  const auto turn = [](uint32_t v, int n) { return v << n | v >> (32 - n); };
  x[a] += x[b], x[d] = turn(x[d] ^ x[a], 16);
  x[c] += x[d], x[b] = turn(x[b] ^ x[c], 12);
  x[a] += x[b], x[d] = turn(x[d] ^ x[a], 8);
  x[c] += x[d], x[b] = turn(x[b] ^ x[c], 7);
}

inline void chacha(uint8_t* out, const uint8_t* in, size_t length, const uint32_t key[8], const uint32_t counter[4]) {
  chacha_calls++;
  uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  std::memcpy(state + 4, key, 32);
  std::memcpy(state + 12, counter, 16);
  for (size_t at = 0; at < length; at += 64, state[12]++) {
    uint32_t x[16];
    std::memcpy(x, state, sizeof x);
    for (int round = 0; round < 10; round++) {
      for (int i = 0; i < 4; i++) quarter(x, i, 4 + i, 8 + i, 12 + i);
      for (int i = 0; i < 4; i++) quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
    uint8_t stream[64];
    for (int i = 0; i < 16; i++) store_le32(stream + 4 * i, x[i] + state[i]);
    if (wrong && at >= 1024) stream[5] ^= 1;
    for (size_t i = 0; i < 64 && at + i < length; i++) out[at + i] = in[at + i] ^ stream[i];
  }
}

/** The message is kept and the tag computed at the end, with 26-bit limbs. */
struct Poly {
  uint8_t key[32];
  std::vector<uint8_t>* message;
};

inline void poly_init(void* state, const uint8_t key[32]) {
  auto* poly = static_cast<Poly*>(state);
  std::memcpy(poly->key, key, 32);
  poly->message = new std::vector<uint8_t>;
}
inline void poly_update(void* state, const uint8_t* in, size_t length) {
  auto* poly = static_cast<Poly*>(state);
  poly->message->insert(poly->message->end(), in, in + length);
}
inline void poly_final(void* state, uint8_t tag[16]) {
  auto* poly = static_cast<Poly*>(state);
  uint8_t clamped[17] = {};
  std::memcpy(clamped, poly->key, 16);
  for (const int i : {3, 7, 11, 15}) clamped[i] &= 15;
  for (const int i : {4, 8, 12}) clamped[i] &= 252;
  const auto limb = [](const uint8_t* bytes, int i) {  // 26 bits from bit 26 * i of 17 bytes
    uint32_t value = 0;
    for (int bit = 0; bit < 26; bit++) {
      const int from = 26 * i + bit;
      if (from < 136 && (bytes[from / 8] >> (from % 8) & 1) != 0) value |= 1u << bit;
    }
    return static_cast<uint64_t>(value);
  };
  uint64_t r[5], h[5] = {};
  for (int i = 0; i < 5; i++) r[i] = limb(clamped, i);
  const std::vector<uint8_t>& message = *poly->message;
  for (size_t at = 0; at < message.size(); at += 16) {
    uint8_t block[17] = {};
    const size_t size = std::min<size_t>(16, message.size() - at);
    std::memcpy(block, message.data() + at, size);
    block[size] = 1;
    for (int i = 0; i < 5; i++) h[i] += limb(block, i);
    uint64_t product[5] = {};
    for (int i = 0; i < 5; i++) {
      for (int j = 0; j < 5; j++) product[(i + j) % 5] += h[i] * r[j] * (i + j >= 5 ? 5 : 1);
    }
    for (int turn = 0; turn < 2; turn++) {
      for (int i = 0; i < 5; i++) {
        const uint64_t carry = product[i] >> 26;
        product[i] &= 0x3ffffff;
        product[(i + 1) % 5] += i == 4 ? carry * 5 : carry;
      }
    }
    std::copy(product, product + 5, h);
  }
  for (int turn = 0; turn < 3; turn++) {
    for (int i = 0; i < 5; i++) {
      const uint64_t carry = h[i] >> 26;
      h[i] &= 0x3ffffff;
      h[(i + 1) % 5] += i == 4 ? carry * 5 : carry;
    }
  }
  // h - p when h >= p = 2^130 - 5.
  uint64_t g[5];
  uint64_t carry = 5;
  for (int i = 0; i < 5; i++) {
    g[i] = h[i] + carry;
    carry = g[i] >> 26;
    g[i] &= 0x3ffffff;
  }
  if (carry != 0) std::copy(g, g + 5, h);
  uint32_t rest = 0;
  for (int i = 0; i < 16; i++) {
    uint32_t byte = 0;
    for (int bit = 0; bit < 8; bit++) {
      const int from = i * 8 + bit;
      byte |= static_cast<uint32_t>(h[from / 26] >> (from % 26) & 1) << bit;
    }
    rest += byte + poly->key[16 + i];
    tag[i] = static_cast<uint8_t>(rest);
    rest >>= 8;
  }
  delete poly->message;
}

inline constexpr ChaChaPrimitives kPrimitives{chacha, poly_init, poly_update, poly_final};

}  // namespace anteroom::test::plain
