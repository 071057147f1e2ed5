/**
 * The batch: what TypeScript gets of the traffic, records one after the other in one piece of memory, little-endian,
 * each padded to 8 bytes. `src/sensor/batch.ts` reads them.
 *
 *   every record   kind 1 · 3 · length of the record 4
 *   frame (1)      at 0: kind 1 · network 1 · transport 1 · TCP flags 1 · length 4
 *                  8: epoch ms f64 · 16: source MAC f64 · 24: destination MAC f64 (-1: none)
 *                  32: VLAN 2 · hop limit 1 · lengths of source, destination, claim 1+1+1 · ARP 1 · flow bits 1
 *                  40: ports 2+2 · sequence 4 · 48: offsets of network, transport, payload, its end 4+4+4+4
 *                  64: payload missing 4 · flow row 4 (0xffffffff: none) · generation 4 · offset of the chunk 4
 *                  80: source 16 · destination 16 · claim 16 · 128: length of the chunk 4 · bytes of the frame here 4
 *                  136: the frame's bytes
 *   data (2)       8: epoch ms f64 · row 4 · generation 4 · side 1 · 3 · length 4 · bytes
 *   ended (3)      8: row 4 · generation 4 · side 1 · why 1
 *   flow (4)       at 0: kind 1 · state bits 1 · news bits 1 · address length 1 · length 4
 *                  8: epoch ms f64 · row 4 · generation 4 · 24: MAC of client, server f64+f64 · ports 2+2 · spoken 1
 *                  48: client 16 · server 16 · 80: payload bytes of each side since they were last told 4+4
 *   sighting (5)   8: last seen, epoch ms f64 · MAC f64 · 24: bytes f64 · packets 4 · address length 1 · 3 · 40: address 16
 *   weird (6)      8: number 4 · count 4 · 16: offset in the file f64 (-1: of a frame)
 *   totals (7)     8: frames f64 · bytes f64 · fragments f64 · 32: flows 4 · flows evicted 4 · pending bytes 4 ·
 *                  sightings 4 · 48: sightings evicted f64 · 56: cards held back since the last totals 4
 *   against (8)    what nobody's stack does by itself. 8: epoch ms f64 · source MAC f64 · 24: number of the weird 4 ·
 *                  address length 1 · 3 · 32: source 16 · destination 16
 *
 * The chunk of a frame is the part of its payload that is new and in order; data is what waited for it.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../net/little_endian.h"

namespace anteroom::sensor {

enum class Record : uint8_t { kFrame = 1, kData, kEnded, kFlow, kSighting, kWeird, kTotals, kAgainst };

/** Why a direction is no longer looked at. */
enum class End : uint8_t { kInspected = 1, kGap, kTruncated };

/** Bits of a frame's flow: who sends, what it speaks, that nothing is wanted of the other side. */
namespace flow_bit {
inline constexpr uint8_t kFromServer = 1, kOpened = 2, kHttp = 4, kMidstream = 8, kTls = 16, kOtherDone = 32;
}

/** What is so of a flow, and what of it is news. */
namespace flow_told {
inline constexpr uint8_t kUdp = 1, kOpened = 2, kMutual = 4, kEntered = 8;
}
namespace flow_news {
inline constexpr uint8_t kOpened = 1, kAnswered = 2, kMutual = 4, kAccount = 8, kRemoved = 16;
}

class Batch {
 public:
  Batch(uint8_t* data, size_t room) : data_(data), room_(room) {}

  size_t size() const noexcept { return used_; }
  size_t left() const noexcept { return room_ - used_; }
  void clear() noexcept { used_ = 0; }

  /** A record of zeros. The caller has seen to it that there is room. */
  uint8_t* add(Record kind, size_t length) noexcept {
    uint8_t* record = data_ + used_;
    const size_t padded = (length + 7) & ~size_t{7};
    std::memset(record, 0, length < kFixed ? padded : kFixed);
    if (padded > kFixed) std::memset(record + padded - 8, 0, 8);
    record[0] = static_cast<uint8_t>(kind);
    store_le32(record + 4, static_cast<uint32_t>(padded));
    used_ += padded;
    return record;
  }

  static constexpr size_t kFixed = 136;

 private:
  uint8_t* data_;
  size_t room_;
  size_t used_ = 0;
};

inline void store_le16(uint8_t* to, uint16_t value) noexcept {
  to[0] = static_cast<uint8_t>(value);
  to[1] = static_cast<uint8_t>(value >> 8);
}

}  // namespace anteroom::sensor
