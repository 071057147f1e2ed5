/**
 * Aead: RFC 8439's vectors, and that every bit of a message is authenticated.
 */
#include "transport/aead.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "net/little_endian.h"
#include "plain_chacha.h"
#include "tap.h"
#include "transport/message.h"

using namespace anteroom;
using namespace anteroom::test;

namespace {

std::vector<uint8_t> hex(const char* text) {
  std::vector<uint8_t> bytes;
  for (; text[0] != '\0'; text += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(text, 2), nullptr, 16)));
  }
  return bytes;
}

}  // namespace

TEST("aead: the self-test passes (RFC 8439 section 2.8.2)") { CHECK(Aead::self_test()); }

TEST("aead: RFC 8439 appendix A.5 opens, with its counter-shaped nonce") {
  const auto key = hex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
  const auto nonce = hex("000000000102030405060708");
  const auto aad = hex("f33388860000000000004e91");
  auto message = hex(
      "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0bdb7b73c321b"
      "0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e"
      "2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523eaf45"
      "34d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa76991955ebd63159434ecebb4e466dae5a10"
      "73a6727627097a1049e617d91d361094fa68f0ff77987130305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d6789"
      "0cbb22392336fea1851f38");
  Aead opening(Aead::Direction::kOpen, key.data());
  const size_t length = message.size() - Aead::kTagSize;
  CHECK(length == 265);
  CHECK(opening.open_with(nonce.data(), aad.data(), aad.size(), message.data(), length));
  const std::string text(message.begin(), message.begin() + 41);
  CHECK(text == "Internet-Drafts are draft documents valid");
}

