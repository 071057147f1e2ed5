/**
 * Segmenter and Coalescer against the model of inner_model.h: segments as the model would build them one by one,
 * and cutting what was joined gives back what was there, byte for byte.
 */
#include "transport/segmenter.h"

#include <algorithm>
#include <random>

#include "inner_model.h"
#include "tap.h"
#include "transport/coalescer.h"

using namespace anteroom;
using namespace anteroom::test;

namespace {

/** Cut in memory of exactly the sizes needed. */
std::vector<Bytes> cut(const VirtioHeader& header, const Bytes& packet) {
  Bytes copy(packet);
  copy.shrink_to_fit();
  Segmenter segmenter;
  std::vector<Bytes> segments;
  if (!segmenter.start(header, copy.data(), copy.size())) return segments;
  for (;;) {
    const Segmenter::Packet segment = segmenter.next();
    if (segment.length == 0) return segments;
    CHECK(segment.length <= segmenter.largest());
    segments.emplace_back(segment.bytes, segment.bytes + segment.length);
  }
}

VirtioHeader header_of(const Flow& flow, size_t size) {
  const size_t transport = flow.v6 ? 40 : 20;
  VirtioHeader header{};
  header.flags = kNeedsChecksum;
  header.gso_type = !flow.tcp ? kGsoUdp : flow.v6 ? kGsoTcp6 : kGsoTcp4;
  header.gso_size = static_cast<uint16_t>(size);
  header.csum_start = static_cast<uint16_t>(transport);
  header.csum_offset = flow.tcp ? 16 : 6;
  return header;
}

std::vector<Flow> flows() {
  std::vector<Flow> all;
  for (const bool v6 : {false, true}) {
    for (const bool tcp : {false, true}) {
      Flow flow;
      flow.v6 = v6;
      flow.tcp = tcp;
      all.push_back(flow);
    }
  }
  return all;
}

/** What the kernel would make of `flow`'s payload: one packet after another. */
std::vector<Bytes> expected(const Flow& flow, const Segment& whole, size_t size) {
  std::vector<Bytes> segments;
  for (size_t at = 0; at < whole.payload.size(); at += size) {
    Segment part = whole;
    const size_t end = std::min(at + size, whole.payload.size());
    part.payload.assign(whole.payload.begin() + static_cast<long>(at), whole.payload.begin() + static_cast<long>(end));
    part.sequence += static_cast<uint32_t>(at);
    part.identification = static_cast<uint16_t>(part.identification + at / size);
    if (end != whole.payload.size()) part.flags &= static_cast<uint8_t>(~0x09);
    if (at != 0) part.flags &= 0x7f;
    segments.push_back(build(flow, part));
  }
  return segments;
}

/** Join, then cut again what came out; `items` says how many there were. */
std::vector<Bytes> there_and_back(const std::vector<Bytes>& packets, size_t& items) {
  static Coalescer coalescer;
  std::vector<Bytes> back;
  items = 0;
  const auto take = [&](Coalescer::Item& item) {
    items++;
    Bytes joined;
    for (unsigned i = 1; i < item.count; i++) {
      const auto* from = static_cast<const uint8_t*>(item.vectors[i].iov_base);
      joined.insert(joined.end(), from, from + item.vectors[i].iov_len);
    }
    if (item.segments == 1) CHECK((item.virtio.flags & kNeedsChecksum) == 0);
    for (Bytes& packet : cut(item.virtio, joined)) back.push_back(std::move(packet));
  };
  coalescer.use({true, true});
  for (const Bytes& packet : packets) {
    while (!coalescer.add(packet.data(), packet.size())) coalescer.flush(take);
  }
  coalescer.flush(take);
  return back;
}

std::vector<Bytes> stream(const Flow& flow, size_t count, size_t size, size_t last) {
  Segment whole;
  whole.payload = pattern((count - 1) * size + last);
  return expected(flow, whole, size);
}

}  // namespace

