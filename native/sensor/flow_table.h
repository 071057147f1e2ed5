/**
 * The flow table: TCP connections and UDP exchanges by VLAN, addresses and ports, in rows that are allocated once,
 * found by open addressing (linear probing, at most half full), least recently used first out.
 *
 * A row is named to TypeScript by its number and its generation, which tells it from those that had the row before.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "frame.h"

namespace anteroom::sensor {

inline constexpr uint32_t kNoRow = UINT32_MAX;

/** Bits of `Flow::state`; those of the server's direction stand one above the client's. */
namespace flow_state {
inline constexpr uint16_t kUdp = 1, kIpv6 = 2, kOpened = 4, kAnswered = 8, kSynKnown = 16, kNextKnown = 32,
                          kMidstream = 128, kEnded = 512, kNoMac = 2048;
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
  /** Payload bytes on the wire and packets of each side that TypeScript hasn't been told of. */
  uint64_t bytes[2];
  uint32_t packets[2];
  /** Sequence number of the next byte wanted of each side; of a datagram flow, unused. */
  uint32_t next[2];
  /** First segment of each side that waits for an earlier one. */
  uint32_t waiting[2];
  /** Bytes handed over of each side, or datagrams. */
  uint16_t delivered[2];
  uint32_t syn;
  uint32_t older;
  uint32_t younger;

  bool has(uint16_t bits) const noexcept { return (state & bits) != 0; }
  bool has(uint16_t bit, int side) const noexcept { return (state & (bit << side)) != 0; }
  void set(uint16_t bit, int side = 0) noexcept { state = static_cast<uint16_t>(state | (bit << side)); }
};
static_assert(sizeof(Flow) == 120);
/** With its two places in the index: what an idle flow takes. */
static_assert(sizeof(Flow) + 2 * sizeof(uint32_t) <= 128);

/** calloc gives pages that are no memory until something is written to them. */
template <typename Item>
struct Zeroed {
  explicit Zeroed(size_t count) : items(static_cast<Item*>(std::calloc(count, sizeof(Item))), &std::free) {
    if (!items) throw std::bad_alloc();
  }
  Item& operator[](size_t at) const noexcept { return items.get()[at]; }
  std::unique_ptr<Item, decltype(&std::free)> items;
};

class FlowTable {
 public:
  FlowTable(uint32_t capacity, uint64_t seed);

  uint32_t size() const noexcept { return size_; }
  uint32_t capacity() const noexcept { return capacity_; }
  Flow& operator[](uint32_t row) const noexcept { return rows_[row]; }

  /** The row of the frame's flow, or kNoRow. `side`: who sends, when there is one. */
  uint32_t find(const Frame& frame, int& side) const noexcept;
  /** A row for the frame's flow, `client` the index of its sender's end reversed: 0 when the sender is the client. */
  uint32_t insert(const Frame& frame, int sender, double at) noexcept;
  void remove(uint32_t row) noexcept;
  bool full() const noexcept { return size_ >= capacity_; }
  uint32_t oldest() const noexcept { return oldest_; }
  /** Move to the young end. */
  void touch(uint32_t row) noexcept;

 private:
  uint64_t hash(const uint8_t* a, uint16_t port_a, const uint8_t* b, uint16_t port_b, uint16_t tag) const noexcept;
  uint64_t hash(const Flow& flow) const noexcept;
  void unlink(uint32_t row) noexcept;
  void link(uint32_t row) noexcept;

  const uint32_t capacity_;
  const uint64_t seed_;
  uint32_t mask_;
  Zeroed<Flow> rows_;
  /** Row + 1; 0 is empty. */
  Zeroed<uint32_t> index_;
  uint32_t size_ = 0;
  /** Rows that were never used begin here; those given back are a chain through `older`. */
  uint32_t fresh_ = 0;
  uint32_t free_ = kNoRow;
  uint32_t oldest_ = kNoRow;
  uint32_t youngest_ = kNoRow;
};

uint64_t mac_of(const Flow& flow, int side) noexcept;
void set_mac(Flow& flow, int side, uint64_t mac) noexcept;

}  // namespace anteroom::sensor
