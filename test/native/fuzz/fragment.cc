/**
 * Fuzzes the table of fragments: each six bytes are a fragment of one of a few datagrams, at any offset and of any length,
 * and the rest of the input what they carry; every fourth is cut or bent as it comes. What is put together is a frame
 * that decodes, of bytes that came at those offsets, and the table keeps its bounds and gives everything back.
 */
#include <cstdlib>
#include <map>
#include <vector>

#include "sensor/fragment_table.h"

using namespace anteroom::sensor;

namespace {

void put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}

/** Which bytes came at each offset of each datagram. */
using Came = std::map<uint32_t, std::map<uint32_t, std::vector<uint8_t>>>;

bool came(const Came& all, uint32_t datagram, uint32_t offset, uint8_t byte) {
  for (const auto& [start, data] : all.at(datagram)) {
    if (offset >= start && offset - start < data.size() / 256 && data[(offset - start) * 256 + byte] != 0) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FragmentTable table;
  uint32_t weirds[kWeirds] = {};
  Came all;
  std::vector<uint8_t> frame;
  double at = 0;
  for (size_t n = 0; n + 6 <= size && n < 6 * 64; n += 6) {
    const uint8_t* op = data + n;
    const bool six = (op[0] & 1) != 0;
    const uint32_t id = op[0] >> 1 & 3;
    const uint32_t length = op[1];
    // Near each other for the most part.
    const uint32_t start = ((op[2] & 0xe0) == 0xe0 ? op[3] << 5 : op[3] >> 2) * 8u & 0xfff8;
    const bool more = (op[4] & 1) != 0;
    at += op[5] == 0xff ? FragmentTable::kLifeMillis / 2 : op[5];
    const uint32_t head = six ? 14 + 40 + 8 : 14 + 20;
    frame.assign(head + length, 0);
    put16(&frame[12], six ? 0x86dd : 0x0800);
    uint8_t* ip = &frame[14];
    if (six) {
      ip[0] = 0x60;
      put16(ip + 4, 8 + length);
      ip[6] = 44;
      ip[8] = ip[24] = 0xfd;
      ip[40] = 17;
      put16(ip + 42, start | (more ? 1 : 0));
      put16(ip + 46, id);
    } else {
      ip[0] = 0x45;
      put16(ip + 2, 20 + length);
      put16(ip + 4, id);
      put16(ip + 6, (more ? 0x2000u : 0) | start / 8);
      ip[9] = op[4] & 2 ? 6 : 17;
      ip[12] = ip[16] = 10;
    }
    for (uint32_t i = 0; i < length; i++) frame[head + i] = data[(n + i) % size];
    // Bent: any byte of the headers; cut.
    const bool bent = (op[2] & 3) == 3;
    if (bent) frame[14 + op[2] % (head - 14)] ^= op[3];
    if (bent && (op[4] & 4) != 0) frame.resize(frame.size() - op[5] % frame.size());
    Frame decoded;
    decoded.decode(link::kEthernet, frame.data(), static_cast<uint32_t>(frame.size()));
    if (decoded.transport != Transport::kFragment) continue;
    const uint32_t key = id << 1 | (six ? 1 : 0);
    static bool any_bent = false;
    if (n == 0) any_bent = false;
    any_bent = any_bent || bent;
    if (!any_bent) {
      auto& bytes = all[key][start];
      if (bytes.size() < length * 256u) bytes.resize(length * 256u);
      for (uint32_t i = 0; i < length; i++) bytes[i * 256 + frame[head + i]] = 1;
    }
    const FragmentTable::Joined joined = table.join(decoded, at, weirds);
    if (table.bytes() > FragmentTable::kBytes || table.size() > FragmentTable::kDatagrams) std::abort();
    if (joined.bytes == nullptr) continue;
    if (joined.length > FragmentTable::kLongest + FragmentTable::kHead + 40) std::abort();
    Frame whole;
    whole.decode(link::kEthernet, joined.bytes, joined.length);
    if (whole.network != decoded.network || !(whole.source == decoded.source)) std::abort();
    if (any_bent) continue;
    if (whole.transport == Transport::kFragment) std::abort();
    const uint32_t before = six ? 14 + 40 : 14 + 20;
    for (uint32_t i = before; i < joined.length; i++) {
      if (!came(all, key, i - before, joined.bytes[i])) std::abort();
    }
  }
  table.expire(1e300, weirds);
  if (table.size() != 0 || table.bytes() != 0) std::abort();
  return 0;
}
