/**
 * Worker: the two threads. See worker.h.
 */
#include "worker.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace anteroom {

namespace {

/** After a batch of this many there is likely more: try again before asking poll. */
constexpr unsigned kBusyBatch = 16;

/** Errors after which a descriptor will never work again. */
bool fatal(int number) noexcept {
  return number == EBADF || number == EBADFD || number == ENOTSOCK || number == ENODEV || number == EFAULT;
}

}  // namespace

uint64_t Worker::boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

Worker::Worker(int tun, UdpSockets&& sockets, size_t mtu, Tell tell, Clock clock)
    : tun_(tun),
      sockets_(std::move(sockets)),
      tell_(std::move(tell)),
      clock_(clock),
      engine_(mtu) {}

Worker::~Worker() { stop(); }

void Worker::start() {
  // Signals are the main thread's business; a new thread inherits this mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    receiver_ = std::thread([this] { receive_loop(); });
    sender_ = std::thread([this] { send_loop(); });
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    stop();
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(receiver_.native_handle(), "anteroom-receive");
  pthread_setname_np(sender_.native_handle(), "anteroom-send");
}

void Worker::stop() noexcept {
  stopping_ = true;
  stop_event_.raise();
  if (receiver_.joinable()) receiver_.join();
  if (sender_.joinable()) sender_.join();
}

// --- main thread -----------------------------------------------------------------------------------------------

int Worker::set_keypair(unsigned peer, uint32_t local_index, uint32_t remote_index, bool initiator,
                        const uint8_t* send_key, const uint8_t* receive_key) {
  const int error =
      engine_.set_keypair(peer, local_index, remote_index, initiator, send_key, receive_key, clock_());
  if (error == 0 && initiator) kick(peer);
  return error;
}

int Worker::keepalive(unsigned number) {
  Peer* peer = engine_.peer(number);
  if (peer == nullptr) return ENOENT;
  peer->keepalive = true;
  kick(number);
  return 0;
}

bool Worker::send_handshake(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept {
  if (!sockets_.send(to, bytes, length)) return false;
  bump(engine_.counters.udp_sent);
  return true;
}

void Worker::kick(unsigned peer) noexcept {
  kicked_.add(peer);
  send_event_.raise();
}

// --- receiving thread ------------------------------------------------------------------------------------------

void Worker::receive_loop() noexcept {
  while (!stopping_) {
    uint64_t now = clock_();
    report(now);
    pollfd waits[4] = {{sockets_.v4(), POLLIN, 0},
                       {sockets_.v6(), POLLIN, 0},
                       {receive_event_.descriptor(), POLLIN, 0},
                       {stop_event_.descriptor(), POLLIN, 0}};
    if (::poll(waits, 4, poll_timeout(now)) < 0 && errno != EINTR) return fail(errno, "poll");
    if (waits[3].revents != 0) return;
    if (waits[2].revents != 0) receive_event_.lower();
    now = clock_();
    for (int i = 0; i < 2; i++) {
      if (waits[i].revents == 0) continue;
      // Bounded, so that neither the other socket nor a report waits for ever.
      for (int round = 0; round < 8 && receive_batch(waits[i].fd, now); round++) {
      }
    }
  }
}

/** True when the batch was so full that there is likely more. */
bool Worker::receive_batch(int fd, uint64_t now) noexcept {
  incoming_.expect();
  const int received = ::recvmmsg(fd, incoming_.messages(), kBatch, MSG_DONTWAIT, nullptr);
  if (received < 0) {
    if (fatal(errno)) fail(errno, "recvmmsg");
    return false;
  }
  const auto count = static_cast<unsigned>(received);
  Counters& counters = engine_.counters;
  bump(counters.udp_received, count);
  Engine::OpenResult opened[kBatch];
  bool handshakes = false;
  {
    Guard::Shared shared(engine_.guard());
    for (unsigned i = 0; i < count; i++) {
      const mmsghdr& message = incoming_.messages()[i];
      uint8_t* datagram = incoming_.slot(i);
      const size_t length = message.msg_len;
      if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
        bump(counters.drop_malformed);
      } else if (length >= 4 && load_le32(datagram) == kTransportType) {
        opened[i] = engine_.open(datagram, length, incoming_.endpoint(i), now);
      } else if (handshakes_.push(incoming_.endpoint(i), datagram, length)) {
        handshakes = true;
      } else {
        bump(counters.drop_handshake_ring);
      }
    }
  }
  if (engine_.unsettled() && engine_.settle(kicked_)) send_event_.raise();
  if (handshakes) tell_(kHandshakes);
  if (engine_.activity.take_urgent()) tell_(kActivityNews);

  uint64_t written = 0;
  for (unsigned i = 0; i < count; i++) {
    if (opened[i].what != Engine::Opened::kPacket) continue;
    if (::write(tun_, opened[i].packet, opened[i].length) >= 0) {
      written++;
      continue;
    }
    if (fatal(errno)) {
      fail(errno, "write(tun)");
      return false;
    }
    bump(counters.drop_tun);
  }
  bump(counters.tun_written, written);
  return count >= kBusyBatch && !stopping_;
}

