/**
 * Worker: the two threads. See worker.h.
 */
#include "worker.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/uio.h>
#include <time.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace anteroom {

namespace {

/** Batches before the loop looks at everything else again. */
constexpr unsigned kRounds = 32;
/**
 * After a batch, give the core away this many times and look again before going to sleep: under load that is cheaper
 * than being woken, and the next batch is bigger.
 */
constexpr unsigned kQuiet = 2;
/** Joined bytes that are written before more are opened: they are still in the cache. */
constexpr size_t kWriteBytes = 48 << 10;
/** Datagrams that are few enough to be the only thing going on. */
constexpr unsigned kAnswerBatch = 2;
/** Packets that are sent before more are read, and reads of one batch. */
constexpr unsigned kForwardPackets = 64;
constexpr unsigned kReads = 64;

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

Worker::Worker(int tun, UdpSockets&& sockets, const Options& options, Tell tell, Clock clock)
    : tun_(tun),
      tun_offloads_(options.tun),
      fast_(options.primitives != nullptr),
      sockets_(std::move(sockets)),
      tell_(std::move(tell)),
      clock_(clock),
      engine_(options.mtu, options.primitives),
      join_tcp_(options.tun.header && options.tun.join),
      join_udp_(options.tun.header && options.tun.join && options.tun.udp),
      super_(new uint8_t[Aead::kRoom + kMaxSuper + kPaddingMultiple]) {}

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
  pthread_setname_np(receiver_.native_handle(), "anteroom-recv");
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

int Worker::set_endpoint(unsigned peer, const Endpoint& to) {
  return engine_.set_endpoint(peer, paths_.recall(to));
}

bool Worker::send_handshake(const Endpoint& to, const uint8_t* bytes, size_t length) noexcept {
  if (!sockets_.send(paths_.recall(to), bytes, length)) return false;
  bump(engine_.counters.udp_sent);
  return true;
}

Worker::Offloads Worker::offloads() const noexcept {
  return {tun_offloads_.tcp,    tun_offloads_.udp,           join_tcp_ || join_udp_,
          sockets_.segments(), sockets_.receives_series(), fast_};
}

void Worker::kick(unsigned peer) noexcept {
  kicked_.add(peer);
  send_event_.raise();
}

// --- receiving thread ------------------------------------------------------------------------------------------

void Worker::receive_loop() noexcept {
  while (!stopping_) {
    const uint64_t now = clock_();
    report(now);
    pollfd waits[4] = {{sockets_.v4(), POLLIN, 0},
                       {sockets_.v6(), POLLIN, 0},
                       {receive_event_.descriptor(), POLLIN, 0},
                       {stop_event_.descriptor(), POLLIN, 0}};
    if (::poll(waits, 4, poll_timeout(now)) < 0 && errno != EINTR) return fail(errno, "poll");
    if (waits[3].revents != 0) return;
    if (waits[2].revents != 0) receive_event_.lower();
    for (int i = 0; i < 2; i++) {
      if (waits[i].revents == 0) continue;
      // Bounded, so that neither the other socket nor a report waits for ever.
      unsigned quiet = 0;
      for (unsigned round = 0; round < kRounds && quiet < kQuiet && !stopping_; round++) {
        quiet = receive_batch(waits[i].fd) == 0 ? quiet + 1 : 0;
        if (quiet != 0) ::sched_yield();
      }
    }
  }
}

/** How many datagrams there were. */
unsigned Worker::receive_batch(int fd) noexcept {
  incoming_.expect();
  const int received = ::recvmmsg(fd, incoming_.messages(), IncomingArena::kMessages, MSG_DONTWAIT, nullptr);
  if (received < 0) {
    if (fatal(errno)) fail(errno, "recvmmsg");
    return 0;
  }
  // Asked after the fact: a keypair's age is that at which its message is looked at.
  const uint64_t now = clock_();
  coalescer_.use({join_tcp_, join_udp_});
  unsigned datagrams = 0;
  for (unsigned i = 0; i < static_cast<unsigned>(received); i++) {
    const mmsghdr& message = incoming_.messages()[i];
    Endpoint& from = incoming_.endpoint(i);
    const size_t length = message.msg_len;
    size_t segment = UdpSockets::received(message.msg_hdr, from.source);
    if (segment == 0 || segment > length) segment = length;
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      bump(engine_.counters.drop_malformed);
      datagrams++;
      continue;
    }
    datagrams += receive_series(incoming_.slot(i), length, segment, from, now);
    if (coalescer_.bytes() >= kWriteBytes) write_tun();
  }
  const bool wrote = coalescer_.bytes() != 0;
  write_tun();
  if (wrote && datagrams <= kAnswerBatch) send_answers();
  bump(engine_.counters.udp_received, datagrams);
  if (heard_handshake_) tell_(kHandshakes);
  heard_handshake_ = false;
  if (engine_.activity.take_urgent()) tell_(kActivityNews);
  return datagrams;
}

