/**
 * Fuzzes what the stage tells apart in DNS messages: any bytes, of which none beyond the end are read and names never go
 * round. A message says the same whatever its identifier is and whatever follows it.
 */
#include <cstdlib>
#include <cstring>
#include <vector>

#include "sensor/dns_records.h"

using namespace anteroom::sensor;

namespace {

using Reads = bool (*)(Padded, uint64_t, Prints&) noexcept;

void check(Reads read, const std::vector<uint8_t>& bytes) {
  Prints prints, again;
  if (!read({bytes.data(), static_cast<uint32_t>(bytes.size())}, 1, prints)) return;
  if (prints.count > Prints::kMost) std::abort();
  std::vector<uint8_t> longer = bytes;
  longer.resize(bytes.size() + 8, 0x55);
  longer[0] ^= 0xff;
  if (!read({longer.data(), static_cast<uint32_t>(longer.size())}, 1, again)) std::abort();
  if (again.count != prints.count || std::memcmp(again.print, prints.print, prints.count * sizeof prints.print[0]) != 0)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 12) return 0;
  const std::vector<uint8_t> bytes(data, data + size);
  check(read_questions, bytes);
  check(read_records, bytes);
  return 0;
}
