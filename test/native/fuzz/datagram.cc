/**
 * Fuzzes the datagram path: an engine with a keypair opens any bytes; then the same bytes, sealed by its peer, are
 * opened as an authentic inner packet. What comes out must lie within what went in.
 */
#include <cstdlib>

#include "../pair.h"

using namespace anteroom;
using namespace anteroom::test;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kMaxInner) return 0;
  static Pair* pair = [] {
    auto* made = new Pair;
    made->key(1);
    return made;
  }();
  static uint64_t counter = 0;

  const std::vector<uint8_t> bytes(data, data + size);
  const auto strange = pair->right.open(bytes);
  // Nobody without the keys gets a packet through.
  if (strange.what != Engine::Opened::kDropped) std::abort();

  std::vector<uint8_t> message(kTransportOverhead + size);
  store_le32(message.data(), kTransportType);
  store_le32(message.data() + 4, 201);
  store_le64(message.data() + 8, counter);
  if (size != 0) std::memcpy(message.data() + kTransportHeader, data, size);
  if (!pair->left.engine.keypair(101)->sending.aead.seal(counter++, message.data() + kTransportHeader, size)) {
    std::abort();
  }
  const auto authentic = pair->right.open(message);
  if (authentic.packet.size() > size) std::abort();
  if (!authentic.packet.empty() && std::memcmp(authentic.packet.data(), data, authentic.packet.size()) != 0) {
    std::abort();
  }

  // And as a packet that the kernel wants sent.
  pair->left.seal(bytes);
  pair->left.flags();
  pair->right.flags();
  return 0;
}
