/**
 * Worker: the transport at work. One thread from UDP to TUN, one from TUN to UDP, an Engine between.
 *
 * The receiving thread also paces the news for the main thread: activity at most every kActivityInterval, except
 * what can't wait. `Tell` is called from either thread and must only pass the word on (the binding makes it a
 * thread-safe function call).
 *
 * The offloads would go here: UDP_GRO and segmentation in `receive_batch`, TUN super-packets in `send_batch`.
 */
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "../net/event.h"
#include "../net/udp_sockets.h"
#include "engine.h"
#include "handshake_ring.h"
#include "packet_arena.h"

namespace anteroom {

constexpr uint64_t kActivityInterval = kSecond / 10;

class Worker {
 public:
  enum News : uint32_t { kHandshakes = 1, kActivityNews = 2, kFailure = 4 };
  using Tell = std::function<void(News)>;
  using Clock = uint64_t (*)();

  struct Failure {
    int number = 0;
    const char* call = "";
  };

  /** `tun`: a descriptor that reads and writes one inner packet at a time, non-blocking; not owned. */
  Worker(int tun, UdpSockets&& sockets, size_t mtu, Tell tell, Clock clock = boot_time);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /** Throws std::system_error when a thread can't be made. */
  void start();
  /** Idempotent; joins both threads. */
  void stop() noexcept;

  /** Main thread. Keys are copied. Answers are errno numbers. */
  int set_keypair(unsigned peer, uint32_t local_index, uint32_t remote_index, bool initiator,
                  const uint8_t* send_key, const uint8_t* receive_key);
  int keepalive(unsigned peer);
  bool send_handshake(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept;

  Engine& engine() noexcept { return engine_; }
  HandshakeRing& handshakes() noexcept { return handshakes_; }
  uint16_t port() const noexcept { return sockets_.port(); }
  /** After kFailure was told. */
  Failure failure() const noexcept { return failure_; }

  /** CLOCK_BOOTTIME in nanoseconds: keys go on ageing while the machine sleeps. */
  static uint64_t boot_time();

 private:
  void receive_loop() noexcept;
  bool receive_batch(int fd, uint64_t now) noexcept;
  void report(uint64_t now) noexcept;
  int poll_timeout(uint64_t now) const noexcept;

  void send_loop() noexcept;
  bool send_batch(uint64_t now) noexcept;
  void flush_kicked(uint64_t now) noexcept;
  /** How many messages of `outgoing_` are ready to go: the first `v4` to IPv4 endpoints. */
  struct Addressed {
    unsigned v4 = 0;
    unsigned total = 0;
  };
  Addressed address(const Engine::Sealed* sealed, unsigned count) noexcept;
  void transmit(Addressed ready) noexcept;
  void news_from_sender() noexcept;

  void kick(unsigned peer) noexcept;
  void fail(int number, const char* call) noexcept;

  const int tun_;
  UdpSockets sockets_;
  const Tell tell_;
  const Clock clock_;
  Engine engine_;
  HandshakeRing handshakes_;
  PeerSet kicked_;

  Event stop_event_;
  Event send_event_;
  Event receive_event_;
  std::thread receiver_;
  std::thread sender_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  Failure failure_;

  PacketArena incoming_;
  PacketArena outgoing_;
  uint64_t reported_ = 0;
  /** Sending thread tells the receiving one, once per interval, that there is something to report. */
  std::atomic<bool> awaiting_report_{false};
};

}  // namespace anteroom
