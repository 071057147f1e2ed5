/**
 * FragmentTable. See fragment_table.h.
 */
#include "fragment_table.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace anteroom::sensor {

namespace {

// ---- specification ----

constexpr uint8_t kHopByHop = 0, kTcp = 6, kUdp = 17, kRouting = 43, kFragmentHeader = 44, kAuthentication = 51,
                  kDestination = 60, kMobility = 135;
constexpr uint32_t kIpv6Header = 40, kTcpHeader = 20, kUdpHeader = 8;
constexpr uint16_t kMore = 0x2000, kDont = 0x4000, kOffset = 0x1fff;

uint16_t get16(const uint8_t* at) noexcept { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
uint32_t get32(const uint8_t* at) noexcept { return uint32_t{get16(at)} << 16 | get16(at + 2); }
void put16(uint8_t* at, uint32_t value) noexcept {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

bool is_extension(uint8_t header) noexcept {
  return header == kHopByHop || header == kRouting || header == kAuthentication || header == kDestination ||
         header == kMobility;
}

}  // namespace

/** One fragment; offsets are of the frame's bytes but `start` and `end`, which are the payload's in the datagram. */
struct FragmentTable::Fragment {
  const uint8_t* bytes = nullptr;
  uint32_t network = 0;
  uint32_t head = 0;
  uint32_t data = 0;
  uint32_t start = 0;
  uint32_t end = 0;
  bool more = false;
  bool six = false;
  uint32_t identification = 0;
  uint32_t tag = 0;
  uint32_t next_at = 0;
  uint8_t next = 0;

  const uint8_t* at(uint32_t offset) const noexcept { return bytes + data + (offset - start); }
};

/** The decoder has seen to it that the headers up to the fragment's own are there. */
Weird FragmentTable::read(const Frame& frame, Fragment& it) noexcept {
  const uint8_t* ip = frame.bytes + frame.network_start;
  const uint32_t captured = frame.length - frame.network_start;
  uint32_t end = 0;
  it.bytes = frame.bytes;
  it.network = frame.network_start;
  it.six = frame.network == Network::kIpv6;
  if (it.six) {
    const uint32_t size = get16(ip + 4);
    end = size == 0 ? captured : kIpv6Header + size;
    uint32_t here = kIpv6Header;
    uint32_t next_at = 6;
    // Fragment headers before it covered the whole packet.
    while (ip[next_at] != kFragmentHeader || (get16(ip + here + 2) & 0xfff9) == 0) {
      const uint8_t header = ip[next_at];
      const uint32_t units = ip[here + 1];
      next_at = here;
      here += header == kFragmentHeader ? 8 : header == kAuthentication ? (units + 2) * 4 : (units + 1) * 8;
    }
    it.head = frame.network_start + here;
    it.data = it.head + 8;
    it.next_at = frame.network_start + next_at;
    it.next = ip[here];
    it.start = get16(ip + here + 2) & 0xfff8;
    it.more = (ip[here + 3] & 1) != 0;
    it.identification = get32(ip + here + 4);
    it.tag = frame.vlan;
    end -= std::min(end, here + 8);
  } else {
    const uint32_t header = (ip[0] & 15u) * 4;
    const uint16_t bits = get16(ip + 6);
    end = (get16(ip + 2) != 0 ? get16(ip + 2) : captured) - header;
    it.head = it.data = frame.network_start + header;
    it.next = ip[9];
    it.start = (bits & kOffset) * 8u;
    it.more = (bits & kMore) != 0;
    it.identification = get16(ip + 4);
    it.tag = uint32_t{frame.vlan} | uint32_t{it.next} << 16;
  }
  if (end == 0 || (it.more && end % 8 != 0)) return Weird::kFragmentLengthBad;
  if (it.data + end > frame.length) return Weird::kFragmentTruncated;
  it.end = it.start + end;
  const uint32_t before = it.head - frame.network_start - (it.six ? kIpv6Header : 0);
  if (before + it.end > kLongest) return Weird::kFragmentTooLong;
  return Weird::kNone;
}

/** Headers are cut so that the first fragment doesn't show them, or the second writes over them. */
bool FragmentTable::is_tiny(const Frame& frame, const Fragment& it) noexcept {
  if (!it.six) return it.next == kTcp && (it.start == 8 || (it.start == 0 && it.end < kTcpHeader));
  if (it.start != 0) return false;
  const uint32_t end = it.data + it.end;
  uint32_t here = it.data;
  uint8_t next = it.next;
  while (is_extension(next)) {
    if (here + 8 > end) return true;
    const uint32_t units = frame.bytes[here + 1];
    const uint32_t size = next == kAuthentication ? (units + 2) * 4 : (units + 1) * 8;
    next = frame.bytes[here];
    here += size;
  }
  return here + (next == kTcp ? kTcpHeader : next == kUdp ? kUdpHeader : 0) > end;
}

FragmentTable::Datagram* FragmentTable::find(const Frame& frame, const Fragment& it, double at) noexcept {
  // The youngest first: fragments of one datagram come together.
  for (uint32_t n = size_; n-- > 0;) {
    Datagram& known = ring_[(first_ + n) % kDatagrams];
    if (known.identification == it.identification && known.tag == it.tag && known.source == frame.source &&
        known.destination == frame.destination)
      return known.whole && std::abs(at - known.closed_at) > kCopyMillis ? nullptr : &known;
  }
  return nullptr;
}

FragmentTable::Datagram& FragmentTable::begin(const Frame& frame, const Fragment& it, double at, uint32_t* weirds) {
  if (ring_.empty()) ring_.resize(kDatagrams);
  if (size_ == kDatagrams) forget_oldest(weirds);
  Datagram& made = ring_[(first_ + size_) % kDatagrams];
  size_++;
  made = Datagram{};
  made.source = frame.source;
  made.destination = frame.destination;
  made.identification = it.identification;
  made.tag = it.tag;
  made.started = at;
  return made;
}

FragmentTable::Joined FragmentTable::join(const Frame& frame, double at, uint32_t* weirds) {
  const auto note = [&](Weird what) {
    if (what != Weird::kNone) weirds[static_cast<size_t>(what)]++;
  };
  expire(at, weirds);
  Fragment it;
  Joined joined;
  const Weird bad = read(frame, it);
  note(bad);
  if (bad == Weird::kFragmentTooLong) joined.against = bad;
  if (bad != Weird::kNone) return joined;
  Datagram* datagram = find(frame, it, at);
  if (datagram == nullptr) datagram = &begin(frame, it, at, weirds);
  Weird against = is_tiny(frame, it) ? Weird::kFragmentTiny : Weird::kNone;
  note(against);
  if (!datagram->closed) {
    for (bool oldest = false; bytes_ + (it.end - it.start) + kHead > kBytes;) {
      oldest = &ring_[first_] == datagram;
      forget_oldest(weirds);
      if (oldest) return joined;
    }
    const Added added = add(*datagram, it);
    note(added.what);
    if (added.purpose) against = added.what;
    if (added.gives_up) close(*datagram);
  }
  if (std::abs(at - datagram->started) > kAtOnceMillis) against = Weird::kNone;
  const bool told = datagram->told;
  datagram->told = told || against != Weird::kNone;
  if (!datagram->closed && datagram->total != 0 && datagram->received == datagram->total) {
    joined = whole(*datagram);
    datagram->whole = true;
    datagram->closed_at = at;
  }
  if (!told) joined.against = against;
  return joined;
}

FragmentTable::Added FragmentTable::add(Datagram& datagram, const Fragment& it) {
  const uint32_t reach = datagram.pieces.empty() ? 0 : datagram.pieces.back().end;
  const uint32_t total = datagram.total;
  const bool beyond = it.more ? total != 0 && it.end >= total : total != 0 ? it.end != total : reach >= it.end;
  if (beyond) return {Weird::kFragmentEndDiffers, true, it.six};
  bool over = false;
  bool same = false;
  bool differs = false;
  for (const Piece& piece : datagram.pieces) {
    const uint32_t start = std::max(piece.start, it.start);
    const uint32_t end = std::min(piece.end, it.end);
    if (start >= end) continue;
    over = true;
    same = same || (piece.start == it.start && piece.end == it.end);
    differs = differs || std::memcmp(piece.bytes.get() + (start - piece.start), it.at(start), end - start) != 0;
  }
  if (same && !differs) return {};
  if (over && it.six) return {Weird::kFragmentOverlap, true, true};
  if (!it.more) datagram.total = it.end;
  if (it.start == 0 && datagram.head.empty()) {
    if (it.head > kHead) return {Weird::kFragmentHeadLong, false, true};
    datagram.head.assign(it.bytes, it.bytes + it.head);
    datagram.network = it.network;
    datagram.next_at = it.next_at;
    datagram.next = it.next;
    bytes_ += it.head;
  }
  if (!fill(datagram, it)) return {Weird::kFragmentsMany, false, true};
  // The same range with other bytes: an identification that came round again, for all that one can tell.
  if (over) return {Weird::kFragmentOverlap, differs && !same, false};
  return {};
}

/** Keeps what isn't there yet. False: too many pieces. */
bool FragmentTable::fill(Datagram& datagram, const Fragment& it) {
  auto& pieces = datagram.pieces;
  size_t place = 0;
  for (uint32_t at = it.start; at < it.end;) {
    while (place < pieces.size() && pieces[place].end <= at) place++;
    const bool last = place == pieces.size();
    const uint32_t stop = last ? it.end : std::min(it.end, pieces[place].start);
    if (at < stop) {
      if (pieces.size() == kPieces) return false;
      Piece piece{at, stop, std::make_unique<uint8_t[]>(stop - at)};
      std::memcpy(piece.bytes.get(), it.at(at), stop - at);
      pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(place), std::move(piece));
      datagram.received += stop - at;
      bytes_ += stop - at;
    }
    at = pieces[place].end;
  }
  return true;
}

FragmentTable::Joined FragmentTable::whole(Datagram& datagram) {
  whole_.assign(datagram.head.begin(), datagram.head.end());
  for (const Piece& piece : datagram.pieces)
    whole_.insert(whole_.end(), piece.bytes.get(), piece.bytes.get() + (piece.end - piece.start));
  uint8_t* ip = whole_.data() + datagram.network;
  const auto length = static_cast<uint32_t>(whole_.size() - datagram.network);
  if (datagram.next_at != 0) {
    whole_[datagram.next_at] = datagram.next;
    put16(ip + 4, length - kIpv6Header);
  } else {
    // The checksum stays that of the first fragment: nobody looks.
    put16(ip + 2, length);
    put16(ip + 6, get16(ip + 6) & kDont);
  }
  close(datagram);
  return {whole_.data(), static_cast<uint32_t>(whole_.size()), Weird::kNone};
}

void FragmentTable::close(Datagram& datagram) noexcept {
  bytes_ -= datagram.received + datagram.head.size();
  datagram.received = 0;
  datagram.pieces = std::vector<Piece>();
  datagram.head = std::vector<uint8_t>();
  datagram.closed = true;
}

void FragmentTable::forget_oldest(uint32_t* weirds) noexcept {
  Datagram& oldest = ring_[first_];
  if (!oldest.closed) weirds[static_cast<size_t>(Weird::kFragmentsIncomplete)]++;
  close(oldest);
  first_ = (first_ + 1) % kDatagrams;
  size_--;
}

void FragmentTable::expire(double at, uint32_t* weirds) noexcept {
  while (size_ > 0 && std::abs(at - ring_[first_].started) > kLifeMillis) forget_oldest(weirds);
}

}  // namespace anteroom::sensor
