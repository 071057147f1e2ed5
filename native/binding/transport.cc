/**
 * `openTransport`: arguments in, handshakes, activity and failure out. The transport itself is worker.h's.
 *
 * Opening either succeeds whole or leaves nothing: the members are made in the order TUN, sockets, signal, threads,
 * and a throw unmakes what there is.
 */
#include "transport.h"

#include <atomic>
#include <cstring>
#include <memory>

#include "../net/tun.h"
#include "../transport/worker.h"
#include "holder.h"
#include "signal.h"
#include "value.h"

namespace anteroom::binding {

namespace {

/** Handshake datagrams handed over in one call; more follow in the next turn of the event loop. */
constexpr unsigned kHandshakesPerCall = 64;
/** Bytes for an address in the buffer of such a call. */
constexpr size_t kAddressRoom = 16;

/** `options.offloads`: what may be used; all of it when nothing is said. */
struct Wanted {
  bool tun_tcp = true;
  bool tun_udp = true;
  bool tun_join = true;
  bool udp_send = true;
  bool udp_receive = true;
  bool primitives = true;

  Wanted(napi_env env, napi_value options) {
    const napi_value offloads = property(env, options, "offloads");
    if (is_undefined(env, offloads)) return;
    const struct {
      const char* name;
      bool& wanted;
    } table[] = {{"tunTcp", tun_tcp},   {"tunUdp", tun_udp},         {"tunJoin", tun_join},
                 {"udpSend", udp_send}, {"udpReceive", udp_receive}, {"chacha", primitives}};
    for (const auto& row : table) {
      const napi_value value = property(env, offloads, row.name);
      if (!is_undefined(env, value)) row.wanted = read_bool(env, value, row.name);
    }
  }
};

class Transport {
 public:
  static constexpr napi_type_tag kTag = {0x616e7465726f6f6d, 0x7472616e73706f72};

  Transport(napi_env env, napi_value options)
      : on_handshake_(env, read_function(env, property(env, options, "onHandshake"), "onHandshake")),
        on_activity_(env, read_function(env, property(env, options, "onActivity"), "onActivity")),
        on_failure_(env, read_function(env, property(env, options, "onFailure"), "onFailure")) {
    TunOptions tun;
    tun.name = read_string(env, property(env, options, "interfaceName"), "interfaceName");
    tun.mtu =
        static_cast<uint32_t>(read_number(env, property(env, options, "mtu"), "mtu", 1280, 9000));
    tun.addresses = read_prefixes(env, property(env, options, "addresses"), "addresses");
    tun.routes = read_prefixes(env, property(env, options, "routes"), "routes");
    tun.local = read_prefixes(env, property(env, options, "local"), "local");
    const auto port = static_cast<uint16_t>(read_u32(env, property(env, options, "port"), "port", 65535));

    const Wanted wanted(env, options);
    tun.piece = OutgoingArena::piece(tun.mtu);
    tun.offloads = {true, wanted.tun_tcp, wanted.tun_udp, wanted.tun_join};
    UdpSockets sockets(port, {wanted.udp_send, wanted.udp_receive});
    tun_ = std::make_unique<Tun>(tun);
    signal_ = std::make_unique<Signal>(env, "anteroom transport",
                                       [this](napi_env e, uint32_t news) { hear(e, news); });
    const Worker::Options how{tun.mtu, tun_->offloads(), wanted.primitives ? Aead::fast() : nullptr};
    worker_ = std::make_unique<Worker>(tun_->descriptor(), std::move(sockets), how,
                                       [signal = signal_.get()](Worker::News news) { signal->raise(news); });
    worker_->start();
  }
  ~Transport() { close(); }

  Worker& worker() noexcept { return *worker_; }

  void close() noexcept {
    if (worker_) worker_->stop();
    if (signal_) signal_->close();
    worker_.reset();
    tun_.reset();
  }

 private:
  /** A callback may close the transport, so `worker_` is asked for after each. */
  void hear(napi_env env, uint32_t news) {
    if (worker_ && (news & Worker::kHandshakes) != 0) hear_handshakes(env);
    if (worker_ && (news & Worker::kActivityNews) != 0) hear_activity(env);
    if (worker_ && (news & Worker::kFailure) != 0) {
      const Worker::Failure failure = worker_->failure();
      const napi_value error = make_error(env, failure.number, failure.call);
      on_failure_(1, &error);
    }
  }

