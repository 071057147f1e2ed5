/**
 * `openHandshakes` and `primitives` of src/platform/addon.ts.
 */
#pragma once

#include <node_api.h>

namespace anteroom::binding {

napi_value open_handshakes(napi_env env, napi_callback_info info);
/** The object of single functions that a handshake is computed with. */
napi_value make_primitives(napi_env env);

}  // namespace anteroom::binding
