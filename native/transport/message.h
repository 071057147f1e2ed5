/**
 * The transport data message (WireGuard whitepaper section 5.4.6) and the limits on using a keypair (section 6.1).
 *
 *   byte 0      type, 4
 *   byte 1-3    reserved, zero
 *   byte 4-7    receiver index, little endian: the receiver's local index
 *   byte 8-15   counter, little endian
 *   byte 16-    encrypted inner packet, zero padded to a multiple of 16, and the 16-byte tag
 *
 * A keepalive is an empty inner packet: 32 bytes altogether.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "../net/little_endian.h"

namespace anteroom {

// --- specification -------------------------------------------------------------------------------------------

constexpr uint32_t kTransportType = 4;
constexpr size_t kTransportHeader = 16;
constexpr size_t kTransportOverhead = kTransportHeader + 16;
constexpr size_t kPaddingMultiple = 16;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kRejectAfterTime = 180 * kSecond;
constexpr uint64_t kRekeyAfterMessages = uint64_t{1} << 60;
constexpr uint64_t kRejectAfterMessages = UINT64_MAX - (uint64_t{1} << 13);  // 2^64 - 2^13 - 1

// --- implementation ------------------------------------------------------------------------------------------

/** Peers are numbered 0 to 4095 by the caller. */
constexpr unsigned kMaxPeers = 4096;
/** Keypairs of one peer that only receive, besides the one that sends and the one that waits to be confirmed. */
constexpr size_t kOlderKeypairs = 3;
/** Packets of one peer that wait for a keypair; the oldest goes first. */
constexpr size_t kStagedPackets = 128;
/** Inner packets that are carried, whatever MTU the far side has. */
constexpr size_t kMaxInner = 9216;
/** Packets that are worked through under one lock. */
constexpr unsigned kBatch = 64;
/** Bytes before a message that sealing and opening may overwrite: with the header they hold one block of keystream. */
constexpr size_t kRoomBefore = 48;
/** A datagram that isn't transport data is handed up when it is this long at most. */
constexpr size_t kMaxHandshake = 2048;

/**
 * Length after padding: a multiple of 16, but never past the MTU when the packet itself isn't, so that a full
 * packet's datagram still fits the path (whitepaper section 5.4.6; the kernel does the same).
 */
inline size_t padded_length(size_t length, size_t mtu) noexcept {
  const size_t last = length > mtu && mtu != 0 ? length % mtu : length;
  size_t padded = (last + kPaddingMultiple - 1) / kPaddingMultiple * kPaddingMultiple;
  if (mtu != 0 && padded > mtu) padded = mtu;
  return length - last + padded;
}

}  // namespace anteroom
