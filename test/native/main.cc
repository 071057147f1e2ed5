/**
 * Runs every TEST that was linked in and prints TAP.
 */
#include <exception>

#include "tap.h"

int main() {
  using namespace anteroom::tap;
  std::printf("TAP version 14\n1..%zu\n", tests().size());
  bool all = true;
  size_t number = 0;
  for (const Test& test : tests()) {
    failures().clear();
    try {
      test.run();
    } catch (const std::exception& error) {
      failures().push_back(std::string("threw ") + error.what());
    }
    const bool passed = failures().empty();
    all = all && passed;
    std::printf("%s %zu - %s\n", passed ? "ok" : "not ok", ++number, test.name);
    for (const std::string& failure : failures()) std::printf("# %s\n", failure.c_str());
    std::fflush(stdout);
  }
  return all ? 0 : 1;
}
