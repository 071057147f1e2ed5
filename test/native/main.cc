/**
 * Runs every TEST that was linked in and prints TAP. With `--receive-datagram NAME` it instead holds a Unix
 * datagram socket of that name, says "bound", and prints what arrives there first: for tests written in TypeScript.
 */
#include <exception>

#include "receive_datagram.h"
#include "tap.h"

namespace {

int receive_one(const char* name) {
  try {
    const anteroom::Descriptor socket = anteroom::test::bind_datagram_socket(name);
    std::printf("bound\n");
    std::fflush(stdout);
    std::printf("%s\n", anteroom::test::receive_datagram(socket).c_str());
    return 0;
  } catch (const anteroom::SystemError& error) {
    std::fprintf(stderr, "%s: %s\n", error.what(), std::strerror(error.number()));
    return 1;
  }
}

}  // namespace

int main(int count, char** arguments) {
  using namespace anteroom::tap;
  if (count == 3 && std::strcmp(arguments[1], "--receive-datagram") == 0) return receive_one(arguments[2]);
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
