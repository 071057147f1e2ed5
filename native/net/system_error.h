/**
 * SystemError: a system call that failed, as thrown while something is being opened.
 *
 * Only opening throws. Once threads run, failures are counted or reported, never thrown; the binding turns a
 * SystemError into a JavaScript Error whose `code` is the errno name.
 */
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>

namespace anteroom {

class SystemError : public std::runtime_error {
 public:
  SystemError(int number, const std::string& call) : std::runtime_error(call), number_(number) {}
  int number() const noexcept { return number_; }

 private:
  int number_;
};

/** Throw for the call that has just set errno. */
[[noreturn]] inline void throw_errno(const std::string& call) {
  const int number = errno;
  throw SystemError(number, call);
}

}  // namespace anteroom
