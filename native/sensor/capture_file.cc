/**
 * CaptureFile. See capture_file.h.
 */
#include "capture_file.h"

#include <algorithm>
#include <cmath>

#include "../net/little_endian.h"

namespace anteroom::sensor {

namespace {

// ---- specification ----

constexpr uint32_t kMicros = 0xa1b2c3d4, kNanos = 0xa1b23c4d, kSectionHeader = 0x0a0d0d0a, kByteOrder = 0x1a2b3c4d;
constexpr uint32_t kInterface = 1, kSimple = 3, kEnhanced = 6;
constexpr uint16_t kOptionEnd = 0, kOptionResolution = 9, kOptionOffset = 14;
constexpr size_t kFileHeader = 24, kRecordHeader = 16, kBlockOverhead = 12, kSectionLeast = 28;
/** The last instant ECMAScript has (ECMA-262 section 21.4.1.1), epoch ms; a stamp beyond it is no time. */
constexpr double kLastInstant = 8.64e15;

// ---- implementation ----

/** Longest captured packet of a file (libpcap's MAXIMUM_SNAPLEN) and interfaces of a section. */
constexpr uint32_t kPacket = 262'144;
constexpr size_t kInterfaces = 256;
/** A block that is read whole: the longest packet, its header and room for options. */
constexpr uint32_t kBlock = kPacket + 65'536;

}  // namespace

uint16_t CaptureFile::u16(size_t at) const noexcept {
  const uint8_t* p = buffer_.data() + at;
  return static_cast<uint16_t>(little_ ? p[0] | p[1] << 8 : p[0] << 8 | p[1]);
}

uint32_t CaptureFile::u32(size_t at) const noexcept {
  const uint32_t value = load_le32(buffer_.data() + at);
  return little_ ? value : __builtin_bswap32(value);
}

size_t CaptureFile::stop(Weird what, uint64_t offset, Batch& batch) {
  stage_.weird_at(what, offset, batch);
  format_ = Format::kStopped;
  return kMore;
}

void CaptureFile::push(const uint8_t* bytes, size_t length) {
  if (format_ == Format::kStopped) return;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(read_));
  offset_ += read_;
  read_ = 0;
  const size_t skipped = static_cast<size_t>(std::min<uint64_t>(skip_, length));
  skip_ -= skipped;
  if (buffer_.empty()) offset_ += skipped;
  buffer_.insert(buffer_.end(), bytes + skipped, bytes + length);
}

bool CaptureFile::read(Batch& batch) {
  while (format_ != Format::kStopped && read_ < buffer_.size()) {
    if (stage_.full(batch)) return true;
    const size_t used = one(read_, batch);
    if (used == kMore) break;
    if (used == kFull) return true;
    const size_t there = std::min(used, buffer_.size() - read_);
    read_ += there;
    skip_ = used - there;
  }
  return false;
}

void CaptureFile::end(Batch& batch) {
  if (format_ != Format::kStopped) {
    if (read_ < buffer_.size() || skip_ > 0) {
      stop(Weird::kCaptureTruncated, offset_ + read_, batch);
    } else if (format_ == Format::kUnknown) {
      stop(Weird::kCaptureEmpty, 0, batch);
    }
  }
  format_ = Format::kUnknown;
  buffer_.clear();
  interfaces_.clear();
  read_ = 0;
  offset_ = skip_ = 0;
}

/** Bytes used from `at` on, past the buffer's end when the rest is to be skipped. */
size_t CaptureFile::one(size_t at, Batch& batch) {
  const size_t have = buffer_.size() - at;
  if (format_ == Format::kPcap) return record(at, have, batch);
  if (format_ == Format::kPcapng) return block(at, have, batch);
  if (have < 4) return kMore;
  // A section header's type reads the same both ways.
  little_ = true;
  if (u32(at) == kSectionHeader) {
    format_ = Format::kPcapng;
    return block(at, have, batch);
  }
  return file_header(at, have, batch);
}

size_t CaptureFile::file_header(size_t at, size_t have, Batch& batch) {
  for (const bool little : {true, false}) {
    little_ = little;
    const uint32_t magic = u32(at);
    if (magic != kMicros && magic != kNanos) continue;
    if (have < kFileHeader) return kMore;
    units_per_milli_ = magic == kNanos ? 1e6 : 1e3;
    // The upper bits tell about a frame check sequence.
    link_ = u32(at + 20) & 0xfffffff;
    format_ = Format::kPcap;
    return kFileHeader;
  }
  return stop(Weird::kCaptureFormatUnknown, offset_ + at, batch);
}

size_t CaptureFile::record(size_t at, size_t have, Batch& batch) {
  if (have < kRecordHeader) return kMore;
  const uint32_t captured = u32(at + 8);
  if (captured > kPacket) return stop(Weird::kPacketLengthBad, offset_ + at, batch);
  if (have < kRecordHeader + captured) return kMore;
  const double when = u32(at) * 1e3 + u32(at + 4) / units_per_milli_;
  if (!packet(link_, at + kRecordHeader, captured, u32(at + 12), when, batch)) return kFull;
  return kRecordHeader + captured;
}

