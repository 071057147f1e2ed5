/**
 * The addon's entry: the functions of `Addon` in src/platform/addon.ts.
 *
 * Loading runs the AEAD self-test and fails when it does: an addon whose cipher is wrong must not carry a packet.
 * The module keeps no global state, so each environment that loads it gets its own.
 */
#include "../os/process.h"
#include "../transport/aead.h"
#include "capture.h"
#include "handshake.h"
#include "stage.h"
#include "transport.h"
#include "value.h"

namespace anteroom::binding {

namespace {

napi_value peer_credentials_of(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    const PeerCredentials credentials =
        peer_credentials(static_cast<int>(read_u32(env, call[0], "fd", INT32_MAX)));
    napi_value object;
    check(napi_create_object(env, &object));
    set(env, object, "pid", make_number(env, credentials.pid));
    set(env, object, "uid", make_number(env, credentials.uid));
    set(env, object, "gid", make_number(env, credentials.gid));
    return object;
  });
}

napi_value notify_service_manager(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    napi_value sent;
    check(napi_get_boolean(env, notify(read_string(env, call[0], "state")), &sent));
    return sent;
  });
}

napi_value harden(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    harden_process();
    return nullptr;
  });
}

}  // namespace

}  // namespace anteroom::binding

NAPI_MODULE_INIT() {
  using namespace anteroom::binding;
  return guarded(env, [&]() -> napi_value {
    if (!anteroom::Aead::self_test()) {
      napi_throw_error(env, "ERR_SELF_TEST", "ChaCha20-Poly1305 self-test failed (RFC 8439 section 2.8.2)");
      return nullptr;
    }
    method(env, exports, "openTransport", open_transport);
    method(env, exports, "openCapture", open_capture);
    method(env, exports, "openStage", open_stage);
    set(env, exports, "weirdNames", make_weird_names(env));
    method(env, exports, "openHandshakes", open_handshakes);
    set(env, exports, "primitives", make_primitives(env));
    method(env, exports, "peerCredentials", peer_credentials_of);
    method(env, exports, "notify", notify_service_manager);
    method(env, exports, "hardenProcess", harden);
    return exports;
  });
}
