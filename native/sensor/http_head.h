/**
 * The head of an HTTP/1 message (RFC 9112 sections 2 to 6) as far as the stage reads it: whether it says anything that it
 * didn't say before, and where the message ends.
 *
 *   start line CRLF · [name ":" value CRLF]* · CRLF · body
 *
 * What is odd isn't read here: a long head, a body whose length isn't told. All of the sender's is then handed over. No byte is kept: what was said is told apart by its fingerprint.
 */
#pragma once

#include <cstdint>

#include "tunnel.h"

namespace anteroom::sensor {

/** A head that is longer is TypeScript's, which has bounds of its own (`src/protocol/http/constants.ts`). */
inline constexpr uint32_t kHttpHead = 4096;

struct HttpHead {
  bool request = false;
  /** Somebody has to look at it: credentials, descriptions, documents, a change of protocol. */
  bool telling = false;
  /** Of what is kept of a sender: its agent, or its server and realm. */
  uint64_t print = 0;
  /** Of the whole message: the head, and the body that it announces. */
  uint64_t length = 0;
  /** Not read yet: what is there begins such a message, and its head goes on. */
  bool open = false;
};

/** False: not HTTP, or more than the stage reads. */
bool read_http(Padded bytes, uint64_t seed, HttpHead& head) noexcept;

}  // namespace anteroom::sensor
