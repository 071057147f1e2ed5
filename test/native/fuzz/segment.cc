/**
 * Fuzzes what the kernel hands over: any bytes as a virtio header and a packet, cut into segments of no more than
 * the promised length. The segments, and the input read as a list of packets, are then joined and cut again: the same
 * bytes must come back.
 */
#include <cstdlib>
#include <cstring>
#include <vector>

#include "net/checksum.h"
#include "transport/coalescer.h"
#include "transport/segmenter.h"

using namespace anteroom;

namespace {

using Bytes = std::vector<uint8_t>;

std::vector<Bytes> cut(const VirtioHeader& header, const Bytes& packet) {
  Bytes copy(packet);
  copy.shrink_to_fit();
  Segmenter segmenter;
  std::vector<Bytes> segments;
  if (!segmenter.start(header, copy.data(), copy.size())) return segments;
  for (;;) {
    const Segmenter::Packet segment = segmenter.next();
    if (segment.length == 0) return segments;
    if (segment.length > segmenter.largest() || segments.size() > 70'000) std::abort();
    segments.emplace_back(segment.bytes, segment.bytes + segment.length);
    segments.back().shrink_to_fit();
  }
}

/** Checksums are zero or ones' complement zero alike; a joined TCP packet comes back with the usual one. */
void join(const std::vector<Bytes>& packets) {
  static Coalescer coalescer;
  coalescer.use({true, true});
  size_t bytes = 0;
  size_t back = 0;
  const auto take = [&](Coalescer::Item& item) {
    Bytes joined;
    for (unsigned i = 1; i < item.count; i++) {
      const auto* from = static_cast<const uint8_t*>(item.vectors[i].iov_base);
      joined.insert(joined.end(), from, from + item.vectors[i].iov_len);
    }
    if (joined.size() > kMaxSuper && item.segments > 1) std::abort();
    if (joined.empty()) return;
    const std::vector<Bytes> segments = cut(item.virtio, joined);
    if (segments.size() != item.segments) std::abort();
    for (unsigned i = 0; i < item.segments; i++) {
      const iovec& was = item.packets[i];
      Bytes before(static_cast<const uint8_t*>(was.iov_base), static_cast<const uint8_t*>(was.iov_base) + was.iov_len);
      Bytes after = segments[i];
      if (item.segments > 1) {
        const size_t field = item.virtio.csum_start + size_t{item.virtio.csum_offset};
        for (Bytes* one : {&before, &after}) {
          if (load_word(one->data() + field) == 0xffff) store_word(one->data() + field, 0);
          if (one->at(0) == 0x45 && load_word(one->data() + 10) == 0xffff) store_word(one->data() + 10, 0);
        }
      }
      if (before != after) std::abort();
      back += was.iov_len;
    }
  };
  for (const Bytes& packet : packets) {
    if (packet.empty()) continue;
    bytes += packet.size();
    while (!coalescer.add(packet.data(), packet.size())) coalescer.flush(take);
  }
  coalescer.flush(take);
  if (back != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kVirtioHeader + 1) return 0;
  VirtioHeader header;
  std::memcpy(&header, data, sizeof header);
  // Thousands of segments show nothing that a hundred don't.
  const size_t most = kVirtioHeader + 60 + size_t{header.gso_size} * 100;
  if (header.gso_size != 0 && size > most) size = most;
  const Bytes packet(data + kVirtioHeader, data + size);
  join(cut(header, packet));

  // The same bytes as packets of lengths that the first byte chooses; and whole, twice, as a retransmission.
  std::vector<Bytes> packets;
  const size_t step = 20 + data[0];
  for (size_t at = 0; at < packet.size(); at += step) {
    const size_t end = at + step < packet.size() ? at + step : packet.size();
    packets.emplace_back(packet.begin() + static_cast<long>(at), packet.begin() + static_cast<long>(end));
  }
  packets.push_back(packet);
  packets.push_back(packet);
  join(packets);
  return 0;
}
