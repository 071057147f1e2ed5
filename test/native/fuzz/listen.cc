/**
 * Fuzzes what the stage reads of HTTP and TLS. As a parser: any bytes, cut at any place; a head or a hello that is whole
 * says the same with other bytes behind it. As the stage: the input is what two ends say in turn, in segments as long as
 * its first bytes tell; what is handed over of a side is what that side said there, once, and goes no further than it came.
 */
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "net/little_endian.h"
#include "sensor/http_head.h"
#include "sensor/stage.h"
#include "sensor/tls_hello.h"

using namespace anteroom;
using namespace anteroom::sensor;

namespace {

void parse(const uint8_t* data, uint32_t size) {
  const std::vector<uint8_t> exact(data, data + size);
  HttpHead head;
  if (read_http({exact.data(), size}, 1, head)) {
    if (head.length == 0) std::abort();
    const auto whole = static_cast<uint32_t>(std::min<uint64_t>(head.length, size));
    HttpHead again;
    if (!read_http({exact.data(), whole}, 1, again) || again.print != head.print || again.length != head.length)
      std::abort();
  }
  TlsHello hello;
  if (read_tls({exact.data(), size}, 1, hello) && hello.client && size < 43) std::abort();
}

std::vector<uint8_t> frame_of(int side, uint32_t sequence, uint8_t flags, const uint8_t* data, size_t size) {
  std::vector<uint8_t> frame(54 + size);
  frame[5] = frame[11] = 1;
  frame[side == 0 ? 11 : 5] = 2;
  frame[12] = 8;
  frame[14] = 0x45;
  frame[16] = static_cast<uint8_t>((40 + size) >> 8);
  frame[17] = static_cast<uint8_t>(40 + size);
  frame[22] = 64;
  frame[23] = 6;
  frame[26] = frame[30] = 10;
  frame[29] = side == 0 ? 2 : 1;
  frame[33] = side == 0 ? 1 : 2;
  frame[side == 0 ? 34 : 36] = 0x9c;
  frame[side == 0 ? 37 : 35] = 80;
  for (int i = 0; i < 4; i++) frame[static_cast<size_t>(38 + i)] = static_cast<uint8_t>(sequence >> (24 - 8 * i));
  frame[46] = 0x50;
  frame[47] = flags;
  std::copy(data, data + size, frame.begin() + 54);
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  parse(data, static_cast<uint32_t>(size));
  if (size < 8) return 0;
  Stage stage({.flows = 8, .sightings = 8, .seed = 1});
  static std::vector<uint8_t> memory(Stage::kBatchBytes);
  Batch batch(memory.data(), memory.size());
  const auto send = [&](int side, uint32_t sequence, uint8_t flags, const uint8_t* bytes, size_t count) {
    const std::vector<uint8_t> frame = frame_of(side, sequence, flags, bytes, count);
    const auto length = static_cast<uint32_t>(frame.size());
    if (!stage.take(link::kEthernet, frame.data(), length, length, 0, batch)) std::abort();
  };
  send(0, 0, 2, nullptr, 0);
  send(1, 0, 18, nullptr, 0);
  const uint8_t* lengths = data;
  size_t at = 8;
  uint32_t next[2] = {1, 1};
  std::vector<uint8_t> said[2];
  uint64_t told[2] = {};
  for (uint32_t n = 0; at < size && n < 64; n++) {
    const uint8_t op = lengths[n % 8];
    const int side = op & 1;
    const size_t count = std::min<size_t>(size - at, 1 + op * 4u);
    batch.clear();
    said[side].insert(said[side].end(), data + at, data + at + count);
    send(side, next[side], 24, data + at, count);
    for (size_t place = 0; place < batch.size(); place += load_le32(memory.data() + place + 4)) {
      const uint8_t* record = memory.data() + place;
      if (record[0] != static_cast<uint8_t>(Record::kFrame)) continue;
      const uint32_t length = load_le32(record + 128);
      if (length == 0) continue;
      const int from = record[39] & 1;
      const uint8_t* chunk = record + Batch::kFixed + load_le32(record + 76);
      const uint64_t start = load_le32(record + 44) - 1 + load_le32(record + 76) - load_le32(record + 56);
      if (start < told[from] || start + length > said[from].size()) std::abort();
      if (std::memcmp(chunk, said[from].data() + start, length) != 0) std::abort();
      told[from] = start + length;
    }
    next[side] += static_cast<uint32_t>(count);
    at += count;
  }
  batch.clear();
  stage.expire(1e300, batch);
  if (stage.flows().size() != 0 || stage.heads().size() != 0) std::abort();
  return 0;
}
