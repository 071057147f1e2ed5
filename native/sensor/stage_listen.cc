/**
 * What the stage hears for itself in TCP payload: HTTP and TLS, which most connections of a network are. Hosts say the
 * same in each of them, so a head or a hello is handed over when it brings something that its sender, or that port of
 * its sender, didn't say lately; what is odd, and all that follows it, is TypeScript's to read.
 *
 *   a request     handed over when it tells, or names another agent; the next begins where it ends
 *   a response    its head alone: what follows isn't looked at
 *   half a head   kept until its rest comes (head_pool.h)
 *   a hello       alone; with all that follows when it is a server's that is news, and not of TLS 1.3
 *
 * What comes from beyond a router is nobody's on this link (`HostTable.at`): of that the stage keeps what the flow
 * speaks. Credentials, descriptions and documents are handed over whoever sends them.
 */
#include <algorithm>

#include "hash.h"
#include "http_head.h"
#include "stage_part.h"
#include "tls_hello.h"

namespace anteroom::sensor {

namespace {

/** How long the same again is no news. */
constexpr double kSaidMillis = 60'000;
/** How long the rest of a head is waited for. */
constexpr double kHeadMillis = 1000;
constexpr uint8_t kTlsHandshake = 0x16;
constexpr uint64_t kRequest = 1, kResponse = 2, kHello = 3;

}  // namespace

/** The sender is the host whose address it has, as far as the host table will know. */
bool Stage::is_own(const Part& part) const noexcept {
  if (part.sender == kNoRow) return false;
  const Sighting& sender = sightings_[part.sender];
  if (sender.mac == kNoMac || sender.claimed) return true;
  Address address;
  address.set(sender.address, sender.length);
  return sender.near && is_private(address);
}

/** Of what a host says at a port, its own or the one it goes to, whether it is news. */
bool Stage::is_news_at(uint16_t port, uint64_t kind, uint64_t print, double at, const Part& part) noexcept {
  return is_own(part) && is_news(fold(print ^ kind, seed_ | 1) + port, at, kSaidMillis, part);
}

/** Requests of one side, or the first response of the other. */
Stage::Heard Stage::http(Flow& flow, Padded chunk, double at, const Part& part, uint32_t& needless) noexcept {
  const int side = part.side;
  uint32_t from = std::min<uint32_t>(flow.rest, chunk.length);
  flow.rest = static_cast<uint16_t>(flow.rest - from);
  needless = from;
  Heard heard = Heard::kNothing;
  while (from < chunk.length) {
    HttpHead head;
    const uint32_t left = chunk.length - from;
    const bool read = read_http({chunk.bytes + from, left}, seed_, head);
    // `rest` is one side's.
    const bool both = head.request && flow.read_by(1 - side) == ReadBy::kStage &&
                      !flow.has(flow_state::kEnded, 1 - side);
    if ((!read && !head.open) || both || head.telling) return Heard::kUnread;
    flow.spoken = Spoken::kHttp;
    if (!read) return heard == Heard::kNothing ? Heard::kOpen : Heard::kUnread;
    const uint64_t kind = head.request ? kRequest : kResponse;
    const uint16_t port = flow.port[head.request ? 1 - side : side];
    if (is_news_at(port, kind, head.print, at, part)) heard = Heard::kNews;
    if (!head.request) return heard == Heard::kNews ? Heard::kLastNews : Heard::kEnough;
    if (head.length > left) {
      if (heard == Heard::kNews) return Heard::kUnread;
      // What follows lies beyond what is ever looked at.
      if (head.length - left > kInspected) return Heard::kEnough;
      flow.rest = static_cast<uint16_t>(head.length - left);
      break;
    }
    from += static_cast<uint32_t>(head.length);
    if (heard == Heard::kNothing) needless = from;
  }
  return heard;
}

Stage::Heard Stage::tls(Flow& flow, Padded chunk, double at, const Part& part) noexcept {
  TlsHello hello;
  if (!read_tls(chunk, seed_, hello)) return Heard::kUnread;
  flow.spoken = Spoken::kTls;
  const uint16_t port = flow.port[hello.client ? 1 - part.side : part.side];
  if (!is_news_at(port, kHello, hello.print, at, part)) return Heard::kEnough;
  return hello.client || hello.sealed ? Heard::kLastNews : Heard::kUnread;
}

/** What a side says; `needless`: how much of it, at its beginning, nobody has to see. */
Stage::Heard Stage::hear(Flow& flow, Padded chunk, double at, const Part& part, uint32_t& needless) noexcept {
  if (chunk.u8(0) == kTlsHandshake && flow.rest == 0) return tls(flow, chunk, at, part);
  return http(flow, chunk, at, part, needless);
}

/** Keep the frame of a head whose rest is to come. False: nobody keeps it. */
bool Stage::hold(const Frame& frame, double at, const Part& part, uint32_t needless, Batch& batch) noexcept {
  if (part.payload || frame.payload_start > HeadPool::kHeaders ||
      frame.payload_end > HeadPool::kHeaders + HeadPool::kBytes)
    return false;
  HeadPool::Head& head = heads_.place(part.row, part.side);
  if (head.live) hand_over(head, batch);
  Part kept = part;
  kept.payload = true;
  kept.chunk += needless;
  kept.chunk_length -= needless;
  Batch record(head.record, sizeof head.record);
  write(frame, kept, at, record);
  heads_.keep(head, part.row, part.side, at);
  return true;
}

/** Nobody here waits for more of this flow's heads. */
void Stage::hand_over_heads(uint32_t row, Batch& batch) noexcept {
  for (int side = 0; side < 2; side++)
    if (HeadPool::Head* head = heads_.find(row, side)) hand_over(*head, batch);
}

/** Who doesn't end his head is read as far as he came. */
void Stage::hand_over_old_heads(double at, Batch& batch) noexcept {
  for (uint32_t n = 0; heads_.size() > 0 && n < HeadPool::kHeads; n++)
    if (heads_[n].live && (at - heads_[n].at > kHeadMillis || at < heads_[n].at)) hand_over(heads_[n], batch);
}

/** What is new and in order of a direction: whether it is handed over. Of what needn't be, the beginning is cut off. */
bool Stage::listen(Flow& flow, const Frame& frame, double at, Part& part, Batch& batch) {
  const int side = part.side;
  if (flow.read_by(side) == ReadBy::kOther) return true;
  HeadPool::Head* const head = heads_.find(part.row, side);
  const bool held = part.sender != kNoRow && sightings_[part.sender].held;
  const bool whole = frame.payload_missing == 0 && flow.waiting[side] == PendingPool::kNone && flow.delivered[side] < kInspected;
  const uint8_t* bytes = frame.bytes + part.chunk;
  Heard heard = Heard::kUnread;
  uint32_t needless = 0;
  if (whole && !held && listens_ && !all_) {
    if (head == nullptr) {
      heard = hear(flow, {bytes, part.chunk_length}, at, part, needless);
      if (heard == Heard::kOpen && !hold(frame, at, part, needless, batch)) heard = Heard::kUnread;
    } else if (head->add(bytes, part.chunk_length)) {
      heard = hear(flow, {head->bytes(), head->length()}, at, part, needless);
      if (heard == Heard::kOpen) {
        head->cut(needless);
        head->at = at;
      } else {
        head->take_back(part.chunk_length);
      }
    }
  }
  const bool over = heard != Heard::kNothing && heard != Heard::kEnough && heard != Heard::kOpen;
  if (head != nullptr && heard != Heard::kOpen) {
    if (over) hand_over(*head, batch);
    else heads_.forget(*head);
  } else if (over) {
    part.chunk += needless;
    part.chunk_length -= needless;
  }
  flow.set_read_by(side, heard == Heard::kUnread ? ReadBy::kOther : ReadBy::kStage);
  if (heard == Heard::kLastNews) end(flow, side);
  if (heard == Heard::kEnough) {
    end(flow, side);
    part.ended = flow.handed;
  }
  if (over) flow.handed = true;
  return over;
}

}  // namespace anteroom::sensor
