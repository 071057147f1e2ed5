/**
 * The flow table: TCP connections and UDP exchanges by VLAN, addresses and ports (row_table.h).
 *
 * A row is named to TypeScript by its number and its generation, which tells it from those that had the row before.
 */
#pragma once

#include <cstddef>
#include <cstdint>

#include "frame.h"
#include "pending_pool.h"
#include "row_table.h"

namespace anteroom::sensor {

/** What the stage itself reads (stage_listen.cc). */
enum class Spoken : uint8_t { kNothing, kHttp, kTls };
/** Nobody yet, the stage, or TypeScript: from then on all of that side is handed over. */
enum class ReadBy : uint8_t { kNobody, kStage, kOther };

/** Bits of `Flow::state`; those of the server's direction stand one above the client's. */
namespace flow_state {
inline constexpr uint16_t kUdp = 1, kOpened = 2, kAnswered = 4, kSynKnown = 8, kNextKnown = 16, kMidstream = 64,
                          kEnded = 256, kNoMac = 1024, kSpoke = 4096, kMutual = 16384, kEntered = 32768;
}

/** One flow; end 0 is the client. Everything of an idle flow is in here and in its two places in the index. */
struct Flow {
  uint8_t address[2][16];
  uint16_t port[2];
  uint16_t tag;
  uint16_t state;
  uint8_t mac[2][6];
  uint32_t generation;
  double last;
  /** Payload bytes on the wire of each side that TypeScript hasn't been told of. */
  uint32_t bytes[2];
  /** Sequence number of the next byte wanted of each side. */
  uint32_t next[2];
  /** First segment of each side that waits for an earlier one (pending_pool.h). */
  uint16_t waiting[2];
  /** Bytes handed over of each side. */
  uint16_t delivered[2];
  uint32_t syn;
  uint32_t older;
  uint32_t younger;
  /** Of a message of the client's, what is to come. */
  uint16_t rest;
  /** What it speaks, as far as the stage reads it. */
  Spoken spoken : 2;
  /** Who reads the client's side, and the server's. */
  ReadBy client_by : 2;
  ReadBy server_by : 2;
  /** TypeScript has read some of it. */
  bool handed : 1;

  bool has(uint16_t bits) const noexcept { return (state & bits) != 0; }
  bool has(uint16_t bit, int side) const noexcept { return (state & (bit << side)) != 0; }
  void set(uint16_t bit, int side = 0) noexcept { state = static_cast<uint16_t>(state | (bit << side)); }
  ReadBy read_by(int side) const noexcept { return side == 0 ? client_by : server_by; }
  void set_read_by(int side, ReadBy who) noexcept {
    if (side == 0) client_by = who;
    else server_by = who;
  }
  uint8_t address_length() const noexcept;
};
static_assert(sizeof(Flow) == 104);
/** With its two places in the index and the four bytes that TypeScript keeps of each: what an idle flow takes. */
static_assert(sizeof(Flow) + 2 * sizeof(uint32_t) + 4 <= 116);

class FlowTable : public RowTable<Flow, FlowTable> {
 public:
  FlowTable(uint32_t capacity, uint64_t seed) : RowTable(capacity), seed_(seed) {}

  /** The row of the frame's flow, whose hash that is, or kNoRow. `side`: who sends, when there is one. */
  uint32_t find(const Frame& frame, uint64_t hash, int& side) const noexcept;
  uint64_t hash_of(const Frame& frame) const noexcept;
  /** A row for the frame's flow, `sender` the end that sends: 0 when that is the client. */
  uint32_t insert(const Frame& frame, int sender, double at) noexcept;

  uint64_t hash_of(const Flow& flow) const noexcept;

 private:
  uint64_t hash(const uint8_t* a, uint16_t port_a, const uint8_t* b, uint16_t port_b, uint16_t tag) const noexcept;

  const uint64_t seed_;
};

inline uint64_t mac_of(const Flow& flow, int side) noexcept {
  if (flow.has(flow_state::kNoMac, side)) return kNoMac;
  uint64_t mac = 0;
  for (const uint8_t byte : flow.mac[side]) mac = mac << 8 | byte;
  return mac;
}
void set_mac(Flow& flow, int side, uint64_t mac) noexcept;

}  // namespace anteroom::sensor
