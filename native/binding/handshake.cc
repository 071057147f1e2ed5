/**
 * `openHandshakes`: initiations in, claims out, decisions in, answers out. The computation is handshake/responder.h's,
 * in the threads of handshake/pool.h.
 *
 * And `primitives`, the functions of which it is made, one by one: what checks them at the start and the vectors of
 * the tests call those.
 */
#include "handshake.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "../handshake/blake2s.h"
#include "../handshake/pool.h"
#include "../transport/aead.h"
#include "holder.h"
#include "signal.h"
#include "value.h"

namespace anteroom::binding {

namespace {

/** Exactly `length` bytes. */
const uint8_t* read_exactly(napi_env env, napi_value value, const char* name, size_t length) {
  const Bytes bytes = read_bytes(env, value, name);
  if (bytes.length != length) throw ArgumentError{std::string(name) + ": must be " + std::to_string(length) + " bytes"};
  return bytes.data;
}

/** The same, or null for undefined. */
const uint8_t* read_optional(napi_env env, napi_value value, const char* name, size_t length) {
  return is_undefined(env, value) ? nullptr : read_exactly(env, value, name, length);
}

class Handshakes {
 public:
  static constexpr napi_type_tag kTag = {0x616e7465726f6f6d, 0x68616e647368616b};

  Handshakes(napi_env env, napi_value options)
      : on_done_(env, read_function(env, property(env, options, "onDone"), "onDone")) {
    const napi_value given = property(env, options, "prologue");
    const Bytes prologue = is_undefined(env, given)
                               ? Bytes{reinterpret_cast<const uint8_t*>(kIdentifier), sizeof kIdentifier - 1}
                               : read_bytes(env, given, "prologue");
    const uint8_t* secret = read_exactly(env, property(env, options, "secretKey"), "secretKey", Key32::kSize);
    const uint32_t threads =
        read_u32(env, property(env, options, "threads"), "threads", HandshakePool::kMaxThreads);
    if (!local_.set(secret, prologue.data, prologue.length)) throw ArgumentError{"secretKey: can't be used"};
    if (threads != 0) {
      signal_ = std::make_unique<Signal>(env, "anteroom handshakes",
                                         [this](napi_env, uint32_t) { on_done_(0, nullptr); });
    }
    pool_ = std::make_unique<HandshakePool>(local_, threads, [signal = signal_.get()] { signal->raise(1); });
  }
  ~Handshakes() { close(); }

  Local& local() noexcept { return local_; }
  HandshakePool& pool() noexcept { return *pool_; }

  void close() noexcept {
    if (pool_) pool_->stop();
    if (signal_) signal_->close();
  }

 private:
  Callback on_done_;
  Local local_;
  std::unique_ptr<Signal> signal_;
  std::unique_ptr<HandshakePool> pool_;
};

using HandshakesHolder = Holder<Handshakes>;

/** A method's body, with its call and what is open; EBADF after close. */
template <typename Body>
napi_value with_open(napi_env env, napi_callback_info info, Body body) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    Handshakes* handshakes = HandshakesHolder::of(env, call.self()).get();
    if (handshakes == nullptr) return throw_system(env, EBADF, "handshakes are closed");
    return body(call, *handshakes);
  });
}

napi_value set_peer(napi_env env, napi_callback_info info) {
  return with_open(env, info, [&](const Call& call, Handshakes& handshakes) {
    const uint32_t number = read_u32(env, call[0], "peer", 4095);
    const uint8_t* key = read_exactly(env, call[1], "publicKey", kPublicKeyBytes);
    const uint8_t* psk = read_optional(env, call[2], "presharedKey", Key32::kSize);
    return make_bool(env, handshakes.local().set_peer(number, key, psk));
  });
}

napi_value set_preshared_key(napi_env env, napi_callback_info info) {
  return with_open(env, info, [&](const Call& call, Handshakes& handshakes) {
    const uint8_t* key = read_exactly(env, call[0], "publicKey", kPublicKeyBytes);
    const uint8_t* psk = read_exactly(env, call[1], "presharedKey", Key32::kSize);
    return make_bool(env, handshakes.local().set_psk(key, psk));
  });
}

napi_value check_mac1(napi_env env, napi_callback_info info) {
  return with_open(env, info, [&](const Call& call, Handshakes& handshakes) {
    const Bytes message = read_bytes(env, call[0], "message");
    return make_bool(env, handshakes.local().check_mac1(message.data, message.length));
  });
}

napi_value read_initiation(napi_env env, napi_callback_info info) {
  return with_open(env, info, [&](const Call& call, Handshakes& handshakes) {
    const Bytes message = read_bytes(env, call[0], "message");
    return make_number(env, handshakes.pool().read(message.data, message.length));
  });
}

