/**
 * Fragments of IPv4 (RFC 791 section 3.2, RFC 815) and IPv6 (RFC 8200 section 4.5), put together: whole again, a datagram
 * is a frame like the first fragment's, with its link layer and its headers, and is decoded as any other.
 *
 *   IPv4  … identification 2 · 0 DF MF offset/8 (13 bits) 2 · …
 *   IPv6  next header 1 · 0 · offset/8 (13 bits) · 0 0 · M · identification 4
 *
 * Where fragments overlap, IPv4 keeps the byte that came first and IPv6 drops the datagram (RFC 5722), what is still to
 * come of it too; the same fragment once more is passed over. A first fragment that doesn't show what is needed to judge
 * the packet is called tiny (RFC 1858, RFC 7112). Both, an end that differs and a datagram past 65,535 bytes are what no
 * sender does by itself: `against` says so, once a datagram and when it happens at once. Later it may be another datagram:
 * identifications come round, and small devices give all of theirs the same.
 *
 * Bounded: kDatagrams at a time, each kPieces and kLifeMillis, all together kBytes, which follow what came and never what
 * an offset promises. The oldest gives way. A datagram that was put together stays known without its bytes, so that a
 * mirror port's second copies don't begin it anew, for kCopyMillis.
 */
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "frame.h"

namespace anteroom::sensor {

class FragmentTable {
 public:
  static constexpr uint32_t kDatagrams = 256;
  /** 64 KB in pieces of the smallest datagram that everybody takes (RFC 791) are 119. */
  static constexpr size_t kPieces = 128;
  static constexpr size_t kBytes = 4 * 1024 * 1024;
  /** RFC 791 asks for 15 s at least, RFC 8200 for 60; systems keep 30. */
  static constexpr double kLifeMillis = 30'000;
  static constexpr double kCopyMillis = 100;
  static constexpr double kAtOnceMillis = 1000;
  /** Bytes before the first fragment's payload: link layer, tags, IP header, extension headers. */
  static constexpr uint32_t kHead = 512;
  static constexpr uint32_t kLongest = 65'535;

  struct Joined {
    /** The whole datagram; valid until the next call. */
    const uint8_t* bytes = nullptr;
    uint32_t length = 0;
    /** What its sender did on purpose. */
    Weird against = Weird::kNone;
  };

  /** Take a frame whose transport is kFragment; `weirds`: how often each was met. */
  Joined join(const Frame& frame, double at, uint32_t* weirds);
  /** Forget datagrams that began kLifeMillis before. */
  void expire(double at, uint32_t* weirds) noexcept;

  /** Datagrams that are known, put together or not; bytes that wait. */
  uint32_t size() const noexcept { return size_; }
  size_t bytes() const noexcept { return bytes_; }

 private:
  struct Fragment;
  /** What was wrong with a fragment; whether that is of somebody's making; whether the datagram is given up. */
  struct Added {
    Weird what = Weird::kNone;
    bool purpose = false;
    bool gives_up = false;
  };
  struct Piece {
    uint32_t start;
    uint32_t end;
    std::unique_ptr<uint8_t[]> bytes;
  };
  struct Datagram {
    Address source;
    Address destination;
    uint32_t identification = 0;
    /** VLAN and, of IPv4, the protocol. */
    uint32_t tag = 0;
    double started = 0;
    /** Put together, when that was, or given up: what else comes of it is passed over. */
    bool closed = false;
    bool whole = false;
    double closed_at = 0;
    bool told = false;
    /** Payload bytes by the last fragment's account, 0 before that came; bytes that are here. */
    uint32_t total = 0;
    uint32_t received = 0;
    /** In order, none over another. */
    std::vector<Piece> pieces;
    /** What stands before the payload, and where in it the next header is told (IPv6). */
    std::vector<uint8_t> head;
    uint32_t network = 0;
    uint32_t next_at = 0;
    uint8_t next = 0;
  };

  static Weird read(const Frame& frame, Fragment& fragment) noexcept;
  static bool is_tiny(const Frame& frame, const Fragment& fragment) noexcept;
  Datagram* find(const Frame& frame, const Fragment& fragment, double at) noexcept;
  Datagram& begin(const Frame& frame, const Fragment& fragment, double at, uint32_t* weirds);
  Added add(Datagram& datagram, const Fragment& fragment);
  bool fill(Datagram& datagram, const Fragment& fragment);
  void close(Datagram& datagram) noexcept;
  void forget_oldest(uint32_t* weirds) noexcept;
  Joined whole(Datagram& datagram);

  /** A ring: the oldest first. Nothing leaves it from the middle. */
  std::vector<Datagram> ring_;
  uint32_t first_ = 0;
  uint32_t size_ = 0;
  size_t bytes_ = 0;
  std::vector<uint8_t> whole_;
};

}  // namespace anteroom::sensor
