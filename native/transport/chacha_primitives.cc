/**
 * ChaChaPrimitives: dlsym in what the process has loaded. See chacha_primitives.h.
 */
#include "chacha_primitives.h"

#include <dlfcn.h>

namespace anteroom {

namespace {

template <typename Function>
bool look_up(const char* name, Function*& function) noexcept {
  function = reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
  return function != nullptr;
}

}  // namespace

const ChaChaPrimitives* ChaChaPrimitives::find() noexcept {
  static ChaChaPrimitives primitives;
  size_t (*state_size)() = nullptr;
  const bool all = look_up("ChaCha20_ctr32", primitives.chacha) && look_up("Poly1305_Init", primitives.poly_init) &&
                   look_up("Poly1305_Update", primitives.poly_update) &&
                   look_up("Poly1305_Final", primitives.poly_final) && look_up("Poly1305_ctx_size", state_size);
  return all && state_size() <= kMaxPolyState ? &primitives : nullptr;
}

}  // namespace anteroom