  /** One buffer for the batch, and views of it: buffers are what costs most here. */
  void hear_handshakes(napi_env env) {
    HandshakeRing& ring = worker_->handshakes();
    size_t room = 0;
    uint32_t count = 0;
    for (const HandshakeRing::Slot* slot; count < kHandshakesPerCall && (slot = ring.peek(count)) != nullptr; count++) {
      room += kAddressRoom + slot->length;
    }
    if (count == 0) return;
    napi_value batch;
    napi_value buffer;
    uint8_t* bytes;
    check(napi_create_array_with_length(env, count, &batch));
    check(napi_create_arraybuffer(env, room, reinterpret_cast<void**>(&bytes), &buffer));
    const auto view = [&](size_t at, size_t length) {
      napi_value array;
      check(napi_create_typedarray(env, napi_uint8_array, length, buffer, at, &array));
      return array;
    };
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
      const HandshakeRing::Slot* slot = ring.front();
      const Address address = slot->from.address();
      std::memcpy(bytes + at, address.bytes.data(), address.size());
      std::memcpy(bytes + at + kAddressRoom, slot->bytes.data(), slot->length);
      napi_value datagram;
      napi_value from;
      check(napi_create_object(env, &datagram));
      check(napi_create_object(env, &from));
      set(env, from, "address", view(at, address.size()));
      set(env, from, "port", make_number(env, slot->from.port()));
      set(env, datagram, "from", from);
      set(env, datagram, "bytes", view(at + kAddressRoom, slot->length));
      at += kAddressRoom + slot->length;
      worker_->remember(slot->from);
      check(napi_set_element(env, batch, i, datagram));
      ring.pop();
    }
    if (ring.front() != nullptr) signal_->raise(Worker::kHandshakes);
    on_handshake_(1, &batch);
  }

  void hear_activity(napi_env env) {
    napi_value batch;
    check(napi_create_array(env, &batch));
    Engine& engine = worker_->engine();
    uint32_t count = 0;
    engine.activity.take([&](unsigned number, uint32_t flags) {
      Endpoint endpoint;
      {
        Guard::Shared shared(engine.guard());
        const Peer* peer = engine.peer(number);
        if (peer == nullptr) return;
        endpoint = peer->endpoint;
      }
      const Peer& peer = *engine.peer(number);
      napi_value report;
      check(napi_create_object(env, &report));
      set(env, report, "peer", make_number(env, number));
      set(env, report, "flags", make_number(env, flags));
      set(env, report, "receivedBytes", make_number(env, static_cast<double>(peer.received_bytes.load())));
      set(env, report, "sentBytes", make_number(env, static_cast<double>(peer.sent_bytes.load())));
      if ((flags & (kReceivedAny | kConfirmed)) != 0 && endpoint.present()) {
        set(env, report, "endpoint", make_endpoint(env, endpoint));
      }
      if ((flags & kConfirmed) != 0) {
        const Engine::Rotation rotation = engine.take_rotation(number);
        napi_value confirmed;
        check(napi_create_array(env, &confirmed));
        for (uint32_t i = 0; i < rotation.confirmed.size(); i++) {
          check(napi_set_element(env, confirmed, i, make_number(env, rotation.confirmed[i])));
        }
        set(env, report, "confirmed", confirmed);
        if (rotation.sending) set(env, report, "sending", make_number(env, *rotation.sending));
      }
      check(napi_set_element(env, batch, count++, report));
    });
    if (count != 0) on_activity_(1, &batch);
  }

  Callback on_handshake_;
  Callback on_activity_;
  Callback on_failure_;
  std::unique_ptr<Tun> tun_;
  std::unique_ptr<Signal> signal_;
  std::unique_ptr<Worker> worker_;
};

using TransportHolder = Holder<Transport>;

/** A method's body, with its call and the open worker; EBADF after close. */
template <typename Body>
napi_value with_worker(napi_env env, napi_callback_info info, Body body) {
  return guarded(env, [&]() -> napi_value {
    const Call call(env, info);
    Transport* transport = TransportHolder::of(env, call.self()).get();
    if (transport == nullptr) return throw_system(env, EBADF, "transport is closed");
    return body(call, transport->worker());
  });
}

napi_value answer(napi_env env, int number, const char* call) {
  return number == 0 ? nullptr : throw_system(env, number, call);
}

uint32_t read_peer(napi_env env, napi_value value) { return read_u32(env, value, "peer", kMaxPeers - 1); }

const uint8_t* read_key(napi_env env, napi_value keypair, const char* name) {
  const Bytes key = read_bytes(env, property(env, keypair, name), name);
  if (key.length != Aead::kKeySize) throw ArgumentError{std::string(name) + ": must be 32 bytes"};
  return key.data;
}

napi_value set_peer(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) {
    const std::vector<Prefix> allowed = read_prefixes(env, call[1], "allowedIps");
    return answer(env, worker.engine().set_peer(read_peer(env, call[0]), allowed), "setPeer");
  });
}

napi_value remove_peer(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) {
    const int error = worker.engine().remove_peer(read_peer(env, call[0]));
    return answer(env, error == ENOENT ? 0 : error, "removePeer");
  });
}

