/**
 * Values across the edge. See value.h.
 */
#include "value.h"

#include <cmath>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include "../net/system_error.h"

namespace anteroom::binding {

Call::Call(napi_env env, napi_callback_info info) {
  size_t count = kMaxArguments;
  check(napi_get_cb_info(env, info, &count, arguments_, &self_, nullptr));
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_valuetype type;
  check(napi_typeof(env, object, &type));
  if (type != napi_object) throw ArgumentError{std::string(name) + ": its holder must be an object"};
  napi_value value;
  check(napi_get_named_property(env, object, name, &value));
  return value;
}

bool is_undefined(napi_env env, napi_value value) {
  napi_valuetype type;
  check(napi_typeof(env, value, &type));
  return type == napi_undefined;
}

double read_number(napi_env env, napi_value value, const char* name, double low, double high) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= low && number <= high) ||
      number != std::floor(number)) {
    throw ArgumentError{std::string(name) + ": must be a whole number from " +
                        std::to_string(static_cast<int64_t>(low)) + " to " +
                        std::to_string(static_cast<int64_t>(high))};
  }
  return number;
}

uint32_t read_u32(napi_env env, napi_value value, const char* name, uint32_t high) {
  return static_cast<uint32_t>(read_number(env, value, name, 0, high));
}

bool read_bool(napi_env env, napi_value value, const char* name) {
  bool flag;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) {
    throw ArgumentError{std::string(name) + ": must be true or false"};
  }
  return flag;
}

std::string read_string(napi_env env, napi_value value, const char* name) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    throw ArgumentError{std::string(name) + ": must be a string"};
  }
  std::string text(length + 1, '\0');
  check(napi_get_value_string_utf8(env, value, text.data(), text.size(), &length));
  text.resize(length);
  return text;
}

Bytes read_bytes(napi_env env, napi_value value, const char* name) {
  bool typed = false;
  check(napi_is_typedarray(env, value, &typed));
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  if (typed) check(napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  if (!typed || type != napi_uint8_array) throw ArgumentError{std::string(name) + ": must be a Uint8Array"};
  return {static_cast<const uint8_t*>(data), length};
}

napi_value read_function(napi_env env, napi_value value, const char* name) {
  napi_valuetype type;
  check(napi_typeof(env, value, &type));
  if (type != napi_function) throw ArgumentError{std::string(name) + ": must be a function"};
  return value;
}

namespace {

Address read_address(napi_env env, napi_value holder, const char* name) {
  const Bytes bytes = read_bytes(env, property(env, holder, "address"), name);
  const Address address = Address::from_bytes(bytes.data, bytes.length);
  if (address.family == AF_UNSPEC) throw ArgumentError{std::string(name) + ": address must be 4 or 16 bytes"};
  return address;
}

}  // namespace

Endpoint read_endpoint(napi_env env, napi_value value, const char* name) {
  const Address address = read_address(env, value, name);
  return Endpoint::from(address, static_cast<uint16_t>(read_u32(env, property(env, value, "port"), name, 65535)));
}

std::vector<Prefix> read_prefixes(napi_env env, napi_value value, const char* name) {
  bool array = false;
  check(napi_is_array(env, value, &array));
  if (!array) throw ArgumentError{std::string(name) + ": must be an array"};
  uint32_t length;
  check(napi_get_array_length(env, value, &length));
  std::vector<Prefix> prefixes;
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    check(napi_get_element(env, value, i, &element));
    Prefix prefix;
    prefix.address = read_address(env, element, name);
    const auto longest = static_cast<uint32_t>(prefix.address.size() * 8);
    prefix.length = static_cast<uint8_t>(read_u32(env, property(env, element, "prefix"), name, longest));
    prefixes.push_back(prefix);
  }
  return prefixes;
}

napi_value make_number(napi_env env, double value) {
  napi_value number;
  check(napi_create_double(env, value, &number));
  return number;
}

napi_value make_bool(napi_env env, bool value) {
  napi_value flag;
  check(napi_get_boolean(env, value, &flag));
  return flag;
}

napi_value make_bytes(napi_env env, const uint8_t* data, size_t length) {
  void* copy;
  napi_value buffer;
  napi_value array;
  check(napi_create_arraybuffer(env, length, &copy, &buffer));
  if (length != 0) std::memcpy(copy, data, length);
  check(napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &array));
  return array;
}

napi_value make_endpoint(napi_env env, const Endpoint& endpoint) {
  napi_value object;
  check(napi_create_object(env, &object));
  const Address address = endpoint.address();
  set(env, object, "address", make_bytes(env, address.bytes.data(), address.size()));
  set(env, object, "port", make_number(env, endpoint.port()));
  return object;
}

napi_value make_error(napi_env env, int number, const std::string& call) {
  const char* known = strerrorname_np(number);
  const std::string code = known != nullptr ? known : "E" + std::to_string(number);
  const char* meaning = strerrordesc_np(number);
  const std::string text = code + ": " + (meaning != nullptr ? meaning : "unknown error") + ", " + call;
  napi_value code_value;
  napi_value text_value;
  napi_value error;
  check(napi_create_string_utf8(env, code.c_str(), code.size(), &code_value));
  check(napi_create_string_utf8(env, text.c_str(), text.size(), &text_value));
  check(napi_create_error(env, code_value, text_value, &error));
  set(env, error, "syscall", [&] {
    napi_value name;
    check(napi_create_string_utf8(env, call.c_str(), call.size(), &name));
    return name;
  }());
  return error;
}

void set(napi_env env, napi_value object, const char* name, napi_value value) {
  check(napi_set_named_property(env, object, name, value));
}

void method(napi_env env, napi_value object, const char* name, napi_callback callback) {
  napi_value function;
  check(napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function));
  set(env, object, name, function);
}

napi_value throw_system(napi_env env, int number, const std::string& call) noexcept {
  try {
    napi_throw(env, make_error(env, number, call));
  } catch (...) {
    napi_throw_error(env, nullptr, "system error");
  }
  return nullptr;
}

napi_value throw_current(napi_env env) noexcept {
  try {
    throw;
  } catch (const PendingException&) {
    bool pending = false;
    napi_is_exception_pending(env, &pending);
    if (!pending) napi_throw_error(env, "ERR_NAPI", "a Node-API call failed");
  } catch (const ArgumentError& error) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", error.text.c_str());
  } catch (const SystemError& error) {
    throw_system(env, error.number(), error.what());
  } catch (const std::system_error& error) {
    throw_system(env, error.code().value(), error.what());
  } catch (const std::bad_alloc&) {
    throw_system(env, ENOMEM, "allocation");
  } catch (...) {
    napi_throw_error(env, nullptr, "unexpected native exception");
  }
  return nullptr;
}

}  // namespace anteroom::binding
