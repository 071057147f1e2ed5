/**
 * Stage. See stage.h.
 */
#include "stage.h"

#include <algorithm>

#include "datagram.h"

namespace anteroom::sensor {

namespace {

constexpr double kSweepMillis = 10'000;
/** Rows a frame: bounds what one adds to a batch. */
constexpr int kExpireRows = 512;
constexpr uint32_t kTellRows = 512;
/** Datagrams of each side of a flow that are handed over whatever they hold. */
constexpr uint16_t kFirstDatagrams = 2;
/** Bytes of a frame handed over at most; of one that is handed over for its headers alone. */
constexpr uint32_t kFrameBytes = 128 * 1024;
constexpr uint32_t kHeaderBytes = 256;

constexpr size_t kDataHeader = 32;
constexpr size_t kEndedLength = 24;
constexpr size_t kRemovedLength = 40;
constexpr size_t kSightingLength = 56;

bool is_group(uint64_t mac) noexcept { return mac != kNoMac && (mac >> 40 & 1) != 0; }

bool is_initial(uint8_t hop_limit) noexcept {
  return hop_limit == 64 || hop_limit == 128 || hop_limit == 255 || hop_limit == 32 || hop_limit == 1;
}

double number(uint64_t mac) noexcept { return mac == kNoMac ? -1 : static_cast<double>(mac); }

}  // namespace

/** What one frame means for its flow, and whether it is to be handed over. */
struct Stage::Part {
  bool pass = false;
  /** The payload too. */
  bool payload = false;
  uint32_t row = kNoRow;
  int side = 0;
  bool answered = false;
  uint32_t chunk = 0;
  uint32_t chunk_length = 0;
  /** Segments that waited for this one are due. */
  bool drain = false;
  bool ended = false;
  End why = End::kInspected;
};

Stage::Stage(const Options& options)
    : flows_(options.flows, options.seed), sightings_(options.sightings, ~options.seed) {}

bool Stage::take(uint32_t link, const uint8_t* bytes, uint32_t length, uint32_t wire_length, double at,
                 Batch& batch) {
  if (batch.left() < kRoom + kTail) return false;
  frames_++;
  bytes_ += wire_length;
  Frame frame;
  for (int level = 0; level <= kTunnels; level++) {
    frame.decode(link, bytes, length);
    observe(frame, level == 0 ? wire_length : length, at, batch);
    if (!frame.inner.there()) break;
    link = frame.inner.link;
    length = frame.inner.end - frame.inner.start;
    bytes += frame.inner.start;
  }
  if (at - swept_ > kSweepMillis || at < swept_) {
    swept_ = at;
    expiring_ = telling_ = true;
    told_ = 0;
  }
  if (expiring_) expiring_ = !expire(at, batch);
  if (telling_) telling_ = !tell_sightings(batch);
  return true;
}

void Stage::done(uint32_t row, uint32_t generation, int side) noexcept {
  if (row >= flows_.capacity()) return;
  Flow& flow = flows_[row];
  if (flow.generation == generation && !flow.has(flow_state::kUdp)) end(flow, side);
}

bool Stage::expire(double at, Batch& batch) {
  for (int n = 0; n < kExpireRows; n++) {
    const uint32_t row = flows_.oldest();
    if (row == kNoRow || at - flows_[row].last < kFlowIdleMillis) return true;
    if (batch.left() < kRoom / 4) return false;
    remove(row, batch);
  }
  return false;
}

bool Stage::tell_sightings(Batch& batch) {
  for (uint32_t n = 0; n < kTellRows; n++, told_++) {
    if (told_ >= sightings_.used()) {
      told_ = 0;
      return true;
    }
    if (batch.left() < kRoom / 4) return false;
    tell_sighting(sightings_[told_], batch);
  }
  return false;
}

void Stage::tell_sighting(Sighting& sighting, Batch& batch) noexcept {
  if (sighting.packets == 0) return;
  uint8_t* record = batch.add(Record::kSighting, kSightingLength);
  store_le_f64(record + 8, sighting.last);
  store_le_f64(record + 16, number(sighting.mac));
  store_le_f64(record + 24, static_cast<double>(sighting.bytes));
  store_le32(record + 32, sighting.packets);
  record[36] = sighting.length;
  std::memcpy(record + 40, sighting.address, 16);
  sighting.packets = 0;
  sighting.bytes = 0;
}

void Stage::finish(Batch& batch) noexcept {
  if (odd_) {
    for (size_t what = 1; what < kWeirds; what++) {
      if (weirds_[what] == 0) continue;
      uint8_t* record = batch.add(Record::kWeird, 24);
      store_le32(record + 8, static_cast<uint32_t>(what));
      store_le32(record + 12, weirds_[what]);
      store_le_f64(record + 16, -1);
      weirds_[what] = 0;
    }
    odd_ = false;
  }
  uint8_t* record = batch.add(Record::kTotals, 56);
  store_le_f64(record + 8, static_cast<double>(frames_));
  store_le_f64(record + 16, static_cast<double>(bytes_));
  store_le_f64(record + 24, static_cast<double>(fragments_));
  store_le32(record + 32, flows_.size());
  store_le32(record + 36, static_cast<uint32_t>(std::min<uint64_t>(evicted_flows_, UINT32_MAX)));
  store_le32(record + 40, static_cast<uint32_t>(pending_.bytes()));
  store_le32(record + 44, sightings_.size());
  store_le_f64(record + 48, static_cast<double>(evicted_sightings_));
  frames_ = bytes_ = fragments_ = 0;
}

void Stage::weird_at(Weird what, uint64_t offset, Batch& batch) noexcept {
  uint8_t* record = batch.add(Record::kWeird, 24);
  store_le32(record + 8, static_cast<uint32_t>(what));
  store_le32(record + 12, 1);
  store_le_f64(record + 16, static_cast<double>(offset));
}

void Stage::observe(const Frame& frame, uint32_t wire_length, double at, Batch& batch) {
  if (frame.transport == Transport::kFragment) fragments_++;
  if (frame.weird != Weird::kNone) {
    weirds_[static_cast<size_t>(frame.weird)]++;
    odd_ = true;
  }
  Part part;
  part.pass = see(frame, wire_length, at, batch);
  if (frame.arp != Arp::kNone) part.pass = part.payload = true;
  if (frame.network == Network::kOther && is_announcement(frame)) part.pass = part.payload = true;
  if (frame.transport == Transport::kTcp || frame.transport == Transport::kUdp) {
    if (frame.transport == Transport::kUdp && is_telling_datagram(frame)) part.pass = part.payload = true;
    // A SYN's shape is its sender's, whether or not it opens a flow.
    if (frame.transport == Transport::kTcp && (frame.flags & tcp_flag::kSyn) != 0) part.pass = part.payload = true;
    flow(frame, at, part, batch);
  }
  if (!part.pass) return;
  write(frame, part, at, batch);
  if (part.drain) {
    drain(part, at, batch);
    if ((frame.flags & tcp_flag::kRst) != 0) {
      end(flows_[part.row], 0);
      end(flows_[part.row], 1);
    }
  }
  if (part.ended) {
    uint8_t* record = batch.add(Record::kEnded, kEndedLength);
    store_le32(record + 8, part.row);
    store_le32(record + 12, flows_[part.row].generation);
    record[16] = static_cast<uint8_t>(part.side);
    record[17] = static_cast<uint8_t>(part.why);
  }
}

/** True when the host table over there is to be told. */
bool Stage::see(const Frame& frame, uint32_t wire_length, double at, Batch& batch) {
  if (frame.source_mac == kNoMac ? frame.source.length == 0 : is_group(frame.source_mac)) return false;
  bool tell = frame.claim.length != 0;
  const bool near = is_initial(frame.hop_limit);
  uint32_t row = sightings_.find(frame.source_mac, frame.source);
  if (row == kNoRow) {
    if (sightings_.full()) {
      const uint32_t oldest = sightings_.oldest();
      tell_sighting(sightings_[oldest], batch);
      sightings_.remove(oldest);
      evicted_sightings_++;
    }
    row = sightings_.insert(frame.source_mac, frame.source, at);
    tell = true;
  } else if (at - sightings_[row].told > kTellMillis || at < sightings_[row].told) {
    sightings_.touch(row);
    tell = true;
  }
  Sighting& sighting = sightings_[row];
  if (near && !sighting.near) tell = sighting.near = true;
  if (tell) sighting.told = at;
  sighting.last = std::max(sighting.last, at);
  sighting.packets++;
  sighting.bytes += wire_length;
  return tell;
}

void Stage::flow(const Frame& frame, double at, Part& part, Batch& batch) {
  const bool syn = frame.transport == Transport::kTcp && (frame.flags & (tcp_flag::kSyn | tcp_flag::kAck)) == tcp_flag::kSyn;
  part.row = flows_.find(frame, part.side);
  // The same ports again: a new connection, unless it is the SYN repeated or overtaken by its answer.
  if (part.row != kNoRow && syn) {
    Flow& known = flows_[part.row];
    if (!known.has(flow_state::kOpened) || (known.has(flow_state::kSynKnown) && known.syn != frame.sequence)) {
      remove(part.row, batch);
      part.row = kNoRow;
    } else {
      known.syn = frame.sequence;
      known.set(flow_state::kSynKnown);
    }
  }
  if (part.row == kNoRow) {
    part.row = open(frame, at, batch, part.side);
    if (part.row == kNoRow) return;
    part.pass = true;
    if (syn) {
      flows_[part.row].syn = frame.sequence;
      flows_[part.row].set(flow_state::kSynKnown);
    }
  } else if (at - flows_[part.row].last > kTellMillis) {
    flows_.touch(part.row);
    flows_[part.row].last = at;
    part.pass = true;
  }
  Flow& flow = flows_[part.row];
  if (mac_of(flow, part.side) != frame.source_mac) {
    set_mac(flow, part.side, frame.source_mac);
    part.pass = true;
  }
  flow.packets[part.side]++;
  flow.bytes[part.side] += uint64_t{frame.payload_end} - frame.payload_start + frame.payload_missing;
  if (frame.transport == Transport::kTcp) {
    tcp(flow, part.row, frame, part);
  } else {
    udp(flow, frame, part);
  }
}

uint32_t Stage::open(const Frame& frame, double at, Batch& batch, int& side) {
  if (!is_host_address(frame.source) || !is_host_address(frame.destination)) return kNoRow;
  side = 0;
  bool opened = true;
  if (frame.transport == Transport::kTcp) {
    const uint8_t flags = frame.flags & (tcp_flag::kSyn | tcp_flag::kAck | tcp_flag::kRst);
    if (flags == (tcp_flag::kSyn | tcp_flag::kAck)) {
      side = 1;
    } else if (flags != tcp_flag::kSyn) {
      if ((flags & tcp_flag::kRst) != 0 || frame.payload_end == frame.payload_start) return kNoRow;
      opened = false;
    }
  }
  if (flows_.full()) {
    remove(flows_.oldest(), batch);
    evicted_flows_++;
  }
  const uint32_t row = flows_.insert(frame, side, at);
  if (opened) flows_[row].set(flow_state::kOpened);
  return row;
}

void Stage::tcp(Flow& flow, uint32_t, const Frame& frame, Part& part) {
  const int side = part.side;
  uint32_t sequence = frame.sequence;
  if ((frame.flags & tcp_flag::kSyn) != 0) {
    if (!flow.has(flow_state::kNextKnown, side)) {
      flow.set(flow_state::kNextKnown, side);
      flow.next[side] = sequence + 1;
    }
    sequence++;
    if (side == 1 && !flow.has(flow_state::kAnswered) && (frame.flags & tcp_flag::kAck) != 0) {
      flow.set(flow_state::kAnswered);
      part.answered = true;
    }
  }
  const uint32_t length = frame.payload_end - frame.payload_start;
  if (!flow.has(flow_state::kEnded, side) && length + frame.payload_missing > 0) {
    if (!flow.has(flow_state::kNextKnown, side)) {
      flow.set(flow_state::kNextKnown, side);
      flow.set(flow_state::kMidstream, side);
      flow.next[side] = sequence;
    }
    const auto early = static_cast<int32_t>(sequence - flow.next[side]);
    if (early > 0) {
      // What lies beyond what will ever be looked at doesn't wait.
      if (flow.delivered[side] + static_cast<uint32_t>(early) < kInspected &&
          (frame.payload_missing > 0 ||
           !pending_.add(flow.waiting[side], flow.next[side], sequence, frame.bytes + frame.payload_start, length))) {
        part.pass = part.ended = true;
        part.why = End::kGap;
      }
    } else {
      const uint32_t skip = 0u - static_cast<uint32_t>(early);
      if (skip < length) {
        part.chunk = frame.payload_start + skip;
        part.chunk_length = std::min(length - skip, kInspected - flow.delivered[side]);
        flow.next[side] += length - skip;
        flow.delivered[side] = static_cast<uint16_t>(flow.delivered[side] + part.chunk_length);
        part.pass = part.payload = true;
      }
      if (frame.payload_missing > 0 && skip < length + frame.payload_missing) {
        part.pass = part.ended = true;
        part.why = End::kTruncated;
      } else if (flow.waiting[side] != kNoRow) {
        part.pass = part.drain = true;
      }
      if (!part.ended && !part.drain && flow.delivered[side] >= kInspected) {
        part.pass = part.ended = true;
        part.why = End::kInspected;
      }
    }
    if (part.ended) end(flow, side);
  }
  if ((frame.flags & tcp_flag::kRst) != 0) {
    if (!flow.has(flow_state::kEnded, 0) || !flow.has(flow_state::kEnded, 1)) part.pass = true;
    // What waited is of no use now; nothing was in order before this segment.
    if (!part.drain) {
      end(flow, 0);
      end(flow, 1);
    }
  }
}

void Stage::udp(Flow& flow, const Frame&, Part& part) {
  const int side = part.side;
  if (flow.delivered[side] < kFirstDatagrams) {
    flow.delivered[side]++;
    part.pass = part.payload = true;
  }
  if (side == 0 || flow.has(flow_state::kAnswered)) return;
  flow.set(flow_state::kAnswered);
  part.answered = flow.port[1] <= flow.port[0];
  part.pass = true;
}

/** Hand over what waited and is in order now. */
void Stage::drain(const Part& part, double at, Batch& batch) {
  Flow& flow = flows_[part.row];
  const int side = part.side;
  while (flow.waiting[side] != kNoRow) {
    const PendingPool::Segment& first = pending_[flow.waiting[side]];
    const auto early = static_cast<int32_t>(first.sequence - flow.next[side]);
    if (early > 0) break;
    const uint32_t skip = 0u - static_cast<uint32_t>(early);
    if (skip < first.length) {
      const uint32_t length = std::min(first.length - skip, kInspected - flow.delivered[side]);
      if (length > 0) {
        uint8_t* record = batch.add(Record::kData, kDataHeader + length);
        store_le_f64(record + 8, at);
        store_le32(record + 16, part.row);
        store_le32(record + 20, flow.generation);
        record[24] = static_cast<uint8_t>(side);
        store_le32(record + 28, length);
        std::memcpy(record + kDataHeader, first.bytes.get() + skip, length);
      }
      flow.next[side] += first.length - skip;
      flow.delivered[side] = static_cast<uint16_t>(flow.delivered[side] + length);
    }
    pending_.release(pending_.take(flow.waiting[side]));
  }
  if (flow.delivered[side] < kInspected) return;
  end(flow, side);
  uint8_t* record = batch.add(Record::kEnded, kEndedLength);
  store_le32(record + 8, part.row);
  store_le32(record + 12, flow.generation);
  record[16] = static_cast<uint8_t>(side);
  record[17] = static_cast<uint8_t>(End::kInspected);
}

void Stage::end(Flow& flow, int side) noexcept {
  flow.set(flow_state::kEnded, side);
  pending_.clear(flow.waiting[side]);
}

void Stage::remove(uint32_t row, Batch& batch) {
  Flow& flow = flows_[row];
  end(flow, 0);
  end(flow, 1);
  uint8_t* record = batch.add(Record::kRemoved, kRemovedLength);
  store_le32(record + 8, row);
  store_le32(record + 12, flow.generation);
  for (int side = 0; side < 2; side++) {
    store_le_f64(record + 16 + 8 * side, static_cast<double>(flow.bytes[side]));
    store_le32(record + 32 + 4 * side, flow.packets[side]);
  }
  flows_.remove(row);
}

void Stage::write(const Frame& frame, const Part& part, double at, Batch& batch) noexcept {
  const bool transported = frame.transport == Transport::kTcp || frame.transport == Transport::kUdp;
  const uint32_t whole = part.payload ? frame.payload_end : transported ? frame.payload_start : kHeaderBytes;
  const uint32_t kept = std::min({whole, frame.length, kFrameBytes});
  uint8_t* record = batch.add(Record::kFrame, Batch::kFixed + kept);
  record[1] = static_cast<uint8_t>(frame.network);
  record[2] = static_cast<uint8_t>(frame.transport);
  record[3] = frame.flags;
  store_le_f64(record + 8, at);
  store_le_f64(record + 16, number(frame.source_mac));
  store_le_f64(record + 24, number(frame.destination_mac));
  store_le16(record + 32, frame.vlan);
  record[34] = frame.hop_limit;
  record[35] = frame.source.length;
  record[36] = frame.destination.length;
  record[37] = frame.claim.length;
  record[38] = static_cast<uint8_t>(frame.arp);
  store_le16(record + 40, frame.source_port);
  store_le16(record + 42, frame.destination_port);
  store_le32(record + 44, frame.sequence);
  store_le32(record + 48, frame.network_start);
  store_le32(record + 52, frame.transport_start);
  const uint32_t start = std::min(frame.payload_start, kept);
  const uint32_t stop = std::min(frame.payload_end, kept);
  store_le32(record + 56, start);
  store_le32(record + 60, stop);
  store_le32(record + 64, frame.payload_missing + (frame.payload_end - frame.payload_start) - (stop - start));
  store_le32(record + 68, part.row);
  if (part.row != kNoRow) {
    Flow& flow = flows_[part.row];
    uint8_t bits = 0;
    if (part.side == 1) bits |= flow_bit::kFromServer;
    if (flow.has(flow_state::kOpened)) bits |= flow_bit::kOpened;
    if (part.answered) bits |= flow_bit::kAnswered;
    if (flow.has(flow_state::kMidstream, part.side)) bits |= flow_bit::kMidstream;
    record[39] = bits;
    store_le32(record + 72, flow.generation);
    store_le32(record + 76, part.chunk);
    store_le32(record + 128, part.chunk < kept ? std::min(part.chunk_length, kept - part.chunk) : 0);
    for (int side = 0; side < 2; side++) {
      store_le_f64(record + 136 + 8 * side, static_cast<double>(flow.bytes[side]));
      store_le32(record + 152 + 4 * side, flow.packets[side]);
      flow.bytes[side] = 0;
      flow.packets[side] = 0;
    }
  }
  std::memcpy(record + 80, frame.source.bytes, 16);
  std::memcpy(record + 96, frame.destination.bytes, 16);
  std::memcpy(record + 112, frame.claim.bytes, 16);
  store_le32(record + 132, kept);
  std::memcpy(record + Batch::kFixed, frame.bytes, kept);
}

}  // namespace anteroom::sensor
