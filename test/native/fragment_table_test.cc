/**
 * Fragments: 64 KB in any order, the link layer that stays in front, bounds in bytes. What each kind of contradiction
 * comes to is compared with a reference in TypeScript (test/sensor/fragment.test.ts).
 */
#include "sensor/fragment_table.h"

#include <algorithm>
#include <vector>

#include "tap.h"

using namespace anteroom::sensor;

namespace {

void put16(std::vector<uint8_t>& to, size_t at, uint32_t value) {
  to[at] = static_cast<uint8_t>(value >> 8);
  to[at + 1] = static_cast<uint8_t>(value);
}

constexpr uint32_t kLink = 18, kIp = 20;

/** Ethernet with a VLAN tag, IPv4 and a piece of a datagram whose byte n is n % 251. */
std::vector<uint8_t> piece(uint32_t id, uint32_t start, uint32_t length, bool more) {
  std::vector<uint8_t> frame(kLink + kIp + length);
  frame[5] = 2;
  frame[11] = 1;
  put16(frame, 12, 0x8100);
  put16(frame, 14, 30);
  put16(frame, 16, 0x0800);
  frame[kLink] = 0x45;
  put16(frame, kLink + 2, kIp + length);
  put16(frame, kLink + 4, id);
  put16(frame, kLink + 6, (more ? 0x2000u : 0) | start / 8);
  frame[kLink + 8] = 64;
  frame[kLink + 9] = 17;
  frame[kLink + 12] = frame[kLink + 16] = 10;
  frame[kLink + 15] = 1;
  frame[kLink + 19] = 2;
  for (uint32_t i = 0; i < length; i++) frame[kLink + kIp + i] = static_cast<uint8_t>((start + i) % 251);
  return frame;
}

struct Bench {
  FragmentTable table;
  uint32_t weirds[kWeirds] = {};

  FragmentTable::Joined take(const std::vector<uint8_t>& bytes, double at = 0) {
    Frame frame;
    frame.decode(link::kEthernet, bytes.data(), static_cast<uint32_t>(bytes.size()));
    CHECK(frame.transport == Transport::kFragment);
    return table.join(frame, at, weirds);
  }
  uint32_t count(Weird what) const { return weirds[static_cast<size_t>(what)]; }
};

}  // namespace

TEST("fragments: the longest datagram, in any order, is what it was, behind its own link layer") {
  constexpr uint32_t kTotal = FragmentTable::kLongest - kIp, kPiece = 1480;
  for (uint32_t seed = 1; seed <= 20; seed++) {
    Bench bench;
    std::vector<uint32_t> starts;
    for (uint32_t start = 0; start < kTotal; start += kPiece) starts.push_back(start);
    uint32_t state = seed;
    for (size_t n = starts.size(); n > 1; n--) {
      state = state * 1664525 + 1013904223;
      std::swap(starts[n - 1], starts[(state >> 8) % n]);
    }
    FragmentTable::Joined joined;
    for (const uint32_t start : starts) {
      if (joined.bytes != nullptr) CHECK(!"whole before it was");
      joined = bench.take(piece(9, start, std::min(kPiece, kTotal - start), start + kPiece < kTotal));
    }
    CHECK(joined.bytes != nullptr && joined.length == kLink + FragmentTable::kLongest);
    if (joined.bytes == nullptr) return;
    Frame whole;
    whole.decode(link::kEthernet, joined.bytes, joined.length);
    CHECK(whole.source_mac == 1 && whole.vlan == 30 && whole.hop_limit == 64);
    CHECK(joined.bytes[kLink + 2] == 0xff && joined.bytes[kLink + 3] == 0xff && joined.bytes[kLink + 6] == 0);
    for (uint32_t i = 0; i < kTotal; i++) {
      if (joined.bytes[kLink + kIp + i] != i % 251) return CHECK(!"another byte");
    }
    CHECK(bench.table.bytes() == 0 && bench.table.size() == 1);
    // A mirror port's second copy.
    for (const uint32_t start : starts) {
      const auto again = bench.take(piece(9, start, std::min(kPiece, kTotal - start), start + kPiece < kTotal));
      if (again.bytes != nullptr) return CHECK(!"whole twice");
    }
    CHECK(bench.table.bytes() == 0 && std::all_of(bench.weirds, bench.weirds + kWeirds, [](auto n) { return n == 0; }));
  }
}

TEST("fragments: memory follows what came, and the oldest give way to it") {
  Bench bench;
  // The last eight bytes of 64 KB take eight bytes.
  bench.take(piece(1, 65'504, 8, false));
  CHECK(bench.table.bytes() == 8);
  for (uint32_t id = 2; id < 200; id++) {
    for (uint32_t start = 0; start < 60'000; start += 1480) bench.take(piece(id, start, 1480, true));
    if (bench.table.bytes() > FragmentTable::kBytes) return CHECK(!"too many bytes");
  }
  CHECK(bench.count(Weird::kFragmentsIncomplete) > 100);
  CHECK(bench.take(piece(199, 60'680, 100, false)).bytes != nullptr);
  bench.table.expire(FragmentTable::kLifeMillis + 1, bench.weirds);
  CHECK(bench.table.bytes() == 0 && bench.table.size() == 0);
  CHECK(bench.count(Weird::kFragmentsIncomplete) == 198);
}