TEST("segmenter: TCP and UDP, IPv4 and IPv6, every segment as the model builds it") {
  for (const Flow& flow : flows()) {
    for (const size_t size : {1u, 7u, 536u, 1368u, 1380u}) {
      for (const size_t length : {1u, 2u, 1367u, 1368u, 1369u, 2736u, 20'000u}) {
        if (length / size > 200) continue;
        Segment whole;
        whole.payload = pattern(length);
        whole.sequence = 0xfffffff0;
        whole.identification = 0xfffe;
        whole.flags = 0x10 | 0x08 | 0x01 | 0x80;
        const auto segments = cut(header_of(flow, size), build(flow, whole, true));
        CHECK(segments == expected(flow, whole, size));
        CHECK(std::all_of(segments.begin(), segments.end(), sound));
      }
    }
  }
}

TEST("segmenter: the longest packet there can be, and IPv4 options") {
  Segment whole;
  Flow flow;
  whole.payload = pattern(65535 - 52);
  const auto segments = cut(header_of(flow, 1368), build(flow, whole, true));
  CHECK(segments == expected(flow, whole, 1368));

  whole.payload = pattern(3000);
  Bytes packet = build(flow, whole, true);
  const Bytes options = {0x94, 4, 0, 0};
  packet.insert(packet.begin() + 20, options.begin(), options.end());
  packet[0] = 0x46;
  const size_t length = packet.size();
  packet[2] = static_cast<uint8_t>(length >> 8);
  packet[3] = static_cast<uint8_t>(length);
  VirtioHeader header = header_of(flow, 1000);
  header.csum_start = 24;
  const auto with_options = cut(header, packet);
  CHECK(with_options.size() == 3);
  CHECK(std::all_of(with_options.begin(), with_options.end(), sound));
}

TEST("segmenter: a single packet passes as it is, or with its checksum completed") {
  for (const Flow& flow : flows()) {
    for (const size_t length : {1u, 2u, 777u}) {
      Segment segment;
      segment.payload = pattern(length);
      const Bytes plain = build(flow, segment);
      CHECK(cut(VirtioHeader{}, plain) == std::vector<Bytes>{plain});
      VirtioHeader header = header_of(flow, 0);
      header.gso_type = kGsoNone;
      CHECK(cut(header, build(flow, segment, true)) == std::vector<Bytes>{plain});
    }
  }
}

TEST("segmenter: headers that make no sense are refused, and say nothing of memory they don't own") {
  Flow flow;
  Segment segment;
  segment.payload = pattern(3000);
  const Bytes packet = build(flow, segment, true);
  const VirtioHeader good = header_of(flow, 1000);
  const auto refused = [&](auto change, Bytes bytes) {
    VirtioHeader header = good;
    change(header);
    return cut(header, bytes).empty();
  };
  const auto same = [](VirtioHeader&) {};
  CHECK(!refused(same, packet));
  CHECK(refused([](VirtioHeader& h) { h.gso_size = 0; }, packet));
  CHECK(refused([](VirtioHeader& h) { h.flags = 0; }, packet));
  CHECK(refused([](VirtioHeader& h) { h.gso_type = 3; }, packet));
  CHECK(refused([](VirtioHeader& h) { h.gso_type = kGsoTcp6; }, packet));
  CHECK(refused([](VirtioHeader& h) { h.gso_type = kGsoUdp; }, packet));
  CHECK(refused([](VirtioHeader& h) { h.csum_start = 0xffff; }, packet));
  CHECK(refused([](VirtioHeader& h) { h.csum_offset = 0xffff; }, packet));
  CHECK(refused([](VirtioHeader& h) { h.csum_start = 24; }, packet));
  for (size_t length = 0; length <= 52; length++) {
    CHECK(refused(same, Bytes(packet.begin(), packet.begin() + static_cast<long>(length))));
  }
  Bytes long_header = packet;
  long_header[32] = 0x40;
  CHECK(refused(same, long_header));
}

TEST("coalescer: a stream becomes one packet, and cutting that gives the stream again") {
  for (const Flow& flow : flows()) {
    for (const size_t last : {1u, 999u, 1000u}) {
      for (const size_t count : {2u, 3u, 40u}) {
        const auto packets = stream(flow, count, 1000, last);
        size_t items = 0;
        CHECK(there_and_back(packets, items) == packets);
        CHECK(items == 1);
      }
    }
    // More than fits one packet, in bytes and in segments.
    for (const size_t size : {100u, 1368u}) {
      const auto packets = stream(flow, 200, size, size);
      size_t items = 0;
      CHECK(there_and_back(packets, items) == packets);
      CHECK(items == (200 + std::min<size_t>(64, 65483 / size) - 1) / std::min<size_t>(64, 65483 / size));
    }
  }
}

TEST("coalescer: what differs in anything but sequence, length and checksum is not joined") {
  for (const Flow& flow : flows()) {
    const auto pair_of = [&](auto change) {
      Segment first;
      first.payload = pattern(500);
      Segment second = first;
      second.sequence += 500;
      second.identification++;
      Flow other = flow;
      change(other, second);
      const std::vector<Bytes> packets = {build(flow, first), build(other, second)};
      size_t items = 0;
      CHECK(there_and_back(packets, items) == packets);
      return items;
    };
    CHECK(pair_of([](Flow&, Segment&) {}) == 1);
    CHECK(pair_of([](Flow& f, Segment&) { f.port++; }) == 2);
    CHECK(pair_of([](Flow& f, Segment&) { f.hops--; }) == 2);
    CHECK(pair_of([](Flow& f, Segment&) { f.service = 3; }) == 2);
    CHECK(pair_of([](Flow&, Segment& s) { s.payload.push_back(1); }) == 2);
    if (!flow.v6) {
      CHECK(pair_of([](Flow&, Segment& s) { s.identification++; }) == 2);
      CHECK(pair_of([](Flow& f, Segment&) { f.fragmentable = true; }) == 2);
    }
    if (!flow.tcp) continue;
    CHECK(pair_of([](Flow&, Segment& s) { s.sequence++; }) == 2);
    CHECK(pair_of([](Flow&, Segment& s) { s.sequence -= 500; }) == 2);
    CHECK(pair_of([](Flow&, Segment& s) { s.acknowledged++; }) == 2);
    CHECK(pair_of([](Flow&, Segment& s) { s.window++; }) == 2);
    CHECK(pair_of([](Flow& f, Segment&) { f.options[11]++; }) == 2);
    CHECK(pair_of([](Flow& f, Segment&) { f.options.resize(8); }) == 2);
    for (const uint8_t flag : {0x02, 0x04, 0x20, 0x40, 0x80}) {
      CHECK(pair_of([&](Flow&, Segment& s) { s.flags |= flag; }) == 2);
    }
    CHECK(pair_of([](Flow&, Segment& s) { s.flags |= 0x09; }) == 1);
  }
}

TEST("coalescer: nothing joins past a push, a short segment or a packet of the flow that can't be joined") {
  Flow flow;
  auto packets = stream(flow, 6, 400, 400);
  Segment acknowledgement;
  acknowledgement.acknowledged = 9;
  packets.insert(packets.begin() + 3, build(flow, acknowledgement));
  size_t items = 0;
  CHECK(there_and_back(packets, items) == packets);
  CHECK(items == 3);

  Segment whole;
  whole.payload = pattern(1300);
  whole.flags |= 0x08;
  auto bursts = expected(flow, whole, 400);
  whole.sequence += 1300;
  whole.identification = static_cast<uint16_t>(whole.identification + 4);
  for (Bytes& packet : expected(flow, whole, 400)) bursts.push_back(packet);
  CHECK(there_and_back(bursts, items) == bursts);
  CHECK(items == 2);
}

TEST("coalescer: a wrong checksum is passed on as it is, not made good") {
  for (const Flow& flow : flows()) {
    auto packets = stream(flow, 4, 300, 300);
    packets[2].back() ^= 1;
    size_t items = 0;
    const auto back = there_and_back(packets, items);
    CHECK(items >= 3);
    CHECK(back == packets);
  }
}

TEST("coalescer: mixed flows, lost and reordered packets: each flow's bytes and order are kept") {
  std::mt19937 random(11);
  for (int round = 0; round < 200; round++) {
    const auto all = flows();
    std::vector<std::vector<Bytes>> streams;
    for (size_t i = 0; i < 6; i++) {
      Flow flow = all[random() % all.size()];
      flow.port = static_cast<uint16_t>(100 + i);
      const size_t size = 1 + random() % 900;
      streams.push_back(stream(flow, 1 + random() % 30, size, 1 + random() % size));
      if (random() % 4 == 0) std::swap(streams.back().front(), streams.back().back());
    }
    std::vector<Bytes> mixed;
    std::vector<size_t> at(streams.size());
    for (size_t left = 1; left != 0;) {
      left = 0;
      for (size_t i = 0; i < streams.size(); i++) {
        for (size_t burst = random() % 4; burst-- > 0 && at[i] < streams[i].size(); at[i]++) {
          if (random() % 16 != 0) mixed.push_back(streams[i][at[i]]);
        }
        left += streams[i].size() - at[i];
      }
    }
    size_t items = 0;
    const auto back = there_and_back(mixed, items);
    const auto of = [](const std::vector<Bytes>& packets, size_t port) {
      std::vector<Bytes> found;
      for (const Bytes& packet : packets) {
        if (get16(packet, packet[0] >> 4 == 6 ? 40 : 20) == port) found.push_back(packet);
      }
      return found;
    };
    CHECK(back.size() == mixed.size());
    for (size_t i = 0; i < streams.size(); i++) CHECK(of(back, 100 + i) == of(mixed, 100 + i));
  }
}
