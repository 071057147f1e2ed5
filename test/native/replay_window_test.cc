/**
 * ReplayWindow against a model that simply remembers every counter it accepted.
 */
#include <random>
#include <set>

#include "tap.h"
#include "transport/replay_window.h"

using anteroom::ReplayWindow;

namespace {

struct Model {
  std::set<uint64_t> seen;
  bool accept(uint64_t counter) {
    if (!seen.empty()) {
      const uint64_t highest = *seen.rbegin();
      if (counter < highest && highest - counter >= ReplayWindow::kWindow) return false;
    }
    return seen.insert(counter).second;
  }
};

}  // namespace

TEST("replay window: 200,000 counters near the edge agree with a model that remembers all") {
  for (uint64_t seed = 1; seed <= 4; seed++) {
    std::mt19937_64 random(seed);
    ReplayWindow window;
    Model model;
    uint64_t centre = seed == 1 ? 0 : random() >> 20;
    bool agree = true;
    for (int i = 0; i < 50'000; i++) {
      const uint64_t choice = random() % 100;
      if (choice == 0) centre += random() % 20'000;
      else if (choice < 60) centre += random() % 3;
      const uint64_t back = choice % 2 == 0 ? random() % 70 : random() % 9'000;
      const uint64_t counter = centre >= back ? centre - back : 0;
      const bool fresh = window.fresh(counter);
      const bool accepted = window.accept(counter);
      agree = agree && fresh == accepted && accepted == model.accept(counter);
    }
    CHECK(agree);
  }
}

TEST("replay window: holds 8,128 counters behind the highest, not one more") {
  ReplayWindow window;
  CHECK(window.accept(20'000));
  CHECK(window.accept(20'000 - 8'127));
  CHECK(!window.accept(20'000 - 8'128));
  CHECK(!window.accept(0));
  CHECK(!window.accept(20'000));
}

TEST("replay window: the first counter may be any, zero too, and once") {
  ReplayWindow zero;
  CHECK(zero.accept(0));
  CHECK(!zero.accept(0));
  CHECK(zero.accept(1));
  ReplayWindow top;
  CHECK(top.accept(UINT64_MAX - 1));
  CHECK(top.accept(UINT64_MAX));
  CHECK(!top.accept(UINT64_MAX));
  CHECK(!top.accept(UINT64_MAX - 1));
  CHECK(top.accept(UINT64_MAX - 8'127));
  CHECK(!top.accept(5));
}

TEST("replay window: a jump of any width clears what it passes") {
  for (const uint64_t jump : {63u, 64u, 65u, 8'127u, 8'128u, 8'192u, 8'193u, 100'000u}) {
    ReplayWindow window;
    for (uint64_t counter = 0; counter < 200; counter++) window.accept(counter);
    CHECK(window.accept(199 + jump));
    for (uint64_t counter = 200; counter < 199 + jump; counter++) {
      const bool inside = 199 + jump - counter < ReplayWindow::kWindow;
      if (window.accept(counter) != inside) CHECK(false);
    }
  }
}