/** One message: `length` bytes that are datagrams of `segment` bytes each, the last perhaps shorter. */
unsigned Worker::receive_series(uint8_t* bytes, size_t length, size_t segment, const Endpoint& from,
                                uint64_t now) noexcept {
  Counters& counters = engine_.counters;
  Engine::OpenResult opened[kBatch];
  unsigned total = 0;
  size_t at = 0;
  do {
    unsigned packets = 0;
    if (coalescer_.bytes() == 0) {
      opened_.clear();
    } else if (!opened_.fits()) {
      write_tun();
      opened_.clear();
    }
    {
      Guard::Shared shared(engine_.guard());
      unsigned count = 0;
      do {
        uint8_t* datagram = bytes + at;
        const size_t size = length - at < segment ? length - at : segment;
        at += size;
        count++;
        if (size > kMaxDatagram) {
          bump(counters.drop_malformed);
        } else if (size >= 4 && load_le32(datagram) == kTransportType) {
          const Engine::OpenResult result = engine_.open(datagram, size, from, now, opened_.place(size));
          if (result.what == Engine::Opened::kPacket) opened[packets++] = result;
        } else if (handshakes_.push(from, datagram, size)) {
          heard_handshake_ = true;
        } else {
          bump(counters.drop_handshake_ring);
        }
      } while (at < length && count < kBatch);
      total += count;
    }
    if (engine_.unsettled() && engine_.settle(kicked_)) send_event_.raise();
    for (unsigned i = 0; i < packets; i++) {
      while (!coalescer_.add(opened[i].packet, opened[i].length)) write_tun();
    }
  } while (at < length);
  return total;
}

/**
 * A packet written to the TUN device is often answered within the write (an echo, an acknowledgement). When little
 * is going on, that answer is sent from here and needn't wait for the other thread to wake.
 */
void Worker::send_answers() noexcept {
  const std::unique_lock lock(sending_, std::try_to_lock);
  if (lock.owns_lock()) send_batch();
}

void Worker::write_tun() noexcept {
  coalescer_.flush([this](Coalescer::Item& item) { write_item(item); });
}

void Worker::write_item(Coalescer::Item& item) noexcept {
  const unsigned skip = tun_offloads_.header ? 0 : 1;
  if (write_vectors(item.vectors.data() + skip, item.count - skip)) {
    bump(engine_.counters.tun_written, item.segments);
    return;
  }
  if (errno != EINVAL || item.segments == 1) {
    bump(engine_.counters.drop_tun, item.segments);
    return;
  }
  // This kernel doesn't take them joined after all.
  (item.virtio.gso_type == kGsoUdp ? join_udp_ : join_tcp_) = false;
  VirtioHeader plain{};
  for (unsigned i = 0; i < item.segments; i++) {
    const iovec vectors[2] = {{&plain, kVirtioHeader}, item.packets[i]};
    const bool written = write_vectors(vectors + skip, 2 - skip);
    bump(written ? engine_.counters.tun_written : engine_.counters.drop_tun);
  }
}

bool Worker::write_vectors(const iovec* vectors, unsigned count) noexcept {
  if (::writev(tun_, vectors, static_cast<int>(count)) >= 0) return true;
  if (fatal(errno)) fail(errno, "write(tun)");
  return false;
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
      const std::lock_guard lock(sending_);
      flush_kicked(clock_());
    }
    if (waits[0].revents != 0) {
      unsigned quiet = 0;
      for (unsigned round = 0; round < kRounds && quiet < kQuiet && !stopping_; round++) {
        {
          const std::lock_guard lock(sending_);
          quiet = send_batch() == 0 ? quiet + 1 : 0;
        }
        if (quiet != 0) ::sched_yield();
      }
    }
    news_from_sender();
  }
}

