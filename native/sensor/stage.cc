/**
 * Stage. See stage.h.
 */
#include "stage.h"

#include <algorithm>

#include "datagram.h"
#include "hash.h"
#include "stage_part.h"

namespace anteroom::sensor {

namespace {

/** How often rows are gone through: a new flow is told of the first time, what one brings at each of so many. */
constexpr double kSweepMillis = 10'000;
constexpr uint32_t kRounds = 6;
/** Rows a frame: bounds what one adds to a batch. */
constexpr int kExpireRows = 512;
/** How old a flow's time may be before it moves to the young end. */
constexpr double kTouchMillis = 1000;
/** What flows brought is told before it could overflow. */
constexpr uint32_t kManyBytes = 1u << 30;

/** How long the same again is no news: what hosts say of themselves, shapes of SYNs, who is asked for on the link. */
constexpr double kSaidMillis = 60'000;
constexpr double kSynMillis = 600'000;
constexpr double kArpMillis = 10'000;
/** Datagrams of a stream that are all handed over, of each side; then one in so long. */
constexpr uint16_t kStream = 64;
constexpr double kStreamMillis = 1000;
/** A card that is held back and heard again after so long is there. */
constexpr double kHeldMillis = 1000;

constexpr size_t kDataHeader = 32;
constexpr size_t kEndedLength = 24;

bool is_group(uint64_t mac) noexcept { return mac != kNoMac && (mac >> 40 & 1) != 0; }

bool is_initial(uint8_t hop_limit) noexcept {
  return hop_limit == 64 || hop_limit == 128 || hop_limit == 255 || hop_limit == 32 || hop_limit == 1;
}

}  // namespace

Stage::Stage(const Options& options)
    : seed_(options.seed),
      enough_(options.enough),
      all_(options.all),
      listens_(options.listens),
      flows_(options.flows, options.seed),
      sightings_(options.sightings, ~options.seed),
      said_(options.sightings),
      claims_(options.sightings),
      cards_(options.sightings),
      new_flows_(options.flows),
      brought_(options.flows),
      seen_(options.sightings) {}

bool Stage::take(uint32_t link, const uint8_t* bytes, uint32_t length, uint32_t wire_length, double at,
                 Batch& batch) {
  if (full(batch)) return false;
  frames_++;
  bytes_ += wire_length;
  Frame frame;
  for (int level = 0; level <= kTunnels; level++) {
    frame.decode(link, bytes, length);
    observe(frame, wire_length, at, batch);
    if (!frame.inner.there()) {
      if (frame.transport != Transport::kFragment || !join(frame, at, bytes, length, batch)) break;
      wire_length = 0;
      continue;
    }
    link = frame.inner.link;
    length = frame.inner.end - frame.inner.start;
    wire_length = length;
    bytes += frame.inner.start;
  }
  if (at - swept_ > kSweepMillis || at < swept_) {
    swept_ = at;
    expiring_ = telling_flows_ = telling_sightings_ = true;
    told_flows_ = told_sightings_ = 0;
    round_++;
    hand_over_old_heads(at, batch);
  }
  if (expiring_) expiring_ = !expire(at, batch);
  if (telling_flows_) telling_flows_ = !tell_flows(round_ % kRounds == 0, batch);
  if (telling_sightings_) telling_sightings_ = !tell_sightings(batch);
  return true;
}

void Stage::done(uint32_t row, uint32_t generation, int side) noexcept {
  if (row >= flows_.capacity()) return;
  Flow& flow = flows_[row];
  if (flow.generation == generation && !flow.has(flow_state::kUdp)) end(flow, side);
}

bool Stage::expire(double at, Batch& batch) {
  if (fragments_waiting_.size() > 0) {
    fragments_waiting_.expire(at, weirds_);
    odd_ = true;
  }
  for (int n = 0; n < kExpireRows; n++) {
    const uint32_t row = flows_.oldest();
    if (row == kNoRow || at - flows_[row].last < kFlowIdleMillis) return true;
    if (batch.left() < kRoom / 4) return false;
    remove(row, batch);
  }
  return false;
}

void Stage::observe(const Frame& frame, uint32_t wire_length, double at, Batch& batch) {
  if (frame.transport == Transport::kFragment) fragments_++;
  if (frame.weird != Weird::kNone) {
    weirds_[static_cast<size_t>(frame.weird)]++;
    odd_ = true;
  }
  const bool flows = frame.transport == Transport::kTcp || frame.transport == Transport::kUdp;
  Part part;
  if (flows) flows_.expect(part.flow = flows_.hash_of(frame));
  see(frame, wire_length, at, part, batch);
  if (frame.arp != Arp::kNone) arp(frame, at, part);
  if (frame.network == Network::kOther && is_announcement(frame) &&
      is_news(hash_bytes(frame.bytes, frame.length, seed_), at, kSaidMillis, part))
    part.pass = part.payload = true;
  if (flows) {
    flow(frame, at, part, batch);
    if (frame.transport == Transport::kUdp) datagram(frame, at, part);
  }
  if (part.pass || all_) {
    if (part.sender != kNoRow) sightings_[part.sender].held = false;
    write(frame, part, at, batch);
  }
  if (part.news != 0) tell_flow(part.row, part.news, at, batch);
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

/** Notes the sender; handed over is what the host table over there has to know. */
void Stage::see(const Frame& frame, uint32_t wire_length, double at, Part& part, Batch& batch) {
  if (frame.source_mac == kNoMac ? frame.source.length == 0 : is_group(frame.source_mac)) return;
  const bool near = is_initial(frame.hop_limit);
  // What comes from further away says no more than that the card is there.
  const bool own =
      frame.source_mac == kNoMac || (near && frame.source.length != 0 && is_private(frame.source));
  uint32_t row = sightings_.find(frame.source_mac, frame.source);
  if (row == kNoRow) {
    if (sightings_.full()) {
      const uint32_t oldest = sightings_.oldest();
      tell_sighting(oldest, batch);
      sightings_.remove(oldest);
      evicted_sightings_++;
    }
    row = sightings_.insert(frame.source_mac, frame.source, at);
    const uint64_t address = hash_address(frame.source.bytes, frame.source.length, seed_);
    sightings_[row].claimed = frame.source.length != 0 && claims_.is(address, claim_of(address, frame.source_mac));
    const uint64_t card = fold(frame.source_mac ^ seed_, 0x9e3779b97f4a7c15);
    const bool fresh = frame.source_mac == kNoMac || cards_.news(card, card);
    sightings_[row].held = fresh && !believe(at);
    part.pass = (fresh || own) && !sightings_[row].held;
  } else if (at - sightings_[row].last > kHeldMillis || at < sightings_[row].last) {
    sightings_.touch(row);
    if (sightings_[row].held) part.pass = true;
  }
  Sighting& sighting = sightings_[row];
  part.sender = row;
  if (sighting.due) part.pass = true;
  sighting.due = false;
  if (near && !sighting.near) {
    sighting.near = true;
    if (own && !sighting.held) part.pass = true;
  }
  // The age of a card that is held back is counted from when it came.
  if (!sighting.held) sighting.last = std::max(sighting.last, at);
  sighting.packets++;
  seen_.add(row);
  sighting.bytes += wire_length;
  if (frame.claim.length == 0) return;
  const uint64_t thing = hash_address(frame.claim.bytes, frame.claim.length, seed_);
  if (claims_.news(thing, claim_of(thing, frame.source_mac)) && !sighting.held) part.pass = true;
  const uint32_t claimed = sightings_.find(frame.source_mac, frame.claim);
  if (claimed != kNoRow) sightings_[claimed].claimed = true;
}

uint64_t Stage::claim_of(uint64_t address, uint64_t mac) const noexcept { return fold(address ^ mac, seed_ | 1); }

/** Whether another new card is one. */
bool Stage::believe(double at) noexcept {
  credit_ = std::min(kNewCards, credit_ + std::max(0.0, at - credited_) / 1000 * kNewCardsASecond);
  credited_ = at;
  if (credit_ < 1) {
    held_++;
    return false;
  }
  credit_ -= 1;
  return true;
}

/** What a sender says again isn't, unless more is known of the sender since. */
bool Stage::is_news(uint64_t print, double at, double millis, const Part& part) noexcept {
  if (part.sender == kNoRow) return said_.news(print, at, millis);
  const Sighting& sender = sightings_[part.sender];
  const uint64_t with = sender.mac << 2 | (sender.near ? 1u : 0u) | (sender.claimed ? 2u : 0u);
  return said_.news(hash_address(sender.address, with ^ print, seed_), at, millis);
}

/** Who is asked for, and who answers. */
void Stage::arp(const Frame& frame, double at, Part& part) {
  const bool held = part.sender != kNoRow && sightings_[part.sender].held && !part.pass;
  const uint64_t asked = hash_address(frame.destination.bytes, static_cast<uint64_t>(frame.arp), seed_) ^
                         hash_address(frame.claim.bytes, frame.claim.length, ~seed_);
  if (is_news(asked, at, kArpMillis, part) && !held) part.pass = true;
  part.payload = part.pass;
}

void Stage::datagram(const Frame& frame, double at, Part& part) {
  const Telling telling = read_datagram(frame, seed_);
  if (!telling.tells || (telling.own && !is_own(part))) return;
  bool news = true;
  if (telling.parts.count > 0) {
    news = false;
    for (uint32_t n = 0; n < telling.parts.count; n++)
      news = is_news(telling.parts.print[n], at, kSaidMillis, part) || news;
  } else if (telling.print != 0) {
    news = is_news(telling.print, at, kSaidMillis, part);
  } else if (part.row != kNoRow) {
    Flow& flow = flows_[part.row];
    if (flow.delivered[part.side] < kStream) {
      flow.delivered[part.side]++;
    } else {
      news = is_news(uint64_t{flow.generation} << 32 | part.row, at, kStreamMillis, part);
    }
  }
  if (news) part.pass = part.payload = true;
}

void Stage::flow(const Frame& frame, double at, Part& part, Batch& batch) {
  const bool tcp_frame = frame.transport == Transport::kTcp;
  const bool syn = tcp_frame && (frame.flags & (tcp_flag::kSyn | tcp_flag::kAck)) == tcp_flag::kSyn;
  part.row = flows_.find(frame, part.flow, part.side);
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
  // A SYN's shape is its sender's, whether or not it opens a flow.
  const bool held = part.sender != kNoRow && sightings_[part.sender].held && !part.pass;
  if (tcp_frame && (frame.flags & tcp_flag::kSyn) != 0 && !held &&
      is_news(syn_print(frame, seed_), at, kSynMillis, part))
    part.pass = part.payload = true;
  if (part.row == kNoRow) {
    part.row = open(frame, at, batch, part.side);
    if (part.row == kNoRow) return;
    if (!held) part.news = flow_news::kOpened;
    if (syn) {
      flows_[part.row].syn = frame.sequence;
      flows_[part.row].set(flow_state::kSynKnown);
    }
  } else if (at - flows_[part.row].last > kTouchMillis) {
    flows_.touch(part.row);
    flows_[part.row].last = at;
  }
  Flow& flow = flows_[part.row];
  if (mac_of(flow, part.side) != frame.source_mac) {
    set_mac(flow, part.side, frame.source_mac);
    // Over there it is known of flows that are being read; of others it is told with them.
    if (flow.handed) part.pass = true;
  }
  const uint64_t bytes = uint64_t{frame.payload_end} - frame.payload_start + frame.payload_missing;
  if (bytes > 0) {
    flow.set(flow_state::kSpoke, part.side);
    if (flow.bytes[part.side] > kManyBytes) part.news |= flow_news::kAccount;
    flow.bytes[part.side] += static_cast<uint32_t>(bytes);
    brought_.add(part.row);
  }
  if (tcp_frame) {
    tcp(flow, frame, at, part, batch);
  } else if (part.side == 1 && !flow.has(flow_state::kAnswered)) {
    flow.set(flow_state::kAnswered);
    if (flow.port[1] <= flow.port[0]) part.news |= flow_news::kAnswered;
  }
  const bool mutual = flow.has(flow_state::kAnswered) || (flow.has(flow_state::kSpoke, 0) && flow.has(flow_state::kSpoke, 1));
  if (!mutual || flow.has(flow_state::kMutual)) return;
  flow.set(flow_state::kMutual);
  part.news |= flow_news::kMutual;
  // Who is answered isn't invented.
  if (part.sender != kNoRow && sightings_[part.sender].held) part.pass = true;
  unhold(flow, 1 - part.side);
}

/** The next frame of that end is handed over if it was held back. */
void Stage::unhold(const Flow& flow, int side) noexcept {
  Address address;
  address.set(flow.address[side], flow.address_length());
  const uint32_t row = sightings_.find(mac_of(flow, side), address);
  if (row == kNoRow || !sightings_[row].held) return;
  sightings_[row].held = false;
  sightings_[row].due = true;
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
  new_flows_.add(row);
  if (opened) flows_[row].set(flow_state::kOpened);
  return row;
}

void Stage::tcp(Flow& flow, const Frame& frame, double at, Part& part, Batch& batch) {
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
      part.news |= flow_news::kAnswered;
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
        if (listen(flow, frame, at, part, batch)) part.pass = part.payload = true;
      }
      if (frame.payload_missing > 0 && skip < length + frame.payload_missing) {
        part.pass = part.ended = true;
        part.why = End::kTruncated;
      } else if (flow.waiting[side] != PendingPool::kNone) {
        part.pass = part.drain = true;
      }
      if (!part.ended && !part.drain && flow.delivered[side] >= kInspected) {
        part.pass = part.ended = true;
        part.why = End::kInspected;
      }
    }
    if (part.ended) {
      if (HeadPool::Head* head = heads_.find(part.row, side)) hand_over(*head, batch);
      end(flow, side);
    }
  }
  if ((frame.flags & tcp_flag::kRst) != 0) {
    hand_over_heads(part.row, batch);
    if (!flow.has(flow_state::kEnded, 0) || !flow.has(flow_state::kEnded, 1)) part.pass = true;
    // What waited is of no use now; nothing was in order before this segment.
    if (!part.drain) {
      end(flow, 0);
      end(flow, 1);
    }
  }
}

/** Hand over what waited and is in order now. */
void Stage::drain(const Part& part, double at, Batch& batch) {
  Flow& flow = flows_[part.row];
  const int side = part.side;
  while (flow.waiting[side] != PendingPool::kNone) {
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
  if (HeadPool::Head* head = heads_.find(static_cast<uint32_t>(&flow - &flows_[0]), side)) heads_.forget(*head);
}

void Stage::remove(uint32_t row, Batch& batch) {
  Flow& flow = flows_[row];
  hand_over_heads(row, batch);
  end(flow, 0);
  end(flow, 1);
  tell_flow(row, flow_news::kRemoved, flow.last, batch);
  flows_.remove(row);
}

}  // namespace anteroom::sensor
