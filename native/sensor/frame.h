/**
 * One captured frame, decoded from the link layer to the transport payload: Ethernet with 802.1Q/802.1ad tags,
 * Linux cooked (v1, v2), null/loopback and raw IP; ARP (RFC 826); IPv4 (RFC 791); IPv6 (RFC 8200);
 * neighbour discovery (RFC 4861); TCP (RFC 9293); UDP (RFC 768); PPPoE sessions (RFC 2516) and MPLS (RFC 3032),
 * looked through; tunnels (tunnel.h), of which `inner` tells where the frame inside begins.
 *
 *   Ethernet  destination 6 · source 6 · [tag 0x8100|0x88a8 · TCI 2]* · EtherType 2 · payload
 *   SLL       type 2 · ARPHRD 2 · length 2 · source 8 · protocol 2 · payload
 *   SLL2      protocol 2 · reserved 2 · interface 4 · ARPHRD 2 · type 1 · length 1 · source 8 · payload
 *
 * Nothing is trusted: lengths are clamped to what was captured, what contradicts itself is a named weird.
 * A fragment is told as one; fragment_table.h puts them together.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "weird.h"

namespace anteroom::sensor {

enum class Network : uint8_t { kNone, kArp, kIpv4, kIpv6, kOther };
enum class Transport : uint8_t { kNone, kTcp, kUdp, kFragment, kOther };
enum class Arp : uint8_t { kNone, kRequest, kReply };

/** Link types of capture files (the registry of pcap and pcapng, LINKTYPE_*). */
namespace link {
inline constexpr uint32_t kNull = 0, kEthernet = 1, kRawBsd = 12, kRawOpenBsd = 14, kRaw = 101, kLoop = 108,
                          kSll = 113, kIpv4 = 228, kIpv6 = 229, kSll2 = 276;
}

/** RFC 9293 section 3.1. */
namespace tcp_flag {
inline constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kAck = 16;
}

/** No MAC address is in the frame (raw IP, loopback). */
inline constexpr uint64_t kNoMac = ~uint64_t{0};

/** 0, 4 or 16 bytes. */
struct Address {
  uint8_t bytes[16] = {};
  uint8_t length = 0;

  void set(const uint8_t* from, uint8_t count) noexcept {
    std::memcpy(bytes, from, count);
    length = count;
  }
  bool operator==(const Address& other) const noexcept {
    return length == other.length && std::memcmp(bytes, other.bytes, length) == 0;
  }
};

/** An address one host can have: not unspecified, loopback, multicast or broadcast. */
bool is_unicast(const Address& address) noexcept;
/** Private, link-local or unique local (RFC 1918, 3927, 4193, 4291): an address that only means something here. */
bool is_private(const Address& address) noexcept;
/** Unicast, or loopback, which a capture of one machine's own traffic shows. */
bool is_host_address(const Address& address) noexcept;

/** What a tunnel carries: a link type, and where it stands. */
struct Inner {
  uint32_t link = 0;
  uint32_t start = 0;
  uint32_t end = 0;
  bool there() const noexcept { return start < end; }
};

struct Frame {
  const uint8_t* bytes = nullptr;
  uint32_t length = 0;
  uint32_t link = 0;
  uint64_t source_mac = kNoMac;
  uint64_t destination_mac = kNoMac;
  /** Innermost VLAN identifier, 0 when untagged. */
  uint16_t vlan = 0;
  Network network = Network::kNone;
  Transport transport = Transport::kNone;
  Arp arp = Arp::kNone;
  uint8_t hop_limit = 0;
  uint8_t flags = 0;
  Weird weird = Weird::kNone;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t sequence = 0;
  uint32_t network_start = 0;
  uint32_t transport_start = 0;
  uint32_t payload_start = 0;
  uint32_t payload_end = 0;
  /** Payload bytes that were on the wire and not captured. */
  uint32_t payload_missing = 0;
  Address source;
  /** Of an ARP message: whom it asks for, or tells. */
  Address destination;
  /** Address that the source MAC says is its own, by ARP or neighbour discovery. */
  Address claim;
  Inner inner;

  /** Keeps no copy: valid as long as `data` is. */
  void decode(uint32_t link_type, const uint8_t* data, uint32_t size) noexcept;

 private:
  void wrong(Weird what) noexcept {
    if (weird == Weird::kNone) weird = what;
  }
  uint16_t u16(uint32_t at) const noexcept { return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]); }
  uint32_t u32(uint32_t at) const noexcept { return uint32_t{u16(at)} << 16 | u16(at + 2); }
  uint64_t mac(uint32_t at) const noexcept { return uint64_t{u16(at)} << 32 | u32(at + 2); }
  void ethernet() noexcept;
  void tagged(uint32_t at) noexcept;
  void payload(uint16_t type, uint32_t at) noexcept;
  void pppoe(uint32_t at) noexcept;
  void labelled(uint32_t at) noexcept;
  void cooked(uint32_t header, uint32_t protocol_at, uint32_t hardware_at, uint32_t length_at, uint32_t source_at) noexcept;
  void raw(uint32_t at) noexcept;
  void read_arp(uint32_t at) noexcept;
  void ipv4(uint32_t at) noexcept;
  void ipv6(uint32_t at) noexcept;
  void read_transport(uint8_t protocol, uint32_t at, uint32_t end) noexcept;
  void tcp(uint32_t at, uint32_t end, uint32_t captured) noexcept;
  void udp(uint32_t at, uint32_t end, uint32_t captured) noexcept;
  void extent(uint32_t start, uint32_t end, uint32_t captured) noexcept;
  void neighbour(uint32_t at, uint32_t captured) noexcept;
};

}  // namespace anteroom::sensor
