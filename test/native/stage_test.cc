/**
 * The sensor's stage: tables against a model, reassembly with its bounds, what is handed over, expiry, capture files
 * that lie. Decoding and flows are also compared with a reference in TypeScript (test/sensor/stage.test.ts).
 */
#include "sensor/stage.h"

#include <cstring>
#include <map>
#include <vector>

#include "net/little_endian.h"
#include "sensor/capture_file.h"
#include "sensor/sighting_table.h"
#include "tap.h"

using namespace anteroom;
using namespace anteroom::sensor;

namespace {

struct Reader {
  std::vector<uint8_t> memory = std::vector<uint8_t>(Stage::kBatchBytes);
  Batch batch{memory.data(), memory.size()};

  /** How many records of a kind there are; `visit` sees each. */
  template <typename Visit>
  size_t each(Record kind, Visit visit) {
    size_t count = 0;
    for (size_t at = 0; at < batch.size(); at += load_le32(memory.data() + at + 4)) {
      CHECK(load_le32(memory.data() + at + 4) >= 8);
      if (memory[at] != static_cast<uint8_t>(kind)) continue;
      visit(memory.data() + at);
      count++;
    }
    return count;
  }
  size_t count(Record kind) {
    return each(kind, [](const uint8_t*) {});
  }
};

void put16(std::vector<uint8_t>& to, size_t at, uint32_t value) {
  to[at] = static_cast<uint8_t>(value >> 8);
  to[at + 1] = static_cast<uint8_t>(value);
}
void put32(std::vector<uint8_t>& to, size_t at, uint32_t value) {
  put16(to, at, value >> 16);
  put16(to, at + 2, value);
}

/** Ethernet, IPv4 and TCP. */
std::vector<uint8_t> segment(uint32_t from, uint32_t to, uint16_t source, uint16_t destination, uint32_t sequence,
                             uint8_t flags, const std::vector<uint8_t>& data = {}) {
  std::vector<uint8_t> frame(54 + data.size());
  put32(frame, 2, to);
  put32(frame, 8, from);
  put16(frame, 12, 0x0800);
  frame[14] = 0x45;
  put16(frame, 16, static_cast<uint32_t>(40 + data.size()));
  frame[22] = 64;
  frame[23] = 6;
  put32(frame, 26, from);
  put32(frame, 30, to);
  put16(frame, 34, source);
  put16(frame, 36, destination);
  put32(frame, 38, sequence);
  frame[46] = 0x50;
  frame[47] = flags;
  std::copy(data.begin(), data.end(), frame.begin() + 54);
  return frame;
}

constexpr uint32_t kA = 0x0a000001, kB = 0x0a000002;

void take(Stage& stage, Reader& reader, const std::vector<uint8_t>& frame, double at = 0) {
  CHECK(stage.take(link::kEthernet, frame.data(), static_cast<uint32_t>(frame.size()),
                   static_cast<uint32_t>(frame.size()), at, reader.batch));
}

/** Payload bytes of all chunks in a batch, in order. */
std::vector<uint8_t> chunks(Reader& reader) {
  std::vector<uint8_t> all;
  for (size_t at = 0; at < reader.batch.size(); at += load_le32(reader.memory.data() + at + 4)) {
    const uint8_t* record = reader.memory.data() + at;
    if (record[0] == static_cast<uint8_t>(Record::kFrame)) {
      const uint8_t* chunk = record + Batch::kFixed + load_le32(record + 76);
      all.insert(all.end(), chunk, chunk + load_le32(record + 128));
    } else if (record[0] == static_cast<uint8_t>(Record::kData)) {
      all.insert(all.end(), record + 32, record + 32 + load_le32(record + 28));
    }
  }
  return all;
}

uint32_t next_random(uint32_t& state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

Frame frame_of(const std::vector<uint8_t>& bytes) {
  Frame frame;
  frame.decode(link::kEthernet, bytes.data(), static_cast<uint32_t>(bytes.size()));
  return frame;
}

}  // namespace

TEST("flow table: against a map, through inserts, removals and every order of them") {
  FlowTable table(64, 0x1234);
  std::map<uint32_t, uint32_t> rows;
  uint32_t state = 7;
  for (int step = 0; step < 50'000; step++) {
    const uint32_t port = next_random(state) % 200;
    const auto bytes = segment(kA, kB, static_cast<uint16_t>(port), 80, 0, tcp_flag::kSyn);
    const auto back = segment(kB, kA, 80, static_cast<uint16_t>(port), 0, tcp_flag::kAck);
    const Frame frame = frame_of(bytes);
    int side = -1;
    const uint32_t row = table.find(frame, table.hash_of(frame), side);
    const auto known = rows.find(port);
    if ((row == kNoRow) != (known == rows.end())) CHECK(!"found what isn't there, or not what is");
    if (row != kNoRow) {
      if (row != known->second || side != 0) CHECK(!"another row");
      if (table.find(frame_of(back), table.hash_of(frame_of(back)), side) != row || side != 1) CHECK(!"not found backwards");
      if (next_random(state) % 2 == 0) {
        table.touch(row);
      } else {
        table.remove(row);
        rows.erase(port);
      }
    } else {
      if (table.full()) {
        const uint32_t oldest = table.oldest();
        const uint16_t gone = table[oldest].port[0];
        table.remove(oldest);
        if (rows.erase(gone) != 1) CHECK(!"the oldest was none");
      }
      rows[port] = table.insert(frame, 0, 0);
    }
    if (table.size() != rows.size()) CHECK(!"sizes differ");
  }
  CHECK(table.size() <= 64);
}

TEST("sighting table: a million cards keep to its rows, the latest stay") {
  SightingTable table(1000, 99);
  Address none;
  for (uint64_t mac = 0; mac < 1'000'000; mac++) {
    if (table.full()) table.remove(table.oldest());
    table.insert(mac, none, 0);
  }
  CHECK(table.size() == 1000);
  size_t found = 0;
  for (uint64_t mac = 999'000; mac < 1'000'000; mac++) found += table.find(mac, none) != kNoRow;
  CHECK(found == 1000);
  CHECK(table.find(998'999, none) == kNoRow);
}

TEST("stage: segments in any order give the bytes once, in order") {
  std::vector<uint8_t> stream(20'000);
  uint32_t state = 3;
  for (uint8_t& byte : stream) byte = static_cast<uint8_t>(next_random(state));
  for (int round = 0; round < 40; round++) {
    Stage stage({16, 16, 1, Stage::kBatchBytes});
    Reader reader;
    take(stage, reader, segment(kA, kB, 4000, 104, 0xfffff000, tcp_flag::kSyn));
    // Runs of eight segments, each in an order of its own, some twice.
    for (size_t run = 0; run < stream.size(); run += 8 * 500) {
      std::vector<size_t> order;
      for (size_t at = run; at < std::min(stream.size(), run + 8 * 500); at += 500) order.push_back(at);
      for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[next_random(state) % i]);
      order.push_back(order[0]);
      for (const size_t at : order) {
        const size_t end = std::min(stream.size(), at + 500 + next_random(state) % 40);
        take(stage, reader, segment(kA, kB, 4000, 104, 0xfffff001 + static_cast<uint32_t>(at), tcp_flag::kAck,
                                    {stream.begin() + static_cast<ptrdiff_t>(at), stream.begin() + static_cast<ptrdiff_t>(end)}));
      }
    }
    if (chunks(reader) != stream) CHECK(!"other bytes");
    CHECK(stage.pending().bytes() == 0);
  }
}

TEST("stage: no more than the bound of a direction, and what waits is bounded") {
  Stage stage({4096, 16, 1, Stage::kBatchBytes});
  Reader reader;
  take(stage, reader, segment(kA, kB, 4000, 104, 0, tcp_flag::kSyn));
  for (uint32_t n = 0; n < 40; n++) {
    take(stage, reader, segment(kA, kB, 4000, 104, 1 + n * 1000, tcp_flag::kAck, std::vector<uint8_t>(1000, 1)));
  }
  CHECK(chunks(reader).size() == Stage::kInspected);
  CHECK(reader.each(Record::kEnded, [](const uint8_t* r) {
    CHECK(r[17] == static_cast<uint8_t>(End::kInspected));
  }) == 1);

  for (uint16_t port = 1; port <= 1500; port++) {
    reader.batch.clear();
    take(stage, reader, segment(kA, kB, port, 104, 0, tcp_flag::kSyn));
    take(stage, reader, segment(kA, kB, port, 104, 50, tcp_flag::kAck, std::vector<uint8_t>(8000, 2)));
  }
  CHECK(stage.pending().bytes() <= PendingPool::kAllBytes);
  CHECK(stage.pending().bytes() > PendingPool::kAllBytes - 8000);
  while (!stage.expire(1e9, reader.batch)) reader.batch.clear();
  CHECK(stage.flows().size() == 0 && stage.pending().bytes() == 0);
}

TEST("stage: a done direction is silent, an old generation isn't heeded") {
  Stage stage({16, 16, 1});
  Reader reader;
  take(stage, reader, segment(kA, kB, 4000, 104, 0, tcp_flag::kSyn));
  uint32_t row = 0;
  uint32_t generation = 0;
  reader.each(Record::kFrame, [&](const uint8_t* r) {
    row = load_le32(r + 68);
    generation = load_le32(r + 72);
  });
  stage.done(row, generation + 1, 0);
  stage.done(77777, generation, 0);
  reader.batch.clear();
  take(stage, reader, segment(kA, kB, 4000, 104, 1, tcp_flag::kAck, {1, 2}));
  CHECK(reader.count(Record::kFrame) == 1);
  stage.done(row, generation, 0);
  reader.batch.clear();
  take(stage, reader, segment(kA, kB, 4000, 104, 3, tcp_flag::kAck, {1, 2}), 10);
  CHECK(reader.count(Record::kFrame) == 0);
  // A new connection on the same ports is another flow.
  take(stage, reader, segment(kA, kB, 4000, 104, 900, tcp_flag::kSyn), 20);
  size_t removed = 0;
  reader.each(Record::kFlow, [&](const uint8_t* r) {
    if ((r[2] & flow_news::kRemoved) == 0) return;
    removed++;
    CHECK(load_le32(r + 80) == 4 && load_le32(r + 84) == 0);
  });
  CHECK(removed == 1);
}

TEST("stage: without room nothing is taken") {
  Stage stage({16, 16, 1});
  std::vector<uint8_t> memory(Stage::kRoom);
  Batch batch(memory.data(), memory.size());
  const auto frame = segment(kA, kB, 4000, 104, 0, tcp_flag::kSyn);
  CHECK(!stage.take(link::kEthernet, frame.data(), static_cast<uint32_t>(frame.size()), 60, 0, batch));
  CHECK(batch.size() == 0 && stage.flows().size() == 0);
}

TEST("capture file: a record longer than may be stops it, a block that isn't read is skipped unbuffered") {
  Stage stage({16, 16, 1});
  CaptureFile file(stage);
  Reader reader;
  std::vector<uint8_t> bytes(24 + 16);
  store_le32(bytes.data(), 0xa1b2c3d4);
  store_le32(bytes.data() + 20, link::kEthernet);
  store_le32(bytes.data() + 24 + 8, 0x7fffffff);
  for (const uint8_t& byte : bytes) {
    file.push(&byte, 1);
    CHECK(!file.read(reader.batch));
  }
  CHECK(reader.each(Record::kWeird, [](const uint8_t* r) {
    CHECK(load_le32(r + 8) == static_cast<uint32_t>(Weird::kPacketLengthBad));
  }) == 1);
  file.end(reader.batch);

  reader.batch.clear();
  std::vector<uint8_t> next(28 + 8);
  store_le32(next.data(), 0x0a0d0d0a);
  store_le32(next.data() + 4, 28);
  store_le32(next.data() + 8, 0x1a2b3c4d);
  store_le32(next.data() + 28, 0x99);
  store_le32(next.data() + 32, 0x40000000);
  next.resize(next.size() + 100);
  file.push(next.data(), next.size());
  CHECK(!file.read(reader.batch));
  const std::vector<uint8_t> more(1 << 20);
  for (int i = 0; i < 10; i++) {
    file.push(more.data(), more.size());
    CHECK(!file.read(reader.batch));
  }
  CHECK(reader.count(Record::kWeird) == 0);
  file.end(reader.batch);
  CHECK(reader.count(Record::kWeird) == 1);
}
