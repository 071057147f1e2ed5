/**
 * Fuzzes the reading of initiations. Any bytes, as they are and with the length and type of each initiation, are
 * nobody's. For one input in sixteen, since each costs an X25519: an authentic initiation with one stretch of it replaced by the
 * input: only one that is as it was is a peer's. For another, an authentic hybrid one whose encapsulation key is the input:
 * read, and answered or not, without harm.
 */
#include <cstdlib>
#include <cstring>

#include "../initiator.h"

using namespace anteroom;
using namespace anteroom::test;
using Claim = Exchange::Claim;

namespace {

constexpr uint8_t kTimestamp[12] = {0x40, 1};

struct Station {
  Local local;
  X25519Secret own;
  std::vector<uint8_t> classical;

  Station() {
    const uint8_t secret[32] = {2, 2, 2};
    own.set(secret);
    Initiator initiator(1, 4);
    if (!local.set(secret, reinterpret_cast<const uint8_t*>(kIdentifier), sizeof kIdentifier - 1) ||
        !local.set_peer(7, initiator.identity.public_key(), nullptr)) {
      std::abort();
    }
    classical = initiator.initiate(own.public_key(), 1, kTimestamp);
  }

  Claim read(const std::vector<uint8_t>& bytes) const {
    Exchange exchange;
    const Claim claim = local.read(bytes.data(), bytes.size(), exchange);
    local.check_mac1(bytes.data(), bytes.size());
    Answer answer;
    if (claim == Claim::kPeer && !exchange.hybrid && !local.write(exchange, 1, answer)) std::abort();
    return claim;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Station station;
  std::vector<uint8_t> bytes(data, data + size);
  if (station.read(bytes) != Claim::kNone) std::abort();
  if (size < 3 || data[0] % 16 > 1) return 0;
  data++;
  size--;

  if (data[-1] % 16 == 0) {
    bytes.erase(bytes.begin());
    bytes.resize(Kem::kEncapsulationKeySize);
    const auto hybrid = Initiator(1, data[0]).initiate(station.own.public_key(), 1, kTimestamp, bytes);
    Exchange exchange;
    if (station.local.read(hybrid.data(), hybrid.size(), exchange) != Claim::kPeer) std::abort();
    Answer answer;
    station.local.write(exchange, 1, answer);
    return 0;
  }

  std::vector<uint8_t> changed = station.classical;
  const size_t at = data[0] % changed.size();
  const size_t some = size - 1 < changed.size() - at ? size - 1 : changed.size() - at;
  std::memcpy(changed.data() + at, data + 1, some);
  // The index and the MACs aren't under the handshake's own authentication.
  const bool same = std::memcmp(changed.data(), station.classical.data(), 4) == 0 &&
                    std::memcmp(changed.data() + 8, station.classical.data() + 8, kInitiationBytes - 8 - kMacsBytes) == 0;
  if ((station.read(changed) == Claim::kPeer) != same) std::abort();

  return 0;
}
