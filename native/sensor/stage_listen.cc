/**
 * What the stage hears for itself in TCP payload: HTTP and TLS, which most connections of a network are. Hosts say the
 * same in each of them, so a head or a hello is handed over when it brings something that its sender, or that port of
 * its sender, didn't say lately; what is odd, and all that follows it, is TypeScript's to read.
 *
 *   a request     handed over when it tells, or names another agent; the next begins where it ends
 *   a response    its head alone: what follows isn't looked at
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
Stage::Heard Stage::http(Flow& flow, Padded chunk, double at, Part& part) noexcept {
  const int side = part.side;
  uint32_t from = std::min<uint32_t>(flow.rest, chunk.length);
  flow.rest = static_cast<uint16_t>(flow.rest - from);
  uint32_t needless = from;
  Heard heard = Heard::kNothing;
  while (from < chunk.length) {
    HttpHead head;
    const uint32_t left = chunk.length - from;
    const bool read = read_http({chunk.bytes + from, left}, seed_, head);
    // `rest` is one side's.
    const bool both = read && head.request && flow.read_by[1 - side] == ReadBy::kStage &&
                      !flow.has(flow_state::kEnded, 1 - side);
    if (!read || both || head.telling) {
      heard = Heard::kUnread;
      break;
    }
    flow.spoken = Spoken::kHttp;
    const uint64_t kind = head.request ? kRequest : kResponse;
    const uint16_t port = flow.port[head.request ? 1 - side : side];
    if (is_news_at(port, kind, head.print, at, part)) heard = Heard::kNews;
    if (!head.request) return heard == Heard::kNews ? Heard::kLastNews : Heard::kEnough;
    if (head.length > left) {
      if (heard == Heard::kNews) {
        heard = Heard::kUnread;
      } else if (head.length - left > kInspected) {
        // What follows lies beyond what is ever looked at.
        return Heard::kEnough;
      } else {
        flow.rest = static_cast<uint16_t>(head.length - left);
      }
      break;
    }
    from += static_cast<uint32_t>(head.length);
    if (heard == Heard::kNothing) needless = from;
  }
  if (heard != Heard::kNothing) {
    part.chunk += needless;
    part.chunk_length -= needless;
  }
  return heard;
}

Stage::Heard Stage::tls(Flow& flow, Padded chunk, double at, Part& part) noexcept {
  TlsHello hello;
  if (!read_tls(chunk, seed_, hello)) return Heard::kUnread;
  flow.spoken = Spoken::kTls;
  const uint16_t port = flow.port[hello.client ? 1 - part.side : part.side];
  if (!is_news_at(port, kHello, hello.print, at, part)) return Heard::kEnough;
  return hello.client || hello.sealed ? Heard::kLastNews : Heard::kUnread;
}

/** What is new and in order of a direction: whether it is handed over. Of what needn't be, the beginning is cut off. */
bool Stage::listen(Flow& flow, const Frame& frame, double at, Part& part) {
  const int side = part.side;
  if (flow.read_by[side] == ReadBy::kOther) return true;
  const bool held = part.sender != kNoRow && sightings_[part.sender].held;
  const bool whole = frame.payload_missing == 0 && flow.waiting[side] == kNoRow && flow.delivered[side] < kInspected;
  Heard heard = Heard::kUnread;
  if (whole && !held && listens_ && !all_) {
    const Padded chunk{frame.bytes + part.chunk, part.chunk_length};
    const bool hello = chunk.u8(0) == kTlsHandshake && flow.rest == 0;
    heard = hello ? tls(flow, chunk, at, part) : http(flow, chunk, at, part);
  }
  flow.read_by[side] = heard == Heard::kUnread ? ReadBy::kOther : ReadBy::kStage;
  if (heard == Heard::kLastNews) end(flow, side);
  if (heard == Heard::kEnough) {
    end(flow, side);
    part.ended = flow.handed;
  }
  if (heard == Heard::kNothing || heard == Heard::kEnough) return false;
  flow.handed = true;
  return true;
}

}  // namespace anteroom::sensor
