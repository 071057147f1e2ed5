/**
 * Coalescer: which packets join, and the header of what they make. See coalescer.h.
 */
#include "coalescer.h"

#include <cstring>

#include "../net/checksum.h"

namespace anteroom {

namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kAck = 0x10;
constexpr uint8_t kEce = 0x40;
constexpr size_t kTcpFlags = 13;

/** The pseudo-header's sum (RFC 9293 section 3.1, RFC 8200 section 8.1) for `length` bytes of TCP or UDP. */
uint64_t pseudo_sum(const uint8_t* packet, bool tcp, size_t length) noexcept {
  const bool v4 = packet[0] >> 4 == 4;
  const uint64_t sum = uint64_t{word_of(tcp ? kTcp : kUdp)} + word_of(length);
  return v4 ? checksum_add(sum, packet + 12, 8) : checksum_add(sum, packet + 8, 32);
}

}  // namespace

Coalescer::Parsed Coalescer::parse(const uint8_t* packet, size_t length) const noexcept {
  Parsed parsed;
  uint8_t protocol;
  if (length >= 28 && packet[0] == 0x45) {
    // Not a fragment, and not with the reserved bit: DF or nothing.
    if (load_be16(packet + 2) != length || (load_be16(packet + 6) & 0xbfff) != 0) return parsed;
    if (checksum_fold(checksum_add(0, packet, 20)) != 0xffff) return parsed;
    parsed.transport = 20;
    protocol = packet[9];
  } else if (length >= 48 && packet[0] >> 4 == 6) {
    if (load_be16(packet + 4) + size_t{40} != length) return parsed;
    parsed.transport = 40;
    protocol = packet[6];
  } else {
    return parsed;
  }

  const uint8_t* transport = packet + parsed.transport;
  const size_t rest = length - parsed.transport;
  parsed.tcp = protocol == kTcp;
  parsed.ports = parsed.tcp || protocol == kUdp;
  if (parsed.tcp) {
    if (!kinds_.tcp || rest < 20) return parsed;
    const size_t own = static_cast<size_t>(transport[12] >> 4) * 4;
    // The reserved bits (and AccECN's AE) stay out of it.
    if (own < 20 || own >= rest || (transport[12] & 15) != 0) return parsed;
    parsed.flags = transport[kTcpFlags];
    if ((parsed.flags & kAck) == 0 || (parsed.flags & ~(kAck | kPsh | kFin | kEce)) != 0) return parsed;
    parsed.headers = parsed.transport + own;
    parsed.sequence = load_be32(transport + 4);
  } else if (protocol == kUdp) {
    if (!kinds_.udp || rest <= 8 || load_be16(transport + 4) != rest || load_word(transport + 6) == 0) return parsed;
    parsed.headers = parsed.transport + 8;
  } else {
    return parsed;
  }
  parsed.payload = length - parsed.headers;
  parsed.candidate =
      checksum_fold(checksum_add(pseudo_sum(packet, parsed.tcp, rest), transport, rest)) == 0xffff;
  return parsed;
}

/** The last item with the same addresses, protocol and ports; anything of the flow closes what came before. */
Coalescer::Item* Coalescer::flow_of(const Parsed& parsed, const uint8_t* packet) noexcept {
  for (unsigned i = count_; i-- > 0;) {
    Item& item = items_[i];
    if (!item.open || item.transport != parsed.transport || item.tcp != parsed.tcp) continue;
    const uint8_t* other = item.header.data();
    const bool v4 = parsed.transport == 20;
    const bool same = v4 ? std::memcmp(other + 12, packet + 12, 8) == 0 : std::memcmp(other + 8, packet + 8, 32) == 0;
    if (same && std::memcmp(other + parsed.transport, packet + parsed.transport, 4) == 0) return &item;
  }
  return nullptr;
}

