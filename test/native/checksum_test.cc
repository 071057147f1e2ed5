/**
 * The checksum, with every kind of vectors that this processor has, against the slow sum of inner_model.h.
 */
#include "net/checksum.h"

#include <algorithm>
#include <random>

#include "inner_model.h"
#include "tap.h"

using namespace anteroom;
using namespace anteroom::test;

TEST("checksum: any length from any address is what the words added one by one come to") {
  std::mt19937 random(7);
  for (size_t length = 0; length < 1500; length += length < 300 ? 1 : 37) {
    Bytes bytes(length);
    // All ones at times: every carry there is.
    for (uint8_t& byte : bytes) byte = length % 3 == 0 ? 0xff : static_cast<uint8_t>(random());
    Bytes apart(length + 1);
    std::copy(bytes.begin(), bytes.end(), apart.begin() + 1);
    const uint16_t expected = naive_sum(bytes);
    for (uint8_t* data : {bytes.data(), apart.data() + 1}) {
      const uint16_t sum = checksum_fold(checksum_add(0, data, length));
      CHECK(word_of(expected) == sum);
    }
  }
}

TEST("checksum: every kind of vectors gives the same sum, of 64 KiB of ones too") {
  for (const uint8_t fill : {0xff, 0x80, 0x01}) {
    const Bytes ones(65536, fill);
    const Bytes varied = pattern(65536, fill);
    for (const Bytes& bytes : {ones, varied}) {
      const uint16_t expected = word_of(naive_sum(bytes));
      for (const ChecksumBlocks add : checksum_variants()) {
        CHECK(checksum_fold(add(bytes.data(), bytes.size() / kChecksumBlock)) == expected);
        CHECK(add(bytes.data(), 0) == 0);
      }
    }
  }
}
