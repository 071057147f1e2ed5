/**
 * FlowTable. See flow_table.h.
 */
#include "flow_table.h"

#include <bit>

#include "hash.h"

namespace anteroom::sensor {

namespace {

constexpr uint16_t kUdpTag = 0x1000;

uint16_t tag_of(const Frame& frame) noexcept {
  return static_cast<uint16_t>(frame.vlan | (frame.transport == Transport::kUdp ? kUdpTag : 0));
}

}  // namespace

uint64_t mac_of(const Flow& flow, int side) noexcept {
  if (flow.has(flow_state::kNoMac, side)) return kNoMac;
  uint64_t mac = 0;
  for (const uint8_t byte : flow.mac[side]) mac = mac << 8 | byte;
  return mac;
}

void set_mac(Flow& flow, int side, uint64_t mac) noexcept {
  const uint16_t bit = static_cast<uint16_t>(flow_state::kNoMac << side);
  flow.state = static_cast<uint16_t>(mac == kNoMac ? flow.state | bit : flow.state & ~bit);
  for (int i = 5; i >= 0; i--, mac >>= 8) flow.mac[side][i] = static_cast<uint8_t>(mac);
}

FlowTable::FlowTable(uint32_t capacity, uint64_t seed)
    : capacity_(capacity), seed_(seed), mask_(std::bit_ceil(2 * capacity) - 1), rows_(capacity), index_(mask_ + 1) {}

uint64_t FlowTable::hash(const uint8_t* a, uint16_t port_a, const uint8_t* b, uint16_t port_b,
                         uint16_t tag) const noexcept {
  // The same for both directions.
  return fold((hash_address(a, port_a, seed_) + hash_address(b, port_b, seed_)) ^ tag, seed_ | 1);
}

uint64_t FlowTable::hash(const Flow& flow) const noexcept {
  return hash(flow.address[0], flow.port[0], flow.address[1], flow.port[1], flow.tag);
}

uint32_t FlowTable::find(const Frame& frame, int& side) const noexcept {
  const uint16_t tag = tag_of(frame);
  const bool ipv6 = frame.source.length == 16;
  uint64_t at = hash(frame.source.bytes, frame.source_port, frame.destination.bytes, frame.destination_port, tag);
  for (;; at++) {
    const uint32_t entry = index_[at & mask_];
    if (entry == 0) return kNoRow;
    const Flow& flow = rows_[entry - 1];
    if (flow.tag != tag || flow.has(flow_state::kIpv6) != ipv6) continue;
    for (int from = 0; from < 2; from++) {
      if (flow.port[from] == frame.source_port && flow.port[1 - from] == frame.destination_port &&
          std::memcmp(flow.address[from], frame.source.bytes, 16) == 0 &&
          std::memcmp(flow.address[1 - from], frame.destination.bytes, 16) == 0) {
        side = from;
        return entry - 1;
      }
    }
  }
}

uint32_t FlowTable::insert(const Frame& frame, int sender, double at) noexcept {
  uint32_t row = free_;
  if (row != kNoRow) {
    free_ = rows_[row].older;
  } else {
    row = fresh_++;
  }
  Flow& flow = rows_[row];
  // 31 bits: TypeScript says it with a side in one word.
  const uint32_t generation = (flow.generation + 1) & 0x7fffffff;
  flow = Flow{};
  flow.generation = generation;
  std::memcpy(flow.address[sender], frame.source.bytes, 16);
  std::memcpy(flow.address[1 - sender], frame.destination.bytes, 16);
  flow.port[sender] = frame.source_port;
  flow.port[1 - sender] = frame.destination_port;
  flow.tag = tag_of(frame);
  if (frame.transport == Transport::kUdp) flow.set(flow_state::kUdp);
  if (frame.source.length == 16) flow.set(flow_state::kIpv6);
  set_mac(flow, sender, frame.source_mac);
  set_mac(flow, 1 - sender, frame.destination_mac);
  flow.waiting[0] = flow.waiting[1] = kNoRow;
  flow.last = at;
  uint64_t place = hash(flow);
  while (index_[place & mask_] != 0) place++;
  index_[place & mask_] = row + 1;
  link(row);
  size_++;
  return row;
}

void FlowTable::remove(uint32_t row) noexcept {
  uint64_t hole = hash(rows_[row]);
  while (index_[hole & mask_] != row + 1) hole++;
  hole &= mask_;
  // Those that stand further from where they belong than the hole is move into it.
  for (uint64_t at = (hole + 1) & mask_; index_[at] != 0; at = (at + 1) & mask_) {
    const uint64_t home = hash(rows_[index_[at] - 1]) & mask_;
    if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = 0;
  unlink(row);
  rows_[row].older = free_;
  free_ = row;
  size_--;
}

void FlowTable::touch(uint32_t row) noexcept {
  if (row == youngest_) return;
  unlink(row);
  link(row);
}

void FlowTable::unlink(uint32_t row) noexcept {
  const Flow& flow = rows_[row];
  (flow.older == kNoRow ? oldest_ : rows_[flow.older].younger) = flow.younger;
  (flow.younger == kNoRow ? youngest_ : rows_[flow.younger].older) = flow.older;
}

void FlowTable::link(uint32_t row) noexcept {
  Flow& flow = rows_[row];
  flow.older = youngest_;
  flow.younger = kNoRow;
  (youngest_ == kNoRow ? oldest_ : rows_[youngest_].younger) = row;
  youngest_ = row;
}

}  // namespace anteroom::sensor
