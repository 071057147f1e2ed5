/**
 * FlowTable. See flow_table.h.
 */
#include "flow_table.h"

#include "hash.h"

namespace anteroom::sensor {

namespace {

/** Above the VLAN identifier. */
constexpr uint16_t kUdpTag = 0x1000, kIpv6Tag = 0x2000;

uint16_t tag_of(const Frame& frame) noexcept {
  return static_cast<uint16_t>(frame.vlan | (frame.transport == Transport::kUdp ? kUdpTag : 0) |
                               (frame.source.length == 16 ? kIpv6Tag : 0));
}

}  // namespace

uint8_t Flow::address_length() const noexcept { return (tag & kIpv6Tag) != 0 ? 16 : 4; }

void set_mac(Flow& flow, int side, uint64_t mac) noexcept {
  const uint16_t bit = static_cast<uint16_t>(flow_state::kNoMac << side);
  flow.state = static_cast<uint16_t>(mac == kNoMac ? flow.state | bit : flow.state & ~bit);
  for (int i = 5; i >= 0; i--, mac >>= 8) flow.mac[side][i] = static_cast<uint8_t>(mac);
}

uint64_t FlowTable::hash(const uint8_t* a, uint16_t port_a, const uint8_t* b, uint16_t port_b,
                         uint16_t tag) const noexcept {
  // The same for both directions.
  return fold((hash_address(a, port_a, seed_) + hash_address(b, port_b, seed_)) ^ tag, seed_ | 1);
}

uint64_t FlowTable::hash_of(const Flow& flow) const noexcept {
  return hash(flow.address[0], flow.port[0], flow.address[1], flow.port[1], flow.tag);
}

uint64_t FlowTable::hash_of(const Frame& frame) const noexcept {
  return hash(frame.source.bytes, frame.source_port, frame.destination.bytes, frame.destination_port, tag_of(frame));
}

uint32_t FlowTable::find(const Frame& frame, uint64_t hash, int& side) const noexcept {
  const uint16_t tag = tag_of(frame);
  return find_row(hash, [&](const Flow& flow) {
    if (flow.tag != tag) return false;
    for (side = 0; side < 2; side++) {
      if (flow.port[side] == frame.source_port && flow.port[1 - side] == frame.destination_port &&
          std::memcmp(flow.address[side], frame.source.bytes, 16) == 0 &&
          std::memcmp(flow.address[1 - side], frame.destination.bytes, 16) == 0)
        return true;
    }
    return false;
  });
}

uint32_t FlowTable::insert(const Frame& frame, int sender, double at) noexcept {
  const uint32_t row = take_row();
  Flow& flow = (*this)[row];
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
  set_mac(flow, sender, frame.source_mac);
  set_mac(flow, 1 - sender, frame.destination_mac);
  flow.waiting[0] = flow.waiting[1] = PendingPool::kNone;
  flow.last = at;
  insert_row(row);
  return row;
}

}  // namespace anteroom::sensor
