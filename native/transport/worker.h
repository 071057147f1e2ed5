/**
 * Worker: the transport at work. One thread from UDP to TUN, one from TUN to UDP, an Engine between.
 *
 * The receiving thread also paces the news for the main thread: activity at most every kActivityInterval, except
 * what can't wait. `Tell` is called from either thread and must only pass the word on (the binding makes it a
 * thread-safe function call).
 *
 * What is read from the TUN device is cut into packets (segmenter.h), sealed, and sent in series; what is received,
 * in series again, is opened and joined (coalescer.h) for the write to the TUN device. Each of these falls back by
 * itself when the kernel refuses it.
 */
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "../net/event.h"
#include "../net/tun.h"
#include "../net/udp_sockets.h"
#include "coalescer.h"
#include "engine.h"
#include "handshake_ring.h"
#include "packet_arena.h"
#include "paths.h"
#include "segmenter.h"

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

  struct Options {
    size_t mtu = 1420;
    /** What the TUN descriptor does. */
    TunOffloads tun;
    /** How to seal and open; null for EVP. */
    const ChaChaPrimitives* primitives = nullptr;
  };

  /** `tun`: a non-blocking descriptor that is as `options.tun` says; not owned. */
  Worker(int tun, UdpSockets&& sockets, const Options& options, Tell tell, Clock clock = boot_time);
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
  /** Where a handshake came from: answers to it go back the same way. */
  void remember(const Endpoint& from) noexcept { paths_.remember(from); }
  int set_endpoint(unsigned peer, const Endpoint& to);
  bool send_handshake(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept;

  struct Offloads {
    bool tun_tcp;
    bool tun_udp;
    bool tun_join;
    bool udp_send;
    bool udp_receive;
    bool primitives;
  };
  /** What is in use now. */
  Offloads offloads() const noexcept;

  Engine& engine() noexcept { return engine_; }
  HandshakeRing& handshakes() noexcept { return handshakes_; }
  uint16_t port() const noexcept { return sockets_.port(); }
  /** After kFailure was told. */
  Failure failure() const noexcept { return failure_; }

  /** CLOCK_BOOTTIME in nanoseconds: keys go on ageing while the machine sleeps. */
  static uint64_t boot_time();

 private:
  void receive_loop() noexcept;
  unsigned receive_batch(int fd) noexcept;
  unsigned receive_series(uint8_t* bytes, size_t length, size_t segment, const Endpoint& from,
                          uint64_t now) noexcept;
  void write_tun() noexcept;
  void write_item(Coalescer::Item& item) noexcept;
  bool write_vectors(const iovec* vectors, unsigned count) noexcept;
  void report(uint64_t now) noexcept;
  int poll_timeout(uint64_t now) const noexcept;

  void send_loop() noexcept;
  unsigned send_batch() noexcept;
  void send_answers() noexcept;
  ssize_t read_tun(VirtioHeader& header) noexcept;
  /** What stands at `super_`, after its VirtioHeader. */
  uint8_t* super() noexcept { return super_.get() + Aead::kRoom; }
  unsigned forward_pieces() noexcept;
  void forward(unsigned count) noexcept;
  void flush_kicked(uint64_t now) noexcept;
  /** Line up the sealed messages, IPv4's before IPv6's. Under the guard; how many of the messages are IPv4's. */
  unsigned line_up(const Engine::Sealed* sealed, unsigned count) noexcept;
  void send_lined_up(unsigned v4) noexcept;
  void news_from_sender() noexcept;

  void kick(unsigned peer) noexcept;
  void fail(int number, const char* call) noexcept;

  const int tun_;
  const TunOffloads tun_offloads_;
  const bool fast_;
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

  Paths paths_;

  IncomingArena incoming_;
  OpenedArena opened_;
  Coalescer coalescer_;
  std::atomic<bool> join_tcp_;
  std::atomic<bool> join_udp_;
  bool heard_handshake_ = false;

  /** Whoever holds it reads the TUN device and sends: the sending thread, or the receiving one for an answer. */
  std::mutex sending_;
  std::unique_ptr<uint8_t[]> super_;
  Segmenter segmenter_;
  OutgoingArena outgoing_;
  std::array<size_t, OutgoingArena::kSlots> lengths_{};
  std::array<Engine::Sealed, OutgoingArena::kSlots> sealed_{};
  uint64_t reported_ = 0;
  /** Sending thread tells the receiving one, once per interval, that there is something to report. */
  std::atomic<bool> awaiting_report_{false};
};

}  // namespace anteroom