bool Coalescer::joins(const Item& item, const Parsed& parsed, const uint8_t* packet) noexcept {
  if (item.segments == kMaxSegments || item.header_size != parsed.headers || parsed.payload > item.payload) return false;
  // Every segment so far has the first one's size, or the item would not be open.
  if (item.header_size + item.segments * item.payload + parsed.payload > kMaxSuper) return false;
  const uint8_t* first = item.header.data();
  if (parsed.transport == 20) {
    const size_t identification = (load_be16(first + 4) + size_t{item.segments}) & 0xffff;
    if (first[1] != packet[1] || load_be16(packet + 4) != identification || load_word(first + 6) != load_word(packet + 6) ||
        first[8] != packet[8]) {
      return false;
    }
  } else {
    if (std::memcmp(first, packet, 4) != 0 || first[7] != packet[7]) return false;
  }
  if (!parsed.tcp) return true;
  const uint8_t* ours = first + item.transport;
  const uint8_t* theirs = packet + parsed.transport;
  return parsed.sequence == item.next_sequence && std::memcmp(ours + 8, theirs + 8, 5) == 0 &&
         ((item.flags ^ parsed.flags) & ~(kPsh | kFin)) == 0 && std::memcmp(ours + 14, theirs + 14, 2) == 0 &&
         std::memcmp(ours + 18, theirs + 18, parsed.headers - parsed.transport - 18) == 0;
}

bool Coalescer::add(const uint8_t* packet, size_t length) noexcept {
  const Parsed parsed = parse(packet, length);
  const iovec whole = {const_cast<uint8_t*>(packet), length};
  if (parsed.candidate) {
    if (Item* item = flow_of(parsed, packet)) {
      if (joins(*item, parsed, packet)) {
        item->packets[item->segments++] = whole;
        item->vectors[item->count++] = {const_cast<uint8_t*>(packet) + parsed.headers, parsed.payload};
        item->next_sequence += static_cast<uint32_t>(parsed.payload);
        item->flags |= parsed.flags;
        if (parsed.payload < item->payload || (parsed.flags & (kPsh | kFin)) != 0) item->open = false;
        bytes_ += length;
        return true;
      }
      if (count_ == kMaxItems) return false;
      item->open = false;
    }
  } else {
    if (count_ == kMaxItems) return false;
    // What is of the same flow must not grow past it; a fragment may be of any.
    if (parsed.ports) {
      if (Item* item = flow_of(parsed, packet)) item->open = false;
    } else {
      for (unsigned i = 0; i < count_; i++) items_[i].open = false;
    }
  }
  if (count_ == kMaxItems) return false;

  Item& item = items_[count_++];
  item.virtio = {};
  item.packets[0] = whole;
  item.segments = 1;
  item.open = parsed.candidate && (parsed.flags & (kPsh | kFin)) == 0;
  item.tcp = parsed.tcp;
  item.transport = parsed.transport;
  item.header_size = parsed.headers;
  item.payload = parsed.payload;
  item.flags = parsed.flags;
  item.next_sequence = parsed.sequence + static_cast<uint32_t>(parsed.payload);
  // Slot 0 is the virtio header's, 1 the headers'.
  item.count = 2;
  if (parsed.candidate) {
    std::memcpy(item.header.data(), packet, parsed.headers);
    item.vectors[item.count++] = {const_cast<uint8_t*>(packet) + parsed.headers, parsed.payload};
    item.virtio.flags = kChecksumGood;
  }
  bytes_ += length;
  return true;
}

void Coalescer::finish(Item& item) noexcept {
  item.vectors[0] = {&item.virtio, kVirtioHeader};
  if (item.segments == 1) {
    item.vectors[1] = item.packets[0];
    item.count = 2;
    return;
  }
  uint8_t* header = item.header.data();
  item.vectors[1] = {header, item.header_size};
  size_t length = item.header_size;
  for (unsigned i = 2; i < item.count; i++) length += item.vectors[i].iov_len;
  const size_t rest = length - item.transport;
  const bool v4 = item.transport == 20;
  if (v4) {
    store_be16(header + 2, length);
    store_word(header + 10, 0);
    store_word(header + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(0, header, 20))));
  } else {
    store_be16(header + 4, length - 40);
  }
  if (item.tcp) {
    header[item.transport + kTcpFlags] = item.flags;
  } else {
    store_be16(header + item.transport + 4, rest);
  }
  const size_t field = item.tcp ? 16 : 6;
  store_word(header + item.transport + field, checksum_fold(pseudo_sum(header, item.tcp, rest)));
  item.virtio.flags = kNeedsChecksum;
  item.virtio.gso_type = !item.tcp ? kGsoUdp : v4 ? kGsoTcp4 : kGsoTcp6;
  item.virtio.hdr_len = static_cast<uint16_t>(item.header_size);
  item.virtio.gso_size = static_cast<uint16_t>(item.payload);
  item.virtio.csum_start = static_cast<uint16_t>(item.transport);
  item.virtio.csum_offset = static_cast<uint16_t>(field);
}

}  // namespace anteroom
