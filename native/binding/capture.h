/**
 * `openCapture` of src/platform/addon.ts.
 */
#pragma once

#include <node_api.h>

namespace anteroom::binding {

napi_value open_capture(napi_env env, napi_callback_info info);

}  // namespace anteroom::binding
