/**
 * Segmenter: what the headers must say, and one segment after another. See segmenter.h.
 */
#include "segmenter.h"

#include <cstring>

#include "../net/checksum.h"

namespace anteroom {

namespace {

constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;
constexpr size_t kTcpChecksum = 16;
constexpr size_t kUdpChecksum = 6;
constexpr size_t kTcpFlags = 13;
constexpr uint8_t kFin = 0x01;
constexpr uint8_t kPsh = 0x08;
constexpr uint8_t kCwr = 0x80;

}  // namespace

bool Segmenter::start(const VirtioHeader& header, uint8_t* packet, size_t length) noexcept {
  done_ = true;
  packet_ = packet;
  length_ = length;
  at_ = 0;
  index_ = 0;
  complete_ = (header.flags & kNeedsChecksum) != 0;
  transport_ = header.csum_start;
  checksum_ = transport_ + header.csum_offset;
  if (length == 0 || (complete_ && (transport_ > length || checksum_ + 2 > length))) return false;

  const uint8_t type = header.gso_type & static_cast<uint8_t>(~kGsoEcn);
  cut_ = type != kGsoNone;
  if (!cut_) {
    headers_ = 0;
    size_ = length;
    done_ = false;
    return true;
  }

  tcp_ = type == kGsoTcp4 || type == kGsoTcp6;
  if ((!tcp_ && type != kGsoUdp) || !complete_ || header.gso_size == 0) return false;
  const unsigned version = packet[0] >> 4;
  if (version == 4) {
    if (type == kGsoTcp6 || length < 20 || transport_ != static_cast<size_t>(packet[0] & 15) * 4) return false;
    if (transport_ < 20 || packet[9] != (tcp_ ? kTcp : kUdp)) return false;
  } else if (version != 6 || type == kGsoTcp4 || transport_ < 40) {
    return false;
  }
  if (header.csum_offset != (tcp_ ? kTcpChecksum : kUdpChecksum)) return false;
  headers_ = transport_ + 8;
  if (tcp_) {
    if (length < transport_ + 20) return false;
    const size_t own = static_cast<size_t>(packet[transport_ + 12] >> 4) * 4;
    if (own < 20) return false;
    headers_ = transport_ + own;
  }
  if (headers_ >= length || headers_ > kMaxHeaders) return false;
  std::memcpy(template_.data(), packet, headers_);
  size_ = header.gso_size;
  at_ = headers_;
  done_ = false;
  return true;
}

Segmenter::Packet Segmenter::whole() noexcept {
  done_ = true;
  if (complete_) {
    const uint16_t sum = checksum_fold(checksum_add(0, packet_ + transport_, length_ - transport_));
    const auto value = static_cast<uint16_t>(~sum);
    // Zero would mean "none" to UDP; both zeros are the same number to everybody else.
    store_word(packet_ + checksum_, value == 0 ? 0xffff : value);
  }
  return {packet_, length_};
}

Segmenter::Packet Segmenter::next() noexcept {
  if (done_) return {nullptr, 0};
  if (!cut_) return whole();

  const bool first = at_ == headers_;
  const size_t left = length_ - at_;
  const bool last = left <= size_;
  const size_t payload = last ? left : size_;
  const size_t length = headers_ + payload;
  const uint8_t* original = template_.data();
  uint8_t* to = packet_ + at_ - headers_;
  if (!first) std::memcpy(to, original, headers_);

  if (to[0] >> 4 == 4) {
    store_be16(to + 2, length);
    store_be16(to + 4, (load_be16(original + 4) + size_t{index_}) & 0xffff);
    store_word(to + 10, 0);
    store_word(to + 10, static_cast<uint16_t>(~checksum_fold(checksum_add(0, to, transport_))));
  } else {
    store_be16(to + 4, length - 40);
  }
  uint8_t* transport = to + transport_;
  if (tcp_) {
    store_be32(transport + 4, load_be32(original + transport_ + 4) + static_cast<uint32_t>(at_ - headers_));
    if (!last) transport[kTcpFlags] &= static_cast<uint8_t>(~(kFin | kPsh));
    if (!first) transport[kTcpFlags] &= static_cast<uint8_t>(~kCwr);
  } else {
    store_be16(transport + 4, length - transport_);
  }
  // The field holds the pseudo-header's sum; the whole length goes out of it and the segment's comes in.
  const uint64_t pseudo = uint64_t{load_word(original + checksum_)} +
                          static_cast<uint16_t>(~word_of(length_ - transport_)) + word_of(length - transport_);
  store_word(to + checksum_, 0);
  const auto value = static_cast<uint16_t>(~checksum_fold(checksum_add(pseudo, transport, length - transport_)));
  store_word(to + checksum_, !tcp_ && value == 0 ? 0xffff : value);

  at_ += payload;
  index_++;
  done_ = last;
  return {to, length};
}

}  // namespace anteroom
