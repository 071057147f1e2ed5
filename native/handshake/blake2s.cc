/**
 * BLAKE2s, HMAC and HKDF. See blake2s.h.
 */
#include "blake2s.h"

#include <cstring>

#include "../net/little_endian.h"

namespace anteroom {

namespace {

constexpr uint32_t kIv[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/** RFC 7693 section 2.7. */
constexpr uint8_t kSigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

inline uint32_t turn(uint32_t value, unsigned by) noexcept { return value >> by | value << (32 - by); }

inline void mix(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d, uint32_t x, uint32_t y) noexcept {
  a += b + x;
  d = turn(d ^ a, 16);
  c += d;
  b = turn(b ^ c, 12);
  a += b + y;
  d = turn(d ^ a, 8);
  c += d;
  b = turn(b ^ c, 7);
}

template <size_t Round>
inline void round(uint32_t (&v)[16], const uint32_t (&m)[16]) noexcept {
  constexpr const uint8_t(&s)[16] = kSigma[Round];
  mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
  mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
  mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
  mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
  mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
  mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
  mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
  mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
}

}  // namespace

Blake2s::Blake2s(size_t size, const uint8_t* key, size_t key_length) noexcept : size_(size) {
  std::memcpy(h_, kIv, sizeof h_);
  h_[0] ^= 0x01010000 ^ static_cast<uint32_t>(key_length << 8) ^ static_cast<uint32_t>(size);
  if (key_length == 0) return;
  std::memcpy(block_, key, key_length);
  std::memset(block_ + key_length, 0, kBlockSize - key_length);
  held_ = kBlockSize;
}

Blake2s::~Blake2s() {
  OPENSSL_cleanse(h_, sizeof h_);
  OPENSSL_cleanse(block_, sizeof block_);
}

void Blake2s::compress(const uint8_t* block, bool last) noexcept {
  uint32_t m[16];
  uint32_t v[16];
  for (size_t i = 0; i < 16; i++) m[i] = load_le32(block + 4 * i);
  std::memcpy(v, h_, sizeof h_);
  std::memcpy(v + 8, kIv, sizeof kIv);
  v[12] ^= static_cast<uint32_t>(count_);
  v[13] ^= static_cast<uint32_t>(count_ >> 32);
  if (last) v[14] = ~v[14];
  round<0>(v, m);
  round<1>(v, m);
  round<2>(v, m);
  round<3>(v, m);
  round<4>(v, m);
  round<5>(v, m);
  round<6>(v, m);
  round<7>(v, m);
  round<8>(v, m);
  round<9>(v, m);
  for (size_t i = 0; i < 8; i++) h_[i] ^= v[i] ^ v[i + 8];
}

Blake2s& Blake2s::update(const uint8_t* data, size_t length) noexcept {
  // A block is compressed when more follows it: the last one is marked.
  while (length != 0) {
    if (held_ == kBlockSize) {
      count_ += kBlockSize;
      compress(block_, false);
      held_ = 0;
    }
    if (held_ == 0 && length > kBlockSize) {
      count_ += kBlockSize;
      compress(data, false);
      data += kBlockSize;
      length -= kBlockSize;
      continue;
    }
    const size_t some = length < kBlockSize - held_ ? length : kBlockSize - held_;
    std::memcpy(block_ + held_, data, some);
    held_ += some;
    data += some;
    length -= some;
  }
  return *this;
}

void Blake2s::finish(uint8_t* out) noexcept {
  count_ += held_;
  std::memset(block_ + held_, 0, kBlockSize - held_);
  compress(block_, true);
  uint8_t whole[kHashSize];
  for (size_t i = 0; i < 8; i++) store_le32(whole + 4 * i, h_[i]);
  std::memcpy(out, whole, size_);
  OPENSSL_cleanse(whole, sizeof whole);
}

void Blake2s::hash(uint8_t out[kHashSize], const uint8_t* a, size_t a_length, const uint8_t* b,
                   size_t b_length) noexcept {
  Blake2s state;
  state.update(a, a_length).update(b, b_length).finish(out);
}

void Blake2s::mac(uint8_t out[kMacSize], const uint8_t* key, size_t key_length, const uint8_t* data,
                  size_t length) noexcept {
  Blake2s state(kMacSize, key, key_length);
  state.update(data, length).finish(out);
}

namespace {

/** HMAC-BLAKE2s with a 32-byte key, whose two blocks are compressed once for any number of messages. */
class Hmac {
 public:
  explicit Hmac(const uint8_t key[Blake2s::kHashSize]) noexcept {
    uint8_t block[Blake2s::kBlockSize];
    std::memset(block, 0x36, sizeof block);
    for (size_t i = 0; i < Blake2s::kHashSize; i++) block[i] ^= key[i];
    inner_.update(block, sizeof block);
    for (uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
    outer_.update(block, sizeof block);
    OPENSSL_cleanse(block, sizeof block);
  }

  void operator()(uint8_t out[Blake2s::kHashSize], const uint8_t* data, size_t length, const uint8_t* more = nullptr,
                  size_t more_length = 0) const noexcept {
    uint8_t digest[Blake2s::kHashSize];
    Blake2s inner = inner_;
    inner.update(data, length).update(more, more_length).finish(digest);
    Blake2s outer = outer_;
    outer.update(digest, sizeof digest).finish(out);
    OPENSSL_cleanse(digest, sizeof digest);
  }

 private:
  Blake2s inner_;
  Blake2s outer_;
};

}  // namespace

void hkdf(const uint8_t* ck, const uint8_t* material, size_t length, uint8_t* first, uint8_t* second,
          uint8_t* third) noexcept {
  static constexpr uint8_t kOne = 1;
  static constexpr uint8_t kTwo = 2;
  static constexpr uint8_t kThree = 3;
  Key32 temporary;
  Hmac{ck}(temporary.data(), material, length);
  const Hmac expand(temporary.data());
  expand(first, &kOne, 1);
  expand(second, first, Blake2s::kHashSize, &kTwo, 1);
  if (third != nullptr) expand(third, second, Blake2s::kHashSize, &kThree, 1);
}

namespace {

/** RFC 7693 appendix E's sequence of test data. */
void sequence(uint8_t* out, size_t length, uint32_t seed) noexcept {
  uint32_t a = 0xdead4bad * seed;
  uint32_t b = 1;
  for (size_t i = 0; i < length; i++) {
    const uint32_t t = a + b;
    a = b;
    b = t;
    out[i] = static_cast<uint8_t>(t >> 24);
  }
}

constexpr uint8_t kAbc[32] = {0x50, 0x8c, 0x5e, 0x8c, 0x32, 0x7c, 0x14, 0xe2, 0xe1, 0xa7, 0x2b,
                              0xa3, 0x4e, 0xeb, 0x45, 0x2f, 0x37, 0x45, 0x8b, 0x20, 0x9e, 0xd6,
                              0x3a, 0x29, 0x4d, 0x99, 0x9b, 0x4c, 0x86, 0x67, 0x59, 0x82};
constexpr uint8_t kGrandHash[32] = {0x6a, 0x41, 0x1f, 0x08, 0xce, 0x25, 0xad, 0xcd, 0xfb, 0x02, 0xab,
                                    0xa6, 0x41, 0x45, 0x1c, 0xec, 0x53, 0xc5, 0x98, 0xb2, 0x4f, 0x4f,
                                    0xc7, 0x87, 0xfb, 0xdc, 0x88, 0x79, 0x7f, 0x4c, 0x1d, 0xfe};

}  // namespace

bool Blake2s::self_test() noexcept {
  uint8_t out[kHashSize];
  hash(out, reinterpret_cast<const uint8_t*>("ab"), 2, reinterpret_cast<const uint8_t*>("c"), 1);
  if (std::memcmp(out, kAbc, sizeof kAbc) != 0) return false;
  constexpr size_t kSizes[4] = {16, 20, 28, 32};
  constexpr size_t kLengths[6] = {0, 3, 64, 65, 255, 1024};
  Blake2s grand;
  for (const size_t size : kSizes) {
    for (const size_t length : kLengths) {
      uint8_t data[1024];
      uint8_t key[32];
      sequence(data, length, static_cast<uint32_t>(length));
      Blake2s plain(size);
      plain.update(data, length).finish(out);
      grand.update(out, size);
      sequence(key, size, static_cast<uint32_t>(size));
      Blake2s keyed(size, key, size);
      keyed.update(data, length).finish(out);
      grand.update(out, size);
    }
  }
  grand.finish(out);
  return std::memcmp(out, kGrandHash, sizeof kGrandHash) == 0;
}

}  // namespace anteroom
