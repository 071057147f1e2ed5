/**
 * Fuzzes the walk over a TPACKET_V3 block: any bytes as a block, packed into batches of several sizes. Every record
 * written must be whole, within its batch and in order of progress.
 */
#include <cstdlib>
#include <vector>

#include "net/packet_ring.h"
#include "transport/message.h"

using namespace anteroom;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<uint8_t> block(data, data + size);
  static std::vector<uint8_t> outs[] = {std::vector<uint8_t>(0), std::vector<uint8_t>(100),
                                        std::vector<uint8_t>(4096), std::vector<uint8_t>(1 << 18)};
  for (std::vector<uint8_t>& out : outs) {
    const size_t room = out.size();
    const PackResult result = pack_block(block.data(), block.size(), 0, 0, out.data(), out.size());
    if (result.bytes > room) std::abort();
    size_t at = 0;
    for (uint32_t i = 0; i < result.count; i++) {
      if (at + 16 > result.bytes) std::abort();
      const uint32_t kept = load_le32(out.data() + at);
      at += 16 + ((size_t{kept} + 7) & ~size_t{7});
    }
    if (at != result.bytes) std::abort();
    if (!result.done) {
      pack_block(block.data(), block.size(), result.taken, result.next, out.data(), out.size());
    }
  }
  return 0;
}
