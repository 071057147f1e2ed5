/**
 * Hellos of TLS. See tls_hello.h.
 */
#include "tls_hello.h"

#include <algorithm>

#include "hash.h"

namespace anteroom::sensor {

namespace {

constexpr uint8_t kHandshake = 0x16, kClientHello = 1, kServerHello = 2, kCertificate = 11;
constexpr uint32_t kRecordHeader = 5, kMessageHeader = 4, kRecordLimit = 0x4800;
/** Version and random. */
constexpr uint32_t kRandom = 34;
constexpr uint16_t kServerName = 0, kSignatures = 13, kProtocols = 16, kVersions = 43;
constexpr uint16_t kTls13 = 0x0304;
/** Entries of a list that are read. */
constexpr uint32_t kEntries = 128;

/** Reserved values that clients sprinkle in (RFC 8701 section 2). */
bool is_grease(uint16_t value) noexcept { return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff); }

/** Of two-byte values, in whatever order: clients shuffle them. */
uint64_t print_values(Padded body, uint32_t at, uint32_t end, uint64_t seed) noexcept {
  uint64_t sum = 0;
  for (; at + 2 <= end; at += 2)
    if (const uint16_t value = body.u16(at); !is_grease(value)) sum += fold(value + seed, 0x9e3779b97f4a7c15);
  return sum;
}

bool read_client(Padded body, uint64_t seed, uint64_t& print) noexcept {
  uint32_t at = kRandom;
  at += 1u + body.u8(at);
  const uint32_t ciphers = at + 2;
  at = ciphers + body.u16(at);
  if (at >= body.length || at - ciphers > 2 * kEntries) return false;
  print = fold(print_values(body, ciphers, at, seed) ^ body.u16(0), seed | 1);
  at += 1u + body.u8(at);
  const uint32_t end = at + 2 + body.u16(at);
  if (end > body.length) return false;
  at += 2;
  for (uint32_t n = 0; at + 4 <= end; n++) {
    const uint16_t kind = body.u16(at);
    const uint32_t start = at + 4;
    const uint32_t stop = start + body.u16(at + 2);
    if (stop > end || n == kEntries) return false;
    at = stop;
    if (is_grease(kind)) continue;
    uint64_t said = kind;
    if (kind == kServerName || kind == kProtocols) {
      said ^= hash_bytes(body.bytes + start, stop - start, seed) << 16;
    } else if (kind == kVersions && start < stop) {
      said ^= print_values(body, start + 1, stop, seed) << 16;
    } else if (kind == kSignatures) {
      said ^= hash_bytes(body.bytes + start, stop - start, seed ^ kind) << 16;
    }
    print += fold(said ^ seed, 0xd6e8feb86659fd93);
  }
  return true;
}

/** `bytes`: from the message on, as many as there are; the certificate begins where the hello ends. */
bool read_server(Padded bytes, uint32_t length, uint64_t seed, TlsHello& hello) noexcept {
  const uint32_t session = kMessageHeader + kRandom;
  const uint32_t cipher = session + 1u + bytes.u8(session);
  const uint32_t end = kMessageHeader + length;
  if (cipher + 3 > end) return false;
  uint32_t at = cipher + 5;
  for (uint32_t n = 0; at + 4 <= end; n++) {
    if (n == kEntries) return false;
    if (bytes.u16(at) == kVersions) hello.sealed = bytes.u16(at + 4) == kTls13;
    at += 4u + bytes.u16(at + 2);
  }
  hello.print = fold(bytes.u16(kMessageHeader) + (hello.sealed ? 1u << 16 : 0u) + seed, seed | 1);
  if (hello.sealed) return true;
  hello.print ^= hash_bytes(bytes.bytes + cipher, end - cipher, seed);
  // In the same record or in the next; without one the session goes on.
  const uint32_t next = end + (bytes.u8(end) == kHandshake && bytes.u8(end + 1) == 3 ? kRecordHeader : 0);
  if (bytes.u8(next) != kCertificate) return true;
  const uint32_t rest = kMessageHeader + (uint32_t{bytes.u8(next + 1)} << 16 | bytes.u16(next + 2));
  hello.print ^= hash_bytes(bytes.bytes + next, std::min(rest, bytes.length - next), ~seed);
  return true;
}

}  // namespace

bool read_tls(Padded bytes, uint64_t seed, TlsHello& hello) noexcept {
  if (bytes.length < kRecordHeader + kMessageHeader + kRandom || bytes.u8(0) != kHandshake) return false;
  if (bytes.u8(1) != 3 || bytes.u8(2) > 4 || bytes.u16(3) > kRecordLimit) return false;
  const uint8_t type = bytes.u8(kRecordHeader);
  const uint32_t length = uint32_t{bytes.u8(kRecordHeader + 1)} << 16 | bytes.u16(kRecordHeader + 2);
  // One record that holds it all.
  if (length < kRandom || length + kMessageHeader > bytes.u16(3)) return false;
  const uint32_t start = kRecordHeader + kMessageHeader;
  if (start + length > bytes.length) return false;
  hello = TlsHello{};
  hello.client = type == kClientHello;
  if (hello.client) return read_client({bytes.bytes + start, length}, seed, hello.print);
  return type == kServerHello &&
         read_server({bytes.bytes + kRecordHeader, bytes.length - kRecordHeader}, length, seed, hello);
}

}  // namespace anteroom::sensor