bool CaptureFile::packet(uint32_t link, size_t start, uint32_t length, uint32_t wire_length, double at, Batch& batch) {
  const bool known = at >= 0 && at <= kLastInstant;
  return stage_.take(link, buffer_.data() + start, length, std::max(wire_length, length), known ? at : 0, batch);
}

size_t CaptureFile::block(size_t at, size_t have, Batch& batch) {
  if (have < kBlockOverhead) return kMore;
  little_ = true;
  if (u32(at) == kSectionHeader) return section(at, have, batch);
  little_ = section_little_;
  const uint32_t type = u32(at);
  const uint32_t length = u32(at + 4);
  if (length < kBlockOverhead || length % 4 != 0) return stop(Weird::kBlockLengthBad, offset_ + at, batch);
  const bool read = type == kInterface || type == kEnhanced || type == kSimple;
  if (!read || length > kBlock) {
    if (read) stage_.weird_at(Weird::kBlockTooLong, offset_ + at, batch);
    return length;
  }
  if (have < length) return kMore;
  if (u32(at + length - 4) != length) return stop(Weird::kBlockLengthDiffers, offset_ + at, batch);
  const size_t body = at + 8;
  const size_t end = at + length - 4;
  if (type == kInterface) {
    interface(body, end, batch);
  } else if (!(type == kEnhanced ? enhanced(body, end, batch) : simple(body, end, batch))) {
    return kFull;
  }
  return length;
}

size_t CaptureFile::section(size_t at, size_t have, Batch& batch) {
  if (have < kSectionLeast) return kMore;
  little_ = true;
  if (u32(at + 8) != kByteOrder) {
    little_ = false;
    if (u32(at + 8) != kByteOrder) return stop(Weird::kSectionMagicBad, offset_ + at + 8, batch);
  }
  section_little_ = little_;
  interfaces_.clear();
  const uint32_t length = u32(at + 4);
  if (length < kSectionLeast || length % 4 != 0) return stop(Weird::kBlockLengthBad, offset_ + at, batch);
  return length;
}

void CaptureFile::interface(size_t at, size_t end, Batch& batch) {
  if (end - at < 8) return stage_.weird_at(Weird::kInterfaceTruncated, offset_ + at, batch);
  if (interfaces_.size() >= kInterfaces) return stage_.weird_at(Weird::kInterfacesMany, offset_ + at, batch);
  Interface made{u16(at), u32(at + 4), 1000, 0};
  for (size_t here = at + 8; here + 4 <= end;) {
    const uint16_t code = u16(here);
    const size_t length = u16(here + 2);
    if (code == kOptionEnd) break;
    if (here + 4 + length > end) {
      stage_.weird_at(Weird::kOptionTruncated, offset_ + here, batch);
      break;
    }
    if (code == kOptionResolution && length == 1) {
      const int value = buffer_[here + 4];
      made.units_per_milli = (value >= 128 ? std::pow(2, value & 127) : std::pow(10, value)) / 1000;
    } else if (code == kOptionOffset && length == 8) {
      const auto high = static_cast<int32_t>(u32(here + (little_ ? 8 : 4)));
      made.offset_millis = (high * 4294967296.0 + u32(here + (little_ ? 4 : 8))) * 1000;
    }
    here += 4 + ((length + 3) & ~size_t{3});
  }
  interfaces_.push_back(made);
}

bool CaptureFile::enhanced(size_t at, size_t end, Batch& batch) {
  if (end - at < 20) {
    stage_.weird_at(Weird::kPacketTruncated, offset_ + at, batch);
    return true;
  }
  const uint32_t number = u32(at);
  if (number >= interfaces_.size()) {
    stage_.weird_at(Weird::kInterfaceUnknown, offset_ + at, batch);
    return true;
  }
  const Interface& from = interfaces_[number];
  const uint32_t captured = u32(at + 12);
  if (captured > end - at - 20) {
    stage_.weird_at(Weird::kPacketLengthBad, offset_ + at, batch);
    return true;
  }
  const double time = u32(at + 4) * 4294967296.0 + u32(at + 8);
  const double when = time / from.units_per_milli + from.offset_millis;
  return packet(from.link, at + 20, captured, u32(at + 16), when, batch);
}

/** A simple packet is of the first interface, has no time, and was cut at that interface's snap length. */
bool CaptureFile::simple(size_t at, size_t end, Batch& batch) {
  if (end - at < 4 || interfaces_.empty()) {
    stage_.weird_at(end - at < 4 ? Weird::kPacketTruncated : Weird::kInterfaceUnknown, offset_ + at, batch);
    return true;
  }
  const Interface& from = interfaces_[0];
  const uint32_t wire_length = u32(at);
  const uint32_t snap = from.snap_length == 0 ? wire_length : std::min(wire_length, from.snap_length);
  const auto captured = static_cast<uint32_t>(std::min<size_t>(snap, end - at - 4));
  return packet(from.link, at + 4, captured, wire_length, 0, batch);
}

}  // namespace anteroom::sensor