TEST("aead: any flipped bit, another counter and another key are refused; empty messages work") {
  uint8_t key[32];
  std::memset(key, 7, sizeof key);
  Aead sealing(Aead::Direction::kSeal, key);
  Aead opening(Aead::Direction::kOpen, key);
  for (const size_t length : {size_t{0}, size_t{1}, size_t{16}, size_t{63}, size_t{64}, size_t{65}, size_t{1420}}) {
    std::vector<uint8_t> plain(length, 0x5a);
    std::vector<uint8_t> message(length + Aead::kTagSize);
    const auto seal = [&] {
      std::copy(plain.begin(), plain.end(), message.begin());
      return sealing.seal(0x0102030405060708, message.data(), length);
    };
    CHECK(seal());
    CHECK(opening.open(0x0102030405060708, message.data(), length));
    CHECK(std::equal(plain.begin(), plain.end(), message.begin()));
    for (size_t bit = 0; bit < message.size() * 8; bit += length > 100 ? 97 : 1) {
      seal();
      message[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
      if (opening.open(0x0102030405060708, message.data(), length)) CHECK(false);
    }
    seal();
    CHECK(!opening.open(0x0102030405060709, message.data(), length));
    uint8_t other[32];
    std::memset(other, 8, sizeof other);
    Aead stranger(Aead::Direction::kOpen, other);
    seal();
    CHECK(!stranger.open(0x0102030405060708, message.data(), length));
  }
}

TEST("message: padding fills to 16 and stops at the MTU") {
  CHECK(padded_length(0, 1420) == 0);
  CHECK(padded_length(1, 1420) == 16);
  CHECK(padded_length(16, 1420) == 16);
  CHECK(padded_length(1409, 1420) == 1420);
  CHECK(padded_length(1420, 1420) == 1420);
  CHECK(padded_length(1421, 1420) == 1436);
  CHECK(kRejectAfterMessages == 18'446'744'073'709'543'423u);
}

TEST("aead: by primitives, the vectors hold and 64 messages come out as EVP has them") {
  CHECK(Aead::self_test(&plain::kPrimitives));
  for (uint64_t seed = 1; seed <= 5; seed++) CHECK(Aead::agree(plain::kPrimitives, seed));
}

TEST("aead: primitives that are wrong far into a message are found out") {
  plain::wrong = true;
  CHECK(Aead::self_test(&plain::kPrimitives));
  CHECK(!Aead::agree(plain::kPrimitives, 1));
  plain::wrong = false;
}

TEST("aead: with room for a block, sealing is one run of the cipher and touches nothing else") {
  uint8_t key[32];
  std::memset(key, 9, sizeof key);
  Aead sealing(Aead::Direction::kSeal, key, &plain::kPrimitives);
  Aead opening(Aead::Direction::kOpen, key);
  std::vector<uint8_t> buffer(8 + 64 + 200 + Aead::kTagSize + 8, 0xee);
  uint8_t* message = buffer.data() + 72;
  std::memset(message, 0x31, 200);
  plain::chacha_calls = 0;
  CHECK(sealing.seal(5, message, message, 200, true));
  CHECK(plain::chacha_calls == 1);
  CHECK(std::all_of(buffer.begin(), buffer.begin() + 8, [](uint8_t b) { return b == 0xee; }));
  CHECK(std::all_of(buffer.end() - 8, buffer.end(), [](uint8_t b) { return b == 0xee; }));
  CHECK(opening.open(5, message, 200));
  CHECK(std::all_of(message, message + 200, [](uint8_t b) { return b == 0x31; }));
}

TEST("aead: what is not authentic isn't decrypted") {
  uint8_t key[32];
  std::memset(key, 9, sizeof key);
  Aead sealing(Aead::Direction::kSeal, key);
  Aead opening(Aead::Direction::kOpen, key, &plain::kPrimitives);
  std::vector<uint8_t> message(300 + Aead::kTagSize, 0x31);
  CHECK(sealing.seal(5, message.data(), 300));
  message[299] ^= 1;
  const std::vector<uint8_t> before = message;
  CHECK(!opening.open(5, message.data(), 300));
  CHECK(message == before);
  message[299] ^= 1;
  CHECK(opening.open(5, message.data(), 300));
}

TEST("aead: apart, opening is one run of the cipher, and what is not authentic leaves nothing behind") {
  uint8_t key[32];
  std::memset(key, 9, sizeof key);
  for (const ChaChaPrimitives* primitives : {&plain::kPrimitives, static_cast<const ChaChaPrimitives*>(nullptr)}) {
    Aead sealing(Aead::Direction::kSeal, key, primitives);
    Aead opening(Aead::Direction::kOpen, key, primitives);
    std::vector<uint8_t> packet(8 + 64 + 300, 0xee);
    std::vector<uint8_t> sealed(8 + 64 + 300 + Aead::kTagSize + 8, 0xee);
    std::memset(packet.data() + 72, 0x31, 300);
    CHECK(sealing.seal(5, packet.data() + 72, sealed.data() + 72, 300, true));
    CHECK(std::all_of(packet.begin() + 72, packet.end(), [](uint8_t b) { return b == 0x31; }));
    std::vector<uint8_t> to(8 + 64 + 300 + 8, 0xee);
    sealed[80] ^= 1;
    CHECK(!opening.open(5, sealed.data() + 72, to.data() + 72, 300, true));
    CHECK(std::all_of(to.begin() + 72, to.end() - 8, [](uint8_t b) { return b == 0; }));
    sealed[80] ^= 1;
    plain::chacha_calls = 0;
    CHECK(opening.open(5, sealed.data() + 72, to.data() + 72, 300, true));
    CHECK(plain::chacha_calls == (primitives == nullptr ? 0u : 1u));
    CHECK(std::all_of(to.begin() + 72, to.end() - 8, [](uint8_t b) { return b == 0x31; }));
    for (const auto* bytes : {&packet, &sealed, &to}) {
      CHECK(std::all_of(bytes->begin(), bytes->begin() + 8, [](uint8_t b) { return b == 0xee; }));
    }
    CHECK(std::all_of(sealed.end() - 8, sealed.end(), [](uint8_t b) { return b == 0xee; }));
    CHECK(std::all_of(to.end() - 8, to.end(), [](uint8_t b) { return b == 0xee; }));
  }
}
