/**
 * The sum over whole blocks, with the widest vectors that this processor has. See checksum.h.
 */
#include "checksum.h"

namespace anteroom {

namespace {

using Lanes16 = uint64_t __attribute__((vector_size(16)));
using Lanes32 = uint64_t __attribute__((vector_size(32)));
using Lanes64 = uint64_t __attribute__((vector_size(64)));

/**
 * Even and odd 32-bit words in 64-bit lanes of their own: no carry can be lost. Vectors of the
 * compiler's own, of any width; two sums of each, which don't wait for each other.
 */
template <typename Lanes>
[[gnu::always_inline]] inline uint64_t add_blocks(const uint8_t* data, size_t blocks) noexcept {
  constexpr size_t kWidth = sizeof(Lanes);
  Lanes even[2] = {{}, {}};
  Lanes odd[2] = {{}, {}};
  for (const uint8_t* end = data + blocks * kChecksumBlock; data != end; data += 2 * kWidth) {
    for (size_t i = 0; i < 2; i++) {
      Lanes words;
      std::memcpy(&words, data + kWidth * i, sizeof words);
      even[i] += words & 0xffffffff;
      odd[i] += words >> 32;
    }
  }
  const Lanes all = even[0] + even[1] + odd[0] + odd[1];
  uint64_t lanes[kWidth / 8];
  std::memcpy(lanes, &all, sizeof lanes);
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) sum += lane;
  return sum;
}

uint64_t plain(const uint8_t* data, size_t blocks) noexcept { return add_blocks<Lanes16>(data, blocks); }

#if defined(__x86_64__)
[[gnu::target("avx2")]] uint64_t avx2(const uint8_t* data, size_t blocks) noexcept {
  return add_blocks<Lanes32>(data, blocks);
}
[[gnu::target("avx512f")]] uint64_t avx512(const uint8_t* data, size_t blocks) noexcept {
  return add_blocks<Lanes64>(data, blocks);
}
#endif

}  // namespace

std::vector<ChecksumBlocks> checksum_variants() {
  std::vector<ChecksumBlocks> variants = {plain};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) variants.push_back(avx2);
  if (__builtin_cpu_supports("avx512f")) variants.push_back(avx512);
#endif
  return variants;
}

const ChecksumBlocks checksum_blocks = checksum_variants().back();

}  // namespace anteroom
