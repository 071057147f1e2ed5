/**
 * The hello of either side of TLS (RFC 8446 section 4.1, RFC 5246 section 7.4.1) as far as the stage reads it: whether it
 * says anything that the sender didn't say before.
 *
 *   record       16 · version 2 · length 2 · handshake bytes
 *   handshake    type 1 · length 3 · body
 *   ClientHello  version 2 · random 32 · session 1+n · ciphers 2+n · compression 1+n · extensions 2+n
 *   ServerHello  version 2 · random 32 · session 1+n · cipher 2 · compression 1 · extensions 2+n
 *
 * A client is told apart by what JA4 counts and the name that it asks for; a server by what it chose and, before
 * TLS 1.3, as much of its certificate as is there. A hello in two segments isn't read here.
 */
#pragma once

#include <cstdint>

#include "tunnel.h"

namespace anteroom::sensor {

struct TlsHello {
  bool client = false;
  /** The server's certificate is encrypted: nothing follows that can be read. */
  bool sealed = false;
  uint64_t print = 0;
};

/** False: no hello, or not all of it. */
bool read_tls(Padded bytes, uint64_t seed, TlsHello& hello) noexcept;

}  // namespace anteroom::sensor