napi_value set_endpoint(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) {
    const Endpoint endpoint = read_endpoint(env, call[1], "endpoint");
    return answer(env, worker.set_endpoint(read_peer(env, call[0]), endpoint), "setEndpoint");
  });
}

napi_value set_keypair(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) {
    const napi_value keypair = call[0];
    const uint32_t peer = read_peer(env, property(env, keypair, "peer"));
    const uint32_t local = read_u32(env, property(env, keypair, "localIndex"), "localIndex");
    const uint32_t remote = read_u32(env, property(env, keypair, "remoteIndex"), "remoteIndex");
    const bool initiator = read_bool(env, property(env, keypair, "initiator"), "initiator");
    const uint8_t* send_key = read_key(env, keypair, "sendKey");
    const uint8_t* receive_key = read_key(env, keypair, "receiveKey");
    return answer(env, worker.set_keypair(peer, local, remote, initiator, send_key, receive_key), "setKeypair");
  });
}

napi_value remove_keypair(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) -> napi_value {
    worker.engine().remove_keypair(read_u32(env, call[0], "localIndex"));
    return nullptr;
  });
}

napi_value send_keepalive(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) {
    return answer(env, worker.keepalive(read_peer(env, call[0])), "sendKeepalive");
  });
}

napi_value send_handshake(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) -> napi_value {
    const Endpoint to = read_endpoint(env, call[0], "to");
    const Bytes bytes = read_bytes(env, call[1], "bytes");
    worker.send_handshake(to, bytes.data, bytes.length);
    return nullptr;
  });
}

napi_value drop_queue(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call& call, Worker& worker) {
    return answer(env, worker.engine().drop_queue(read_peer(env, call[0])), "dropQueue");
  });
}

napi_value counters(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call&, Worker& worker) {
    const Counters& counted = worker.engine().counters;
    const struct {
      const char* name;
      const Counters::Counter& counter;
    } table[] = {
        {"udpReceived", counted.udp_received},
        {"udpSent", counted.udp_sent},
        {"tunRead", counted.tun_read},
        {"tunWritten", counted.tun_written},
        {"dropUnknownIndex", counted.drop_unknown_index},
        {"dropAuthentication", counted.drop_authentication},
        {"dropReplay", counted.drop_replay},
        {"dropMalformed", counted.drop_malformed},
        {"dropBadSource", counted.drop_bad_source},
        {"dropExpired", counted.drop_expired},
        {"dropNoRoute", counted.drop_no_route},
        {"dropHandshakeRing", counted.drop_handshake_ring},
        {"dropQueue", counted.drop_queue},
        {"dropTun", counted.drop_tun},
    };
    napi_value object;
    check(napi_create_object(env, &object));
    for (const auto& row : table) {
      set(env, object, row.name, make_number(env, static_cast<double>(row.counter.load())));
    }
    return object;
  });
}

napi_value offloads(napi_env env, napi_callback_info info) {
  return with_worker(env, info, [&](const Call&, Worker& worker) {
    const Worker::Offloads used = worker.offloads();
    const struct {
      const char* name;
      bool used;
    } table[] = {{"tunTcp", used.tun_tcp},   {"tunUdp", used.tun_udp},         {"tunJoin", used.tun_join},
                 {"udpSend", used.udp_send}, {"udpReceive", used.udp_receive}, {"chacha", used.primitives}};
    napi_value object;
    check(napi_create_object(env, &object));
    for (const auto& row : table) set(env, object, row.name, make_bool(env, row.used));
    return object;
  });
}

napi_value close_transport(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    TransportHolder::of(env, Call(env, info).self()).close();
    return nullptr;
  });
}

}  // namespace

napi_value open_transport(napi_env env, napi_callback_info info) {
  return guarded(env, [&] {
    const Call call(env, info);
    auto transport = std::make_unique<Transport>(env, call[0]);
    const uint16_t port = transport->worker().port();
    napi_value object;
    check(napi_create_object(env, &object));
    set(env, object, "port", make_number(env, port));
    method(env, object, "setPeer", set_peer);
    method(env, object, "removePeer", remove_peer);
    method(env, object, "setEndpoint", set_endpoint);
    method(env, object, "setKeypair", set_keypair);
    method(env, object, "removeKeypair", remove_keypair);
    method(env, object, "sendKeepalive", send_keepalive);
    method(env, object, "sendHandshake", send_handshake);
    method(env, object, "dropQueue", drop_queue);
    method(env, object, "counters", counters);
    method(env, object, "offloads", offloads);
    method(env, object, "close", close_transport);
    TransportHolder::put(env, object, std::move(transport));
    return object;
  });
}

}  // namespace anteroom::binding
