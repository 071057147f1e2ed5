/**
 * IndexTable against std::map, with indices chosen to pile up in a few slots.
 */
#include "transport/index_table.h"

#include <map>
#include <random>

#include "tap.h"

using namespace anteroom;

namespace {

/** The table never looks at what it points to. */
Keypair* pointer(uint32_t index) { return reinterpret_cast<Keypair*>(uintptr_t{index} * 16 + 16); }

}  // namespace

TEST("index table: random inserts, removals and finds agree with a map") {
  for (uint64_t seed = 1; seed <= 4; seed++) {
    std::mt19937_64 random(seed);
    IndexTable table;
    std::map<uint32_t, Keypair*> model;
    bool agree = true;
    for (int step = 0; step < 40'000; step++) {
      // Half of the indices share their low bits: long runs, which removal has to mend.
      const auto draw = static_cast<uint32_t>(random());
      const uint32_t index = draw % 2 == 0 ? (draw >> 8) % 512 : ((draw >> 8) % 512) << 16 | 3;
      if (draw % 3 == 0) {
        agree = agree && table.remove(index) == (model.erase(index) == 1);
      } else if (draw % 3 == 1) {
        agree = agree && table.insert(index, pointer(index)) == model.emplace(index, pointer(index)).second;
      }
      const auto found = model.find(index);
      agree = agree && table.find(index) == (found == model.end() ? nullptr : found->second);
      agree = agree && table.size() == model.size();
    }
    for (const auto& [index, keypair] : model) agree = agree && table.find(index) == keypair;
    CHECK(agree);
  }
}

TEST("index table: 12,288 keypairs, every peer's three, all found") {
  IndexTable table;
  std::mt19937_64 random(9);
  std::map<uint32_t, Keypair*> model;
  while (model.size() < 12'288) {
    const auto index = static_cast<uint32_t>(random());
    if (table.insert(index, pointer(index))) model[index] = pointer(index);
  }
  bool all = true;
  for (const auto& [index, keypair] : model) all = all && table.find(index) == keypair;
  CHECK(all);
  CHECK(!table.insert(model.begin()->first, pointer(1)));
}
