/**
 * Two engines that share a keypair, and packets to pass between them.
 */
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "transport/engine.h"

namespace anteroom::test {

constexpr unsigned kPeer = 7;
constexpr uint64_t kStart = 1'000 * kSecond;

inline Endpoint endpoint_of(uint8_t last, uint16_t port) {
  const uint8_t bytes[] = {192, 0, 2, last};
  return Endpoint::from(Address::from_bytes(bytes, 4), port);
}

inline Prefix host(uint8_t last) {
  const uint8_t bytes[] = {10, 0, 0, last};
  return {Address::from_bytes(bytes, 4), 32};
}

/** IPv4 from 10.0.0.`from` to 10.0.0.`to`; the payload is `length - 20` bytes of `fill`. */
inline std::vector<uint8_t> packet_of(uint8_t from, uint8_t to, size_t length = 60, uint8_t fill = 0xab) {
  std::vector<uint8_t> packet(length, fill);
  const uint8_t header[20] = {0x45, 0, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length),
                              0,    0, 0, 0, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, to};
  std::memcpy(packet.data(), header, sizeof header);
  return packet;
}

struct Side {
  Engine engine{1420};
  PeerSet kicked;

  /** Seal `packet`; empty when nothing is to be sent. */
  std::vector<uint8_t> seal(const std::vector<uint8_t>& packet, uint64_t now = kStart) {
    std::vector<uint8_t> room(kRoomBefore + kTransportOverhead + packet.size() + 2 * kPaddingMultiple);
    uint8_t* message = room.data() + kRoomBefore;
    std::copy(packet.begin(), packet.end(), message + kTransportHeader);
    Guard::Shared shared(engine.guard());
    const Engine::Sealed sealed = engine.seal(message + kTransportHeader, packet.size(), message, now);
    return std::vector<uint8_t>(message, message + sealed.length);
  }

  struct Arrival {
    Engine::Opened what;
    std::vector<uint8_t> packet;
  };
  /** Open a copy in memory of exactly its size, so a sanitizer sees any step past it; then settle. */
  Arrival open(const std::vector<uint8_t>& datagram, uint64_t now = kStart, Endpoint from = endpoint_of(9, 9)) {
    std::vector<uint8_t> copy(datagram);
    copy.shrink_to_fit();
    Arrival arrival;
    {
      Guard::Shared shared(engine.guard());
      const Engine::OpenResult result = engine.open(copy.data(), copy.size(), from, now);
      arrival.what = result.what;
      if (result.packet != nullptr) arrival.packet.assign(result.packet, result.packet + result.length);
    }
    if (engine.unsettled()) engine.settle(kicked);
    return arrival;
  }

  std::vector<std::vector<uint8_t>> flush(uint64_t now = kStart) {
    std::vector<std::vector<uint8_t>> sent;
    std::vector<uint8_t> room(kRoomBefore + kTransportOverhead + kMaxInner + kPaddingMultiple);
    uint8_t* message = room.data() + kRoomBefore;
    Guard::Shared shared(engine.guard());
    engine.flush(
        kPeer, now, [&] { return message; },
        [&](size_t length, const Endpoint&) { sent.emplace_back(message, message + length); });
    return sent;
  }

  uint32_t flags() {
    uint32_t bits = 0;
    engine.activity.take([&](unsigned, uint32_t flags) { bits |= flags; });
    return bits;
  }
};

/** `left` is 10.0.0.1 and initiator, `right` 10.0.0.2 and responder. */
struct Pair {
  Side left;
  Side right;

  Pair() {
    left.engine.set_peer(kPeer, {host(2)});
    right.engine.set_peer(kPeer, {host(1)});
    left.engine.set_endpoint(kPeer, endpoint_of(2, 2000));
    right.engine.set_endpoint(kPeer, endpoint_of(1, 1000));
  }

  /** Install a keypair with local indices 100 + `generation` and 200 + `generation`. */
  void key(uint32_t generation, uint64_t now = kStart) {
    install(left, 100 + generation, 200 + generation, true, generation, now);
    install(right, 200 + generation, 100 + generation, false, generation, now);
  }

  static int install(Side& side, uint32_t local, uint32_t remote, bool initiator, uint32_t generation, uint64_t now) {
    uint8_t ours[32];
    uint8_t theirs[32];
    std::memset(ours, static_cast<int>(generation * 2 + (initiator ? 1 : 2)), sizeof ours);
    std::memset(theirs, static_cast<int>(generation * 2 + (initiator ? 2 : 1)), sizeof theirs);
    return side.engine.set_keypair(kPeer, local, remote, initiator, ours, theirs, now);
  }
};

}  // namespace anteroom::test
