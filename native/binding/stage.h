/**
 * `openStage`: the sensor's native stage for bytes that JavaScript has, of capture files and tests.
 */
#pragma once

#include <node_api.h>

#include "../sensor/stage.h"

namespace anteroom::binding {

napi_value open_stage(napi_env env, napi_callback_info info);
/** `weirdNames`: by number. */
napi_value make_weird_names(napi_env env);
/** Capacities out of an options object, and a seed. */
sensor::Stage::Options read_stage_options(napi_env env, napi_value options);

}  // namespace anteroom::binding
