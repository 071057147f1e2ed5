/**
 * Values across the edge: arguments out of JavaScript, results and errors back, in plain C Node-API.
 *
 * Readers throw ArgumentError, which `guarded` turns into a TypeError; SystemError becomes an Error whose `code` is
 * the errno name. No C++ exception leaves a callback. With a JavaScript exception pending, readers throw
 * PendingException and `guarded` returns.
 */
#pragma once

#include <node_api.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../net/address.h"

namespace anteroom::binding {

struct ArgumentError {
  std::string text;
};
struct PendingException {};

/** A JavaScript exception is pending, or Node-API itself failed: leave the callback. */
inline void check(napi_status status) {
  if (status != napi_ok) throw PendingException{};
}

struct Bytes {
  const uint8_t* data;
  size_t length;
};

/** The call's arguments and `this`. Missing arguments are undefined. */
class Call {
 public:
  static constexpr size_t kMaxArguments = 4;
  Call(napi_env env, napi_callback_info info);
  napi_value operator[](size_t at) const noexcept { return arguments_[at]; }
  napi_value self() const noexcept { return self_; }

 private:
  napi_value arguments_[kMaxArguments];
  napi_value self_;
};

napi_value property(napi_env env, napi_value object, const char* name);
bool is_undefined(napi_env env, napi_value value);
double read_number(napi_env env, napi_value value, const char* name, double low, double high);
uint32_t read_u32(napi_env env, napi_value value, const char* name, uint32_t high = UINT32_MAX);
bool read_bool(napi_env env, napi_value value, const char* name);
std::string read_string(napi_env env, napi_value value, const char* name);
/** Valid until JavaScript runs again. */
Bytes read_bytes(napi_env env, napi_value value, const char* name);
napi_value read_function(napi_env env, napi_value value, const char* name);
Endpoint read_endpoint(napi_env env, napi_value value, const char* name);
std::vector<Prefix> read_prefixes(napi_env env, napi_value value, const char* name);

napi_value make_number(napi_env env, double value);
napi_value make_bool(napi_env env, bool value);
napi_value make_bytes(napi_env env, const uint8_t* data, size_t length);
napi_value make_endpoint(napi_env env, const Endpoint& endpoint);
napi_value make_error(napi_env env, int number, const std::string& call);
void set(napi_env env, napi_value object, const char* name, napi_value value);
void method(napi_env env, napi_value object, const char* name, napi_callback callback);

/** Throw an Error for an errno number; returns nullptr, for `return throw_system(…)`. */
napi_value throw_system(napi_env env, int number, const std::string& call) noexcept;
/** Rethrows the exception being handled as a JavaScript one. Call it in a catch-all handler only. */
napi_value throw_current(napi_env env) noexcept;

/** Run a callback's body; whatever it throws becomes a JavaScript exception. */
template <typename Body>
napi_value guarded(napi_env env, Body body) noexcept {
  try {
    return body();
  } catch (...) {
    return throw_current(env);
  }
}

}  // namespace anteroom::binding