napi_value write_response(napi_env env, napi_callback_info info) {
  return with_open(env, info, [&](const Call& call, Handshakes& handshakes) {
    const uint32_t job = read_u32(env, call[0], "job", HandshakePool::kJobs - 1);
    const uint32_t index = read_u32(env, call[1], "localIndex");
    const Chosen chosen{read_optional(env, call[2], "ephemeral", Key32::kSize),
                        read_optional(env, call[3], "kemRandomness", Kem::kRandomnessSize)};
    return make_bool(env, handshakes.pool().write(job, index, chosen));
  });
}

napi_value release_job(napi_env env, napi_callback_info info) {
  return with_open(env, info, [&](const Call& call, Handshakes& handshakes) -> napi_value {
    handshakes.pool().release(read_u32(env, call[0], "job", HandshakePool::kJobs - 1));
    return nullptr;
  });
}

/** What the results of one batch say in bytes: views of one buffer. */
class Batch {
 public:
  Batch(napi_env env, size_t room) : env_(env) {
    check(napi_create_arraybuffer(env, room, reinterpret_cast<void**>(&bytes_), &buffer_));
  }

  /** The next `length` bytes, for the caller to write. */
  uint8_t* begin(size_t length) noexcept {
    length_ = length;
    return bytes_ + at_;
  }
  napi_value end() {
    napi_value array;
    check(napi_create_typedarray(env_, napi_uint8_array, length_, buffer_, at_, &array));
    at_ += length_;
    return array;
  }

 private:
  napi_env env_;
  napi_value buffer_ = nullptr;
  uint8_t* bytes_ = nullptr;
  size_t at_ = 0;
  size_t length_ = 0;
};

constexpr size_t kSecretsSize = 2 * Key32::kSize + Noise::kHashSize;

size_t room_for(const HandshakePool::Job& job) noexcept {
  if (job.state == HandshakePool::Job::State::kWritten) return job.answer.length + kSecretsSize;
  return job.claim == Exchange::Claim::kPeer ? kTimestampBytes : kPublicKeyBytes;
}

/** The message, then the keys and the hash. */
napi_value make_answer(Batch& batch, const Answer& answer) {
  uint8_t* copy = batch.begin(answer.length + kSecretsSize);
  std::memcpy(copy, answer.message, answer.length);
  copy += answer.length;
  std::memcpy(copy, answer.send_key.data(), Key32::kSize);
  std::memcpy(copy + Key32::kSize, answer.receive_key.data(), Key32::kSize);
  std::memcpy(copy + 2 * Key32::kSize, answer.hash, Noise::kHashSize);
  return batch.end();
}

napi_value make_view(Batch& batch, const uint8_t* data, size_t length) {
  std::memcpy(batch.begin(length), data, length);
  return batch.end();
}

/** Jobs that lead no further are released here. */
napi_value make_done(napi_env env, Batch& batch, HandshakePool& pool, unsigned number) {
  using State = HandshakePool::Job::State;
  using Claim = Exchange::Claim;
  const HandshakePool::Job& job = pool.job(number);
  napi_value done;
  check(napi_create_object(env, &done));
  set(env, done, "job", make_number(env, number));
  if (job.state != State::kRead) {
    if (job.state == State::kWritten) set(env, done, "answer", make_answer(batch, job.answer));
    set(env, done, "presharedKey", make_bool(env, job.answer.psk));
    pool.release(number);
    return done;
  }
  set(env, done, "hybrid", make_bool(env, job.exchange.hybrid));
  if (job.claim == Claim::kPeer) {
    set(env, done, "peer", make_number(env, job.exchange.peer));
    set(env, done, "timestamp", make_view(batch, job.exchange.timestamp, kTimestampBytes));
    return done;
  }
  if (job.claim != Claim::kNone) {
    set(env, done, "claimed", make_view(batch, job.exchange.claimed.data(), kPublicKeyBytes));
  }
  set(env, done, "stranger", make_bool(env, job.claim == Claim::kStranger));
  pool.release(number);
  return done;
}

napi_value take_done(napi_env env, napi_callback_info info) {
  return with_open(env, info, [&](const Call&, Handshakes& handshakes) {
    std::array<uint8_t, HandshakePool::kJobs> numbers;
    HandshakePool& pool = handshakes.pool();
    const unsigned count = pool.take(numbers);
    napi_value all;
    check(napi_create_array_with_length(env, count, &all));
    size_t room = 0;
    for (unsigned i = 0; i < count; i++) room += room_for(pool.job(numbers[i]));
    Batch batch(env, room);
    for (unsigned i = 0; i < count; i++) check(napi_set_element(env, all, i, make_done(env, batch, pool, numbers[i])));
    return all;
  });
}

napi_value close_handshakes(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    HandshakesHolder::of(env, Call(env, info).self()).close();
    return nullptr;
  });
}

// --- primitives ------------------------------------------------------------------------------------------------

napi_value public_key(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    X25519Secret secret;
    if (!secret.set(read_exactly(env, call[0], "secret", Key32::kSize))) return nullptr;
    return make_bytes(env, secret.public_key(), kPublicKeyBytes);
  });
}

