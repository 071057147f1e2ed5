/**
 * PacketRing: opening, walking blocks, statistics. See packet_ring.h.
 */
#include "packet_ring.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include <cstring>

#include "little_endian.h"
#include "system_error.h"

namespace anteroom {

namespace {

constexpr size_t kRecordHeader = 16;
constexpr size_t kVlanTag = 4;
constexpr size_t kMacs = 12;

/** The frame, with the VLAN tag that the kernel moved to the header put back after the two MACs. */
size_t copy_frame(const tpacket3_hdr& header, const uint8_t* frame, uint8_t* to) noexcept {
  const size_t kept = header.tp_snaplen;
  if ((header.tp_status & TP_STATUS_VLAN_VALID) == 0 || kept < kMacs) {
    std::memcpy(to, frame, kept);
    return kept;
  }
  const uint16_t tpid = (header.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? header.hv1.tp_vlan_tpid : ETH_P_8021Q;
  const uint32_t tci = header.hv1.tp_vlan_tci;
  std::memcpy(to, frame, kMacs);
  to[12] = static_cast<uint8_t>(tpid >> 8);
  to[13] = static_cast<uint8_t>(tpid);
  to[14] = static_cast<uint8_t>(tci >> 8);
  to[15] = static_cast<uint8_t>(tci);
  std::memcpy(to + kMacs + kVlanTag, frame + kMacs, kept - kMacs);
  return kept + kVlanTag;
}

}  // namespace

PackResult pack_block(const uint8_t* block, size_t size, uint32_t taken, uint32_t next, uint8_t* to, size_t room) {
  PackResult result;
  result.taken = taken;
  result.next = next;
  tpacket_block_desc description;
  if (size < sizeof description) {
    result.done = true;
    return result;
  }
  std::memcpy(&description, block, sizeof description);
  const tpacket_hdr_v1& about = description.hdr.bh1;
  if (taken == 0) result.next = about.offset_to_first_pkt;
  while (result.taken < about.num_pkts) {
    tpacket3_hdr header;
    const size_t at = result.next;
    if (at > size || size - at < sizeof header) break;
    std::memcpy(&header, block + at, sizeof header);
    if (header.tp_mac > size - at || header.tp_snaplen > size - at - header.tp_mac) break;
    const size_t record = kRecordHeader + header.tp_snaplen + kVlanTag + 7;
    if (record > room - result.bytes) return result;

    uint8_t* out = to + result.bytes;
    const size_t kept = copy_frame(header, block + at + header.tp_mac, out + kRecordHeader);
    store_le32(out, static_cast<uint32_t>(kept));
    store_le32(out + 4, header.tp_len + static_cast<uint32_t>(kept - header.tp_snaplen));
    store_le_f64(out + 8, static_cast<double>(header.tp_sec) * 1e3 + static_cast<double>(header.tp_nsec) / 1e6);
    const size_t padded = (kept + 7) & ~size_t{7};
    std::memset(out + kRecordHeader + kept, 0, padded - kept);
    result.bytes += kRecordHeader + padded;
    result.count++;
    result.taken++;
    if (header.tp_next_offset == 0 && result.taken < about.num_pkts) break;
    result.next += header.tp_next_offset;
  }
  result.done = true;
  return result;
}

PacketRing::PacketRing(const std::string& interface, uint32_t snap_length)
    : socket_(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  if (!socket_.valid()) throw_errno("socket(AF_PACKET)");
  ifindex_ = static_cast<int>(::if_nametoindex(interface.c_str()));
  if (ifindex_ == 0) throw_errno("if_nametoindex(" + interface + ")");
  const int version = TPACKET_V3;
  if (::setsockopt(socket_.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) {
    throw_errno("setsockopt(PACKET_VERSION)");
  }
  attach_filter(snap_length);

  tpacket_req3 request{};
  request.tp_block_size = kBlockSize;
  request.tp_block_nr = kBlocks;
  request.tp_frame_size = 2048;
  request.tp_frame_nr = kBlockSize / request.tp_frame_size * kBlocks;
  request.tp_retire_blk_tov = kRetireMillis;
  if (::setsockopt(socket_.get(), SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) {
    throw_errno("setsockopt(PACKET_RX_RING)");
  }
  void* mapped =
      ::mmap(nullptr, size_t{kBlockSize} * kBlocks, PROT_READ | PROT_WRITE, MAP_SHARED, socket_.get(), 0);
  if (mapped == MAP_FAILED) throw_errno("mmap(packet ring)");
  ring_ = static_cast<uint8_t*>(mapped);
  // Patients' frames have no place in a core file.
  ::madvise(mapped, size_t{kBlockSize} * kBlocks, MADV_DONTDUMP);

  packet_mreq promiscuous{};
  promiscuous.mr_ifindex = ifindex_;
  promiscuous.mr_type = PACKET_MR_PROMISC;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = ifindex_;
  const char* failed = nullptr;
  if (::setsockopt(socket_.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) != 0) {
    failed = "setsockopt(PACKET_ADD_MEMBERSHIP)";
  } else if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    failed = "bind(AF_PACKET)";
  }
  if (failed != nullptr) {
    const int number = errno;
    ::munmap(mapped, size_t{kBlockSize} * kBlocks);
    throw SystemError(number, failed);
  }
}

PacketRing::~PacketRing() {
  if (ring_ != nullptr) ::munmap(ring_, size_t{kBlockSize} * kBlocks);
}

void PacketRing::attach_filter(uint32_t snap_length) {
  sock_filter accept[] = {{BPF_RET | BPF_K, 0, 0, snap_length}};
  const sock_fprog program{1, accept};
  if (::setsockopt(socket_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    throw_errno("setsockopt(SO_ATTACH_FILTER)");
  }
}

bool PacketRing::ready() const noexcept {
  const auto* description = reinterpret_cast<const tpacket_block_desc*>(block(current_));
  return (__atomic_load_n(&description->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) != 0;
}

size_t PacketRing::pack(uint8_t* to, size_t room, uint32_t& count) noexcept {
  size_t bytes = 0;
  count = 0;
  while (ready()) {
    const PackResult result = pack_block(block(current_), kBlockSize, taken_, next_, to + bytes, room - bytes);
    bytes += result.bytes;
    count += result.count;
    taken_ = result.taken;
    next_ = result.next;
    if (!result.done) break;
    auto* description = reinterpret_cast<tpacket_block_desc*>(block(current_));
    __atomic_store_n(&description->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    current_ = (current_ + 1) % kBlocks;
    taken_ = 0;
    next_ = 0;
  }
  return bytes;
}

PacketRing::Statistics PacketRing::statistics() {
  tpacket_stats_v3 since{};
  socklen_t length = sizeof since;
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &since, &length) != 0) {
    throw_errno("getsockopt(PACKET_STATISTICS)");
  }
  statistics_.packets += since.tp_packets;
  statistics_.drops += since.tp_drops;
  return statistics_;
}

}  // namespace anteroom
