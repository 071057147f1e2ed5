/**
 * pack_block: TPACKET_V3 blocks built by hand into records, in pieces, with VLAN tags, and lying about offsets.
 */
#include "net/packet_ring.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <cstring>
#include <vector>

#include "tap.h"
#include "transport/message.h"

using namespace anteroom;

namespace {

constexpr size_t kHeaderSize = TPACKET_ALIGN(sizeof(tpacket3_hdr));

struct Frame {
  std::vector<uint8_t> bytes;
  uint32_t wire;
  uint32_t status = 0;
  uint16_t tci = 0;
};

std::vector<uint8_t> block_of(const std::vector<Frame>& frames) {
  std::vector<uint8_t> block(TPACKET_ALIGN(sizeof(tpacket_block_desc)));
  tpacket_block_desc description{};
  description.hdr.bh1.num_pkts = static_cast<uint32_t>(frames.size());
  description.hdr.bh1.offset_to_first_pkt = static_cast<uint32_t>(block.size());
  std::memcpy(block.data(), &description, sizeof description);
  for (const Frame& frame : frames) {
    const size_t at = block.size();
    const size_t length = TPACKET_ALIGN(kHeaderSize + frame.bytes.size());
    tpacket3_hdr header{};
    header.tp_next_offset = static_cast<uint32_t>(length);
    header.tp_sec = 1'700'000'000;
    header.tp_nsec = 250'000'000;
    header.tp_snaplen = static_cast<uint32_t>(frame.bytes.size());
    header.tp_len = frame.wire;
    header.tp_status = frame.status;
    header.hv1.tp_vlan_tci = frame.tci;
    header.hv1.tp_vlan_tpid = ETH_P_8021AD;
    header.tp_mac = kHeaderSize;
    block.resize(at + length);
    std::memcpy(block.data() + at, &header, sizeof header);
    std::memcpy(block.data() + at + kHeaderSize, frame.bytes.data(), frame.bytes.size());
  }
  return block;
}

std::vector<uint8_t> pack_all(const std::vector<uint8_t>& block, uint32_t& count, size_t room = 1 << 16) {
  std::vector<uint8_t> out(room);
  const PackResult result = pack_block(block.data(), block.size(), 0, 0, out.data(), out.size());
  CHECK(result.done);
  count = result.count;
  out.resize(result.bytes);
  return out;
}

}  // namespace

TEST("packet ring: frames become records with both lengths, time and padding") {
  uint32_t count = 0;
  const auto out = pack_all(block_of({{std::vector<uint8_t>(61, 7), 1500}, {std::vector<uint8_t>(64, 8), 64}}), count);
  CHECK(count == 2);
  CHECK(out.size() == 16 + 64 + 16 + 64);
  CHECK(load_le32(out.data()) == 61);
  CHECK(load_le32(out.data() + 4) == 1500);
  double at;
  std::memcpy(&at, out.data() + 8, sizeof at);
  CHECK(at == 1'700'000'000'250.0);
  CHECK(out[16] == 7 && out[16 + 60] == 7 && out[16 + 61] == 0);
  CHECK(load_le32(out.data() + 80) == 64);
}

TEST("packet ring: a VLAN tag the kernel took out is put back") {
  std::vector<uint8_t> bytes(60);
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(i);
  uint32_t count = 0;
  const auto plain = pack_all(block_of({{bytes, 60, TP_STATUS_VLAN_VALID, 0x2064}}), count);
  CHECK(load_le32(plain.data()) == 64 && load_le32(plain.data() + 4) == 64);
  const uint8_t tag[] = {0x81, 0x00, 0x20, 0x64, 12, 13};
  CHECK(std::memcmp(plain.data() + 16 + 12, tag, sizeof tag) == 0);
  const auto service =
      pack_all(block_of({{bytes, 60, TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID, 5}}), count);
  CHECK(service[16 + 12] == 0x88 && service[16 + 13] == 0xa8 && service[16 + 15] == 5);
  const auto tiny = pack_all(block_of({{{1, 2, 3}, 3, TP_STATUS_VLAN_VALID, 5}}), count);
  CHECK(load_le32(tiny.data()) == 3);
}

TEST("packet ring: a block goes out in pieces when the batch is full, nothing twice, nothing lost") {
  std::vector<Frame> frames;
  for (uint8_t i = 0; i < 40; i++) frames.push_back({std::vector<uint8_t>(60 + i, i), 60u + i});
  const auto block = block_of(frames);
  uint32_t taken = 0;
  uint32_t next = 0;
  uint32_t seen = 0;
  int batches = 0;
  for (bool done = false; !done && batches < 100; batches++) {
    std::vector<uint8_t> out(500);
    const PackResult result = pack_block(block.data(), block.size(), taken, next, out.data(), out.size());
    for (size_t at = 0; at < result.bytes; at += 16 + ((load_le32(out.data() + at) + 7) & ~7u)) {
      CHECK(out[at + 16] == seen);
      seen++;
    }
    taken = result.taken;
    next = result.next;
    done = result.done;
  }
  CHECK(seen == 40);
  CHECK(batches > 5);
}

TEST("packet ring: offsets and lengths outside the block end the walk") {
  const auto good = block_of({{std::vector<uint8_t>(60, 1), 60}, {std::vector<uint8_t>(60, 2), 60}});
  const size_t first = TPACKET_ALIGN(sizeof(tpacket_block_desc));
  const auto spoil = [&](size_t field, uint32_t value, size_t size = 4) {
    auto block = good;
    std::memcpy(block.data() + first + field, &value, size);
    block.shrink_to_fit();
    uint32_t count = 0;
    pack_all(block, count);
    return count;
  };
  CHECK(spoil(offsetof(tpacket3_hdr, tp_snaplen), 0xffffffff) == 0);
  CHECK(spoil(offsetof(tpacket3_hdr, tp_mac), 0xffff, 2) == 0);
  CHECK(spoil(offsetof(tpacket3_hdr, tp_next_offset), 0xfffffff0) == 1);
  CHECK(spoil(offsetof(tpacket3_hdr, tp_next_offset), 0) == 1);
  uint32_t count = 0;
  pack_all({1, 2, 3}, count);
  CHECK(count == 0);
}
