/**
 * What the stage writes into a batch: frames, flows, who was seen, what was wrong, totals. See stage.h; the layout of
 * each record is in batch.h.
 */
#include <algorithm>

#include "stage_part.h"

namespace anteroom::sensor {

namespace {

/** Rows a frame: bounds what one adds to a batch. */
constexpr uint32_t kTellRows = 512;
constexpr size_t kFlowLength = 88;
constexpr size_t kSightingLength = 56;
constexpr size_t kAgainstLength = 64;
/** Bytes of a frame handed over at most; of one that is handed over for its headers alone. */
constexpr uint32_t kFrameBytes = 128 * 1024;
constexpr uint32_t kHeaderBytes = 256;

double number(uint64_t mac) noexcept { return mac == kNoMac ? -1 : static_cast<double>(mac); }

}  // namespace

bool Stage::tell(Batch& batch) {
  while (!tell_flows(true, batch))
    if (full(batch)) return false;
  while (!tell_sightings(batch))
    if (full(batch)) return false;
  return true;
}

/** Those that weren't told of; now and then all that brought something. */
bool Stage::tell_flows(bool all, Batch& batch) {
  for (uint32_t n = 0; n < kTellRows; n++, told_flows_++) {
    told_flows_ = std::min(new_flows_.next(told_flows_), all ? brought_.next(told_flows_) : kNoRow);
    if (told_flows_ == kNoRow) {
      told_flows_ = 0;
      return true;
    }
    if (batch.left() < kRoom / 4) return false;
    tell_flow(told_flows_, flow_news::kAccount, flows_[told_flows_].last, batch);
  }
  return false;
}

bool Stage::tell_sightings(Batch& batch) {
  for (uint32_t n = 0; n < kTellRows; n++, told_sightings_++) {
    told_sightings_ = seen_.next(told_sightings_);
    if (told_sightings_ == kNoRow) {
      told_sightings_ = 0;
      return true;
    }
    if (batch.left() < kRoom / 4) return false;
    tell_sighting(told_sightings_, batch);
  }
  return false;
}

void Stage::tell_sighting(uint32_t row, Batch& batch) noexcept {
  Sighting& sighting = sightings_[row];
  if (sighting.packets == 0) return;
  seen_.remove(row);
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

/** What a flow brought is told with kAccount and kRemoved. */
void Stage::tell_flow(uint32_t row, uint8_t news, double at, Batch& batch) noexcept {
  Flow& flow = flows_[row];
  uint8_t* record = batch.add(Record::kFlow, kFlowLength);
  uint8_t bits = 0;
  if (flow.has(flow_state::kUdp)) bits |= flow_told::kUdp;
  if (flow.has(flow_state::kOpened)) bits |= flow_told::kOpened;
  if (flow.has(flow_state::kMutual)) bits |= flow_told::kMutual;
  if (flow.has(flow_state::kEntered)) bits |= flow_told::kEntered;
  record[1] = bits;
  record[2] = news;
  record[3] = flow.address_length();
  store_le_f64(record + 8, at);
  store_le32(record + 16, row);
  store_le32(record + 20, flow.generation);
  store_le_f64(record + 24, number(mac_of(flow, 0)));
  store_le_f64(record + 32, number(mac_of(flow, 1)));
  store_le16(record + 40, flow.port[0]);
  store_le16(record + 42, flow.port[1]);
  record[44] = static_cast<uint8_t>(flow.spoken);
  std::memcpy(record + 48, flow.address[0], 16);
  std::memcpy(record + 64, flow.address[1], 16);
  if ((news & (flow_news::kAccount | flow_news::kRemoved)) == 0) return;
  for (int side = 0; side < 2; side++) {
    store_le32(record + 80 + 4 * static_cast<size_t>(side), flow.bytes[side]);
    flow.bytes[side] = 0;
  }
  new_flows_.remove(row);
  brought_.remove(row);
  // A flow is entered once, when it is one.
  if (flow.has(flow_state::kMutual) || flow.has(flow_state::kUdp)) flow.set(flow_state::kEntered);
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
  uint8_t* record = batch.add(Record::kTotals, 64);
  store_le_f64(record + 8, static_cast<double>(frames_));
  store_le_f64(record + 16, static_cast<double>(bytes_));
  store_le_f64(record + 24, static_cast<double>(fragments_));
  store_le32(record + 32, flows_.size());
  store_le32(record + 36, static_cast<uint32_t>(std::min<uint64_t>(evicted_flows_, UINT32_MAX)));
  store_le32(record + 40, static_cast<uint32_t>(pending_.bytes()));
  store_le32(record + 44, sightings_.size());
  store_le_f64(record + 48, static_cast<double>(evicted_sightings_));
  store_le32(record + 56, held_);
  frames_ = bytes_ = fragments_ = 0;
  held_ = 0;
}

void Stage::weird_at(Weird what, uint64_t offset, Batch& batch) noexcept {
  uint8_t* record = batch.add(Record::kWeird, 24);
  store_le32(record + 8, static_cast<uint32_t>(what));
  store_le32(record + 12, 1);
  store_le_f64(record + 16, static_cast<double>(offset));
}

/** A fragment. True: it was the last that was missing, and `bytes` are the whole datagram's. */
bool Stage::join(const Frame& frame, double at, const uint8_t*& bytes, uint32_t& length, Batch& batch) {
  const FragmentTable::Joined joined = fragments_waiting_.join(frame, at, weirds_);
  odd_ = true;
  if (joined.against != Weird::kNone) {
    uint8_t* record = batch.add(Record::kAgainst, kAgainstLength);
    store_le_f64(record + 8, at);
    store_le_f64(record + 16, number(frame.source_mac));
    store_le32(record + 24, static_cast<uint32_t>(joined.against));
    record[28] = frame.source.length;
    std::memcpy(record + 32, frame.source.bytes, 16);
    std::memcpy(record + 48, frame.destination.bytes, 16);
  }
  if (joined.bytes == nullptr) return false;
  bytes = joined.bytes;
  length = joined.length;
  return true;
}

/** What TypeScript gets to know of the flow of what a side sends. */
uint8_t Stage::flow_bits(const Flow& flow, int side) const noexcept {
  uint8_t bits = 0;
  if (side == 1) bits |= flow_bit::kFromServer;
  if (flow.has(flow_state::kOpened)) bits |= flow_bit::kOpened;
  if (flow.has(flow_state::kMidstream, side)) bits |= flow_bit::kMidstream;
  if (flow.spoken == Spoken::kHttp) bits |= flow_bit::kHttp;
  if (flow.spoken == Spoken::kTls) bits |= flow_bit::kTls;
  if (flow.has(flow_state::kEnded, 1 - side)) bits |= flow_bit::kOtherDone;
  return bits;
}

/** What is there of a head, late: somebody else reads on. */
void Stage::hand_over(HeadPool::Head& head, Batch& batch) noexcept {
  Flow& flow = flows_[head.row];
  flow.handed = true;
  flow.set_read_by(head.side, ReadBy::kOther);
  const size_t length = Batch::kFixed + head.kept();
  uint8_t* record = batch.add(Record::kFrame, length);
  std::memcpy(record + 1, head.record + 1, 3);
  std::memcpy(record + 8, head.record + 8, length - 8);
  store_le_f64(record + 8, head.at);
  record[39] = flow_bits(flow, head.side);
  heads_.forget(head);
}

void Stage::write(const Frame& frame, const Part& part, double at, Batch& batch) noexcept {
  const bool transported = frame.transport == Transport::kTcp || frame.transport == Transport::kUdp;
  const uint32_t whole = part.payload || all_ ? frame.payload_end : transported ? frame.payload_start : kHeaderBytes;
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
    const Flow& flow = flows_[part.row];
    record[39] = flow_bits(flow, part.side);
    store_le32(record + 72, flow.generation);
    store_le32(record + 76, part.chunk);
    store_le32(record + 128, part.chunk < kept ? std::min(part.chunk_length, kept - part.chunk) : 0);
  }
  std::memcpy(record + 80, frame.source.bytes, 16);
  std::memcpy(record + 96, frame.destination.bytes, 16);
  std::memcpy(record + 112, frame.claim.bytes, 16);
  store_le32(record + 132, kept);
  std::memcpy(record + Batch::kFixed, frame.bytes, kept);
}

}  // namespace anteroom::sensor
