/**
 * A TAP producer for the native tests (testanything.org, version 14): TEST defines one point, CHECK asserts.
 *
 * A failed CHECK is told with its file and line and the test goes on, so one run shows all that is wrong.
 */
#pragma once

#include <poll.h>

#include <cstdio>
#include <string>
#include <vector>

namespace anteroom::tap {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

inline std::vector<std::string>& failures() {
  static std::vector<std::string> of_this_test;
  return of_this_test;
}

struct Registration {
  Registration(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

inline void check(bool held, const char* text, const char* file, int line) {
  if (!held) failures().push_back(std::string(file) + ":" + std::to_string(line) + ": " + text);
}

/** Ask until `condition` holds or five seconds are over; for what another thread does. */
template <typename Condition>
bool eventually(Condition condition) {
  for (int attempt = 0; attempt < 5000; attempt++) {
    if (condition()) return true;
    ::poll(nullptr, 0, 1);
  }
  return false;
}

}  // namespace anteroom::tap

#define ANTEROOM_JOIN2(a, b) a##b
#define ANTEROOM_JOIN(a, b) ANTEROOM_JOIN2(a, b)
#define TEST(name)                                                                                              \
  static void ANTEROOM_JOIN(test_, __LINE__)();                                                                 \
  static const ::anteroom::tap::Registration ANTEROOM_JOIN(registration_, __LINE__){                            \
      name, ANTEROOM_JOIN(test_, __LINE__)};                                                                    \
  static void ANTEROOM_JOIN(test_, __LINE__)()
#define CHECK(condition) ::anteroom::tap::check(static_cast<bool>(condition), #condition, __FILE__, __LINE__)
