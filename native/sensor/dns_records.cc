/**
 * Parts of DNS messages. See dns_records.h.
 */
#include "dns_records.h"

#include <cstring>

#include "hash.h"

namespace anteroom::sensor {

namespace {

constexpr uint32_t kHeader = 12, kName = 255, kLabels = 32, kPointers = 16, kEntries = 64;
constexpr uint16_t kAddress = 1, kPointer = 12, kHost = 13, kText = 16, kAddress6 = 28;

uint8_t lower(uint8_t c) noexcept { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; }

/** A name in one piece, in small letters, and where its labels begin. */
struct Name {
  uint8_t bytes[kName + 1];
  uint32_t length = 0;
  uint32_t labels[kLabels];
  uint32_t count = 0;
  /** After it, where it stands. */
  uint32_t next = 0;

  /** False: not a name, or one of more labels than anybody's. */
  bool read(Padded from, uint32_t at) noexcept {
    length = count = 0;
    uint32_t lowest = at;
    next = 0;
    for (uint32_t jumps = 0; at < from.length;) {
      const uint8_t size = from.u8(at);
      if (size == 0) {
        if (next == 0) next = at + 1;
        return true;
      }
      if (size >= 0xc0) {
        const uint32_t target = from.u16(at) & 0x3fffu;
        if (at + 1 >= from.length || target < kHeader || target >= lowest || ++jumps > kPointers) return false;
        if (next == 0) next = at + 2;
        at = lowest = target;
        continue;
      }
      if (size >= 64 || count == kLabels || length + size + 1 > kName || at + 1 + size > from.length) return false;
      labels[count++] = length;
      bytes[length++] = size;
      for (uint32_t i = 1; i <= size; i++) bytes[length++] = lower(from.bytes[at + i]);
      at += 1u + size;
    }
    return false;
  }

  bool ends_with(const char* label) const noexcept {
    const size_t size = std::strlen(label);
    if (count == 0 || bytes[labels[count - 1]] != size) return false;
    return std::memcmp(bytes + labels[count - 1] + 1, label, size) == 0;
  }

  uint64_t print(uint32_t from, uint64_t seed) const noexcept { return hash_bytes(bytes + from, length - from, seed); }
};

}  // namespace

bool read_questions(Padded bytes, uint64_t seed, Prints& prints) noexcept {
  const uint32_t count = bytes.u16(4);
  if (count > kEntries) return false;
  uint32_t at = kHeader;
  for (uint32_t n = 0; n < count; n++) {
    Name name;
    if (!name.read(bytes, at) || name.next + 4 > bytes.length) return false;
    at = name.next + 4;
    // The registrable part, nearly: as `src/sensor/announcement.ts` has it.
    if (name.count < 2 || name.ends_with("arpa") || name.ends_with("local")) continue;
    const bool is_short = name.count > 2 && name.bytes[name.labels[name.count - 2]] <= 3;
    prints.add(name.print(name.labels[name.count - (is_short ? 3 : 2)], seed) | 1);
  }
  return true;
}

bool read_records(Padded bytes, uint64_t seed, Prints& prints) noexcept {
  const bool answers = (bytes.u8(2) & 0x80) != 0;
  const uint32_t questions = bytes.u16(4);
  const uint32_t records = uint32_t{bytes.u16(6)} + bytes.u16(8) + bytes.u16(10);
  if (questions > kEntries || records > kEntries) return false;
  Name name;
  uint32_t at = kHeader;
  for (uint32_t n = 0; n < questions; n++) {
    if (!name.read(bytes, at) || name.next + 4 > bytes.length) return false;
    at = name.next + 4;
  }
  for (uint32_t n = 0; n < records; n++) {
    if (!name.read(bytes, at) || name.next + 10 > bytes.length) return false;
    const uint16_t type = bytes.u16(name.next);
    const uint32_t start = name.next + 10;
    at = start + bytes.u16(name.next + 8);
    if (at > bytes.length) return false;
    const uint64_t said = name.print(0, seed) + type;
    if (type == kPointer) {
      Name target;
      const bool read = target.read({bytes.bytes, at}, start);
      if (answers) prints.add(fold(said ^ (read ? target.print(0, ~seed) : 0), seed | 1) | 1);
    } else if (type == kAddress || type == kAddress6 || type == kHost || type == kText) {
      prints.add(fold(said ^ hash_bytes(bytes.bytes + start, at - start, ~seed), seed | 1) | 1);
    }
  }
  return true;
}

}  // namespace anteroom::sensor
