/**
 * A plain model of IP, TCP and UDP packets for the tests of segmenting and joining: built and judged byte by byte,
 * from the RFCs, with nothing of the code under test.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace anteroom::test {

using Bytes = std::vector<uint8_t>;

/** RFC 1071 the slow way: big-endian words, carries folded one by one. */
inline uint16_t naive_sum(const Bytes& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i++) {
    sum += i % 2 == 0 ? static_cast<uint32_t>(bytes[i]) << 8 : bytes[i];
    if (sum > 0xffff) sum = (sum & 0xffff) + 1;
  }
  return static_cast<uint16_t>(sum);
}

struct Flow {
  bool v6 = false;
  bool tcp = true;
  uint16_t port = 1234;
  uint8_t hops = 64;
  uint8_t service = 0;
  bool fragmentable = false;
  /** TCP options, a multiple of 4 bytes. */
  Bytes options{1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
};

struct Segment {
  uint32_t sequence = 1000;
  uint32_t acknowledged = 7;
  uint16_t identification = 1;
  uint8_t flags = 0x10;
  uint16_t window = 500;
  Bytes payload;
};

inline void put16(Bytes& to, size_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}
inline void put32(Bytes& to, uint32_t value) {
  put16(to, value >> 16);
  put16(to, value & 0xffff);
}
inline size_t get16(const Bytes& from, size_t at) { return static_cast<size_t>(from.at(at)) << 8 | from.at(at + 1); }

/** The pseudo-header of a packet (RFC 9293 section 3.1, RFC 8200 section 8.1). */
inline Bytes pseudo_header(const Bytes& packet) {
  const bool v6 = packet.at(0) >> 4 == 6;
  const size_t header = v6 ? 40 : static_cast<size_t>(packet[0] & 15) * 4;
  Bytes pseudo(packet.begin() + (v6 ? 8 : 12), packet.begin() + (v6 ? 40 : 20));
  put16(pseudo, 0);
  put16(pseudo, packet.size() - header);
  put16(pseudo, packet.at(v6 ? 6 : 9));
  return pseudo;
}

/** Both checksums of a packet are right, its lengths too. */
inline bool sound(const Bytes& packet) {
  const bool v6 = packet.at(0) >> 4 == 6;
  const size_t header = v6 ? 40 : static_cast<size_t>(packet[0] & 15) * 4;
  if (v6 ? get16(packet, 4) + 40 != packet.size() : get16(packet, 2) != packet.size()) return false;
  if (!v6 && naive_sum(Bytes(packet.begin(), packet.begin() + static_cast<long>(header))) != 0xffff) return false;
  Bytes all = pseudo_header(packet);
  all.insert(all.end(), packet.begin() + static_cast<long>(header), packet.end());
  if (packet.at(v6 ? 6 : 9) == 17 && get16(packet, header + 4) != packet.size() - header) return false;
  return naive_sum(all) == 0xffff;
}

/** With `partial`, the checksum field holds the pseudo-header's sum, as the kernel leaves it for us to complete. */
inline Bytes build(const Flow& flow, const Segment& segment, bool partial = false) {
  Bytes transport;
  put16(transport, flow.port);
  put16(transport, 443);
  if (flow.tcp) {
    put32(transport, segment.sequence);
    put32(transport, segment.acknowledged);
    transport.push_back(static_cast<uint8_t>((20 + flow.options.size()) / 4 << 4));
    transport.push_back(segment.flags);
    put16(transport, segment.window);
    put32(transport, 0);
    transport.insert(transport.end(), flow.options.begin(), flow.options.end());
  } else {
    put16(transport, 8 + segment.payload.size());
    put16(transport, 0);
  }
  transport.insert(transport.end(), segment.payload.begin(), segment.payload.end());

  Bytes packet;
  if (flow.v6) {
    put32(packet, 0x60000000u | static_cast<uint32_t>(flow.service) << 20 | 0x12345);
    put16(packet, transport.size());
    packet.push_back(flow.tcp ? 6 : 17);
    packet.push_back(flow.hops);
    for (int i = 0; i < 32; i++) packet.push_back(static_cast<uint8_t>(i < 16 ? 0x20 + i : 0x90 + i));
  } else {
    packet.push_back(0x45);
    packet.push_back(flow.service);
    put16(packet, 20 + transport.size());
    put16(packet, segment.identification);
    put16(packet, flow.fragmentable ? 0 : 0x4000);
    packet.push_back(flow.hops);
    packet.push_back(flow.tcp ? 6 : 17);
    put16(packet, 0);
    for (const uint8_t byte : {10, 0, 0, 1, 10, 0, 0, 2}) packet.push_back(byte);
    const auto sum = static_cast<uint16_t>(~naive_sum(packet));
    packet[10] = static_cast<uint8_t>(sum >> 8);
    packet[11] = static_cast<uint8_t>(sum);
  }
  const size_t header = packet.size();
  packet.insert(packet.end(), transport.begin(), transport.end());
  const size_t field = header + (flow.tcp ? 16 : 6);
  Bytes summed = pseudo_header(packet);
  if (!partial) summed.insert(summed.end(), transport.begin(), transport.end());
  uint16_t sum = naive_sum(summed);
  if (!partial) sum = static_cast<uint16_t>(~sum);
  if (!partial && !flow.tcp && sum == 0) sum = 0xffff;
  packet[field] = static_cast<uint8_t>(sum >> 8);
  packet[field + 1] = static_cast<uint8_t>(sum);
  return packet;
}

inline Bytes pattern(size_t length, uint8_t seed = 0) {
  Bytes bytes(length);
  for (size_t i = 0; i < length; i++) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251 + seed);
  return bytes;
}

}  // namespace anteroom::test