napi_value shared(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    X25519Secret secret;
    Key32 out;
    const uint8_t* remote = read_exactly(env, call[1], "remote", kPublicKeyBytes);
    if (!secret.set(read_exactly(env, call[0], "secret", Key32::kSize)) || !secret.shared(remote, out)) return nullptr;
    return make_bytes(env, out.data(), Key32::kSize);
  });
}

napi_value hash(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Bytes data = read_bytes(env, Call(env, info)[0], "data");
    uint8_t out[Blake2s::kHashSize];
    Blake2s::hash(out, data.data, data.length);
    return make_bytes(env, out, sizeof out);
  });
}

napi_value mac(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    const Bytes key = read_bytes(env, call[0], "key");
    const Bytes data = read_bytes(env, call[1], "data");
    if (key.length > 32) throw ArgumentError{"key: must be 32 bytes or fewer"};
    uint8_t out[Blake2s::kMacSize];
    Blake2s::mac(out, key.data, key.length, data.data, data.length);
    return make_bytes(env, out, sizeof out);
  });
}

/** HKDF's three outputs in one piece. */
napi_value derive(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    const uint8_t* ck = read_exactly(env, call[0], "chainingKey", 32);
    const Bytes material = read_bytes(env, call[1], "material");
    Secret<96> out;
    hkdf(ck, material.data, material.length, out.data(), out.data() + 32, out.data() + 64);
    return make_bytes(env, out.data(), 96);
  });
}

napi_value seal(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    const uint8_t* nonce = read_exactly(env, call[1], "nonce", Aead::kNonceSize);
    const Bytes ad = read_bytes(env, call[2], "ad");
    const Bytes plaintext = read_bytes(env, call[3], "plaintext");
    Aead aead(Aead::Direction::kSeal, read_exactly(env, call[0], "key", Aead::kKeySize), Aead::fast());
    std::vector<uint8_t> out(plaintext.length + Aead::kTagSize);
    if (plaintext.length != 0) std::memcpy(out.data(), plaintext.data, plaintext.length);
    if (!aead.seal_with(nonce, ad.data, ad.length, out.data(), plaintext.length)) return nullptr;
    return make_bytes(env, out.data(), out.size());
  });
}

napi_value open(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    const uint8_t* nonce = read_exactly(env, call[1], "nonce", Aead::kNonceSize);
    const Bytes ad = read_bytes(env, call[2], "ad");
    const Bytes sealed = read_bytes(env, call[3], "ciphertext");
    if (sealed.length < Aead::kTagSize) return nullptr;
    Aead aead(Aead::Direction::kOpen, read_exactly(env, call[0], "key", Aead::kKeySize), Aead::fast());
    std::vector<uint8_t> out(sealed.data, sealed.data + sealed.length);
    const size_t length = sealed.length - Aead::kTagSize;
    if (!aead.open_with(nonce, ad.data, ad.length, out.data(), length)) return nullptr;
    return make_bytes(env, out.data(), length);
  });
}

/** The ciphertext, and the secret behind it. */
napi_value encapsulate(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    const uint8_t* key = read_exactly(env, call[0], "encapsulationKey", Kem::kEncapsulationKeySize);
    const uint8_t* randomness = read_optional(env, call[1], "randomness", Kem::kRandomnessSize);
    Secret<Kem::kCiphertextSize + Key32::kSize> out;
    Key32 secret;
    if (!Kem::available() || !Kem::encapsulate(key, randomness, out.data(), secret)) return nullptr;
    std::memcpy(out.data() + Kem::kCiphertextSize, secret.data(), Key32::kSize);
    return make_bytes(env, out.data(), Kem::kCiphertextSize + Key32::kSize);
  });
}

}  // namespace

napi_value open_handshakes(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    if (!Blake2s::self_test() || !X25519Secret::self_test()) {
      napi_throw_error(env, "ERR_SELF_TEST", "a handshake primitive fails its self-test (RFC 7693, RFC 7748)");
      return nullptr;
    }
    auto handshakes = std::make_unique<Handshakes>(env, call[0]);
    napi_value object;
    check(napi_create_object(env, &object));
    set(env, object, "jobs", make_number(env, HandshakePool::kJobs));
    set(env, object, "hybrid", make_bool(env, Kem::available()));
    method(env, object, "setPeer", set_peer);
    method(env, object, "setPresharedKey", set_preshared_key);
    method(env, object, "checkMac1", check_mac1);
    method(env, object, "read", read_initiation);
    method(env, object, "write", write_response);
    method(env, object, "release", release_job);
    method(env, object, "take", take_done);
    method(env, object, "close", close_handshakes);
    HandshakesHolder::put(env, object, std::move(handshakes));
    return object;
  });
}

napi_value make_primitives(napi_env env) {
  napi_value object;
  check(napi_create_object(env, &object));
  method(env, object, "publicKey", public_key);
  method(env, object, "shared", shared);
  method(env, object, "hash", hash);
  method(env, object, "mac", mac);
  method(env, object, "derive", derive);
  method(env, object, "seal", seal);
  method(env, object, "open", open);
  method(env, object, "encapsulate", encapsulate);
  return object;
}

}  // namespace anteroom::binding