/** How many packets there were. */
unsigned Worker::send_batch() noexcept {
  unsigned count = 0;
  unsigned total = 0;
  int error = 0;
  outgoing_.restart();
  for (unsigned reads = 0; reads < kReads; reads++) {
    VirtioHeader header{};
    const ssize_t length = read_tun(header);
    if (length <= 0) {
      error = length == 0 ? ENODEV : errno;
      break;
    }
    if (!segmenter_.start(header, super(), static_cast<size_t>(length)) || segmenter_.largest() > kMaxInner) {
      bump(engine_.counters.drop_malformed);
      continue;
    }
    if (segmenter_.cut()) {
      // Nothing overtakes what was read before it.
      if (count != 0) forward(count);
      count = 0;
      total += forward_pieces();
      continue;
    }
    const Segmenter::Packet packet = segmenter_.next();
    std::memcpy(outgoing_.place(packet.length) + kTransportHeader, packet.bytes, packet.length);
    lengths_[count++] = packet.length;
    total++;
    if (count == kForwardPackets) {
      forward(count);
      count = 0;
    }
  }
  if (count != 0) forward(count);
  if (error == EIO || fatal(error)) {
    fail(error, "read(tun)");
  }
  return total;
}

/** One packet into `super_`, and what the kernel says of it. As read(2); less than a header makes no packet. */
ssize_t Worker::read_tun(VirtioHeader& header) noexcept {
  if (!tun_offloads_.header) return ::read(tun_, super(), kMaxSuper);
  iovec vectors[2] = {{&header, kVirtioHeader}, {super(), kMaxSuper}};
  const ssize_t length = ::readv(tun_, vectors, 2);
  constexpr ssize_t header_size = kVirtioHeader;
  if (length > header_size) return length - header_size;
  if (length > 0) errno = EAGAIN;
  return length > 0 ? -1 : length;
}

/** Cut what was read, and seal and send the packets: from where they stand straight into their messages. */
unsigned Worker::forward_pieces() noexcept {
  unsigned total = 0;
  for (bool more = true; more;) {
    unsigned count = 0;
    unsigned v4;
    outgoing_.restart();
    {
      Guard::Shared shared(engine_.guard());
      const uint64_t now = clock_();
      while (count < OutgoingArena::kSlots) {
        const Segmenter::Packet packet = segmenter_.next();
        more = packet.length != 0;
        if (!more) break;
        sealed_[count] = engine_.seal(packet.bytes, packet.length, outgoing_.place(packet.length), now);
        count++;
      }
      v4 = line_up(sealed_.data(), count);
    }
    send_lined_up(v4);
    outgoing_.restart();
    total += count;
  }
  bump(engine_.counters.tun_read, total);
  return total;
}

/** Seal and send the first `count` slots. */
void Worker::forward(unsigned count) noexcept {
  bump(engine_.counters.tun_read, count);
  unsigned v4;
  {
    Guard::Shared shared(engine_.guard());
    const uint64_t now = clock_();
    for (unsigned i = 0; i < count; i++) {
      uint8_t* message = outgoing_.slot(i);
      sealed_[i] = engine_.seal(message + kTransportHeader, lengths_[i], message, now);
    }
    v4 = line_up(sealed_.data(), count);
  }
  send_lined_up(v4);
  outgoing_.restart();
}

/** What the main thread or a confirmation asked for: staged packets and keepalives. */
void Worker::flush_kicked(uint64_t now) noexcept {
  unsigned count = 0;
  Guard::Shared shared(engine_.guard());
  // Sent with the guard held: this is rare and short, and the endpoints stay put.
  outgoing_.restart();
  const auto empty = [&] {
    send_lined_up(line_up(sealed_.data(), count));
    outgoing_.restart();
    count = 0;
  };
  kicked_.take([&](unsigned peer) {
    engine_.flush(
        peer, now, [&] { return outgoing_.placed() > count ? outgoing_.slot(count) : outgoing_.place(kMaxInner); },
        [&](size_t length, const Endpoint& to) {
          sealed_[count++] = {length, &to};
          if (count == OutgoingArena::kSlots) empty();
        });
  });
  if (count != 0) empty();
}

unsigned Worker::line_up(const Engine::Sealed* sealed, unsigned count) noexcept {
  outgoing_.clear();
  const bool series = sockets_.segments();
  unsigned v4 = 0;
  for (const int family : {AF_INET, AF_INET6}) {
    for (unsigned i = 0; i < count; i++) {
      if (sealed[i].length == 0 || sealed[i].to->family() != family) continue;
      outgoing_.add(i, sealed[i].length, *sealed[i].to, series);
    }
    outgoing_.close();
    if (family == AF_INET) v4 = outgoing_.count();
  }
  return v4;
}

void Worker::send_lined_up(unsigned v4) noexcept {
  unsigned sent = 0;
  const int stop = stop_event_.descriptor();
  mmsghdr* messages = outgoing_.messages();
  const unsigned all = outgoing_.count();
  if (v4 != 0) sent += sockets_.send_batch(AF_INET, messages, v4, stop);
  if (all != v4) sent += sockets_.send_batch(AF_INET6, messages + v4, all - v4, stop);
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