void Worker::report(uint64_t now) noexcept {
  if (!engine_.activity.dirty()) {
    // The main thread has seen it all. Whoever notes something after this line wakes us; what was noted before
    // it, `poll_timeout` finds.
    awaiting_report_ = false;
    return;
  }
  if (now - reported_ < kActivityInterval) return;
  reported_ = now;
  awaiting_report_ = false;
  tell_(kActivityNews);
}

int Worker::poll_timeout(uint64_t now) const noexcept {
  if (!engine_.activity.dirty()) return -1;
  const uint64_t since = now - reported_;
  return since >= kActivityInterval ? 0 : static_cast<int>((kActivityInterval - since) / 1'000'000) + 1;
}

// --- sending thread --------------------------------------------------------------------------------------------

void Worker::send_loop() noexcept {
  while (!stopping_) {
    pollfd waits[3] = {
        {tun_, POLLIN, 0}, {send_event_.descriptor(), POLLIN, 0}, {stop_event_.descriptor(), POLLIN, 0}};
    if (::poll(waits, 3, -1) < 0 && errno != EINTR) return fail(errno, "poll");
    if (waits[2].revents != 0) return;
    if (waits[1].revents != 0) {
      send_event_.lower();
      flush_kicked(clock_());
    }
    if (waits[0].revents != 0) {
      for (int round = 0; round < 8 && send_batch(clock_()); round++) {
      }
    }
    news_from_sender();
  }
}

/** True when the batch was so full that there is likely more. */
bool Worker::send_batch(uint64_t now) noexcept {
  size_t lengths[kBatch];
  unsigned count = 0;
  int error = 0;
  while (count < kBatch) {
    const ssize_t length = ::read(tun_, outgoing_.slot(count) + kTransportHeader, kMaxInner);
    if (length > 0) {
      lengths[count++] = static_cast<size_t>(length);
      continue;
    }
    error = length == 0 ? ENODEV : errno;
    break;
  }
  if (count != 0) {
    bump(engine_.counters.tun_read, count);
    Engine::Sealed sealed[kBatch];
    Addressed ready;
    {
      Guard::Shared shared(engine_.guard());
      for (unsigned i = 0; i < count; i++) sealed[i] = engine_.seal(outgoing_.slot(i), lengths[i], now);
      ready = address(sealed, count);
    }
    transmit(ready);
  }
  if (error == EIO || fatal(error)) {
    fail(error, "read(tun)");
    return false;
  }
  return count >= kBusyBatch && !stopping_;
}

/** What the main thread or a confirmation asked for: staged packets and keepalives. */
void Worker::flush_kicked(uint64_t now) noexcept {
  Engine::Sealed sealed[kBatch];
  unsigned count = 0;
  Guard::Shared shared(engine_.guard());
  // Sent with the guard held: this is rare and short, and the endpoints stay put.
  const auto empty = [&] {
    transmit(address(sealed, count));
    count = 0;
  };
  kicked_.take([&](unsigned peer) {
    engine_.flush(
        peer, now, [&] { return outgoing_.slot(count); },
        [&](size_t length, const Endpoint& to) {
          sealed[count++] = {length, &to};
          if (count == kBatch) empty();
        });
  });
  if (count != 0) empty();
}

/** Line up the sealed messages, IPv4's before IPv6's, each family in its order. Under the guard. */
Worker::Addressed Worker::address(const Engine::Sealed* sealed, unsigned count) noexcept {
  Addressed ready;
  for (const int family : {AF_INET, AF_INET6}) {
    for (unsigned i = 0; i < count; i++) {
      if (sealed[i].length == 0 || sealed[i].to->family() != family) continue;
      outgoing_.address(ready.total++, i, sealed[i].length, *sealed[i].to);
    }
    if (family == AF_INET) ready.v4 = ready.total;
  }
  return ready;
}

void Worker::transmit(Addressed ready) noexcept {
  unsigned sent = 0;
  const int stop = stop_event_.descriptor();
  mmsghdr* messages = outgoing_.messages();
  if (ready.v4 != 0) sent += sockets_.send_batch(AF_INET, messages, ready.v4, stop);
  if (ready.total != ready.v4) {
    sent += sockets_.send_batch(AF_INET6, messages + ready.v4, ready.total - ready.v4, stop);
  }
  bump(engine_.counters.udp_sent, sent);
}

/** Activity is reported by the receiving thread, which may be asleep. */
void Worker::news_from_sender() noexcept {
  if (engine_.activity.take_urgent()) tell_(kActivityNews);
  if (engine_.activity.dirty() && !awaiting_report_.exchange(true)) receive_event_.raise();
}

void Worker::fail(int number, const char* call) noexcept {
  if (stopping_ || failed_.exchange(true)) return;
  failure_ = {number, call};
  stopping_ = true;
  stop_event_.raise();
  tell_(kFailure);
}

}  // namespace anteroom
