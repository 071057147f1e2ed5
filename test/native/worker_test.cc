/**
 * Worker: the two threads between a socketpair, which stands for the TUN device, and real UDP sockets on loopback.
 */
#include "transport/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "inner_model.h"
#include "pair.h"
#include "plain_chacha.h"
#include "tap.h"

using namespace anteroom;
using namespace anteroom::test;

namespace {

std::atomic<uint64_t> clock_now{kStart};
uint64_t test_clock() { return clock_now; }

Descriptor loopback_socket() {
  Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const uint8_t bytes[] = {127, 0, 0, 1};
  const Endpoint any = Endpoint::from(Address::from_bytes(bytes, 4), 0);
  CHECK(::bind(socket.get(), &any.to.any, any.size()) == 0);
  return socket;
}

Endpoint loopback(uint16_t port) {
  const uint8_t bytes[] = {127, 0, 0, 1};
  return Endpoint::from(Address::from_bytes(bytes, 4), port);
}

/** A worker whose TUN device is `tun`: write to it what the kernel would send, read what it would receive. */
struct Station {
  Descriptor tun;
  Descriptor far_tun;
  std::atomic<uint32_t> news{0};
  std::unique_ptr<Worker> worker;

  explicit Station(Worker::Options options = {}, UdpSockets::Offloads series = {}) {
    int pair[2];
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    tun = Descriptor(pair[0]);
    far_tun = Descriptor(pair[1]);
    worker = std::make_unique<Worker>(far_tun.get(), UdpSockets(loopback_socket(), Descriptor(), series), options,
                                      [this](Worker::News told) { news |= told; }, test_clock);
  }
  void start() { worker->start(); }
  ~Station() { worker->stop(); }

  void send(const std::vector<uint8_t>& packet) {
    CHECK(::write(tun.get(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size()));
  }
  /** The next packet, or an empty one after five seconds. */
  std::vector<uint8_t> receive() {
    std::vector<uint8_t> packet(4096);
    pollfd wait{tun.get(), POLLIN, 0};
    if (::poll(&wait, 1, 5000) != 1) return {};
    const ssize_t length = ::read(tun.get(), packet.data(), packet.size());
    packet.resize(length > 0 ? static_cast<size_t>(length) : 0);
    return packet;
  }
};

struct Link {
  Station left;
  Station right;

  Link() {
    left.worker->engine().set_peer(kPeer, {host(2)});
    right.worker->engine().set_peer(kPeer, {host(1)});
    left.worker->engine().set_endpoint(kPeer, loopback(right.worker->port()));
    left.start();
    right.start();
  }
  void key(uint32_t generation) {
    uint8_t a[32];
    uint8_t b[32];
    std::memset(a, static_cast<int>(generation), sizeof a);
    std::memset(b, static_cast<int>(generation + 100), sizeof b);
    CHECK(right.worker->set_keypair(kPeer, 200 + generation, 100 + generation, false, b, a) == 0);
    CHECK(left.worker->set_keypair(kPeer, 100 + generation, 200 + generation, true, a, b) == 0);
  }
};

void send_raw(Descriptor& socket, const Endpoint& to, const std::vector<uint8_t>& bytes) {
  CHECK(::sendto(socket.get(), bytes.data(), bytes.size(), 0, &to.to.any, to.size()) ==
        static_cast<ssize_t>(bytes.size()));
}

}  // namespace

TEST("worker: packets that waited go when the keypair comes, and the answer comes back") {
  Link link;
  link.left.send(packet_of(1, 2, 100, 1));
  CHECK(tap::eventually([&] { return (link.left.news & Worker::kActivityNews) != 0; }));
  link.key(1);
  CHECK(link.right.receive() == packet_of(1, 2, 100, 1));
  CHECK(tap::eventually([&] { return (link.right.news & Worker::kActivityNews) != 0; }));
  link.right.send(packet_of(2, 1, 300, 2));
  CHECK(link.left.receive() == packet_of(2, 1, 300, 2));
}

TEST("worker: 5,000 packets each way, batched, none lost or changed") {
  Link link;
  link.key(1);
  link.left.send(packet_of(1, 2));
  link.right.receive();
  bool same = true;
  for (int i = 0; i < 5000; i += 50) {
    for (int j = i; j < i + 50; j++) {
      link.left.send(packet_of(1, 2, 20 + static_cast<size_t>(j) % 1400, static_cast<uint8_t>(j)));
      link.right.send(packet_of(2, 1, 20 + static_cast<size_t>(j) % 1300, static_cast<uint8_t>(j)));
    }
    for (int j = i; j < i + 50; j++) {
      same = same && link.right.receive() == packet_of(1, 2, 20 + static_cast<size_t>(j) % 1400, static_cast<uint8_t>(j));
      same = same && link.left.receive() == packet_of(2, 1, 20 + static_cast<size_t>(j) % 1300, static_cast<uint8_t>(j));
    }
  }
  CHECK(same);
  // Counted after the write, which the other end has already read.
  CHECK(tap::eventually([&] { return link.right.worker->engine().counters.tun_written == 5001; }));
}

TEST("worker: activity is told again, though the board was taken before its report was due") {
  Link link;
  link.key(1);
  Worker& worker = *link.left.worker;
  Descriptor stranger = loopback_socket();
  int told = 0;
  for (int round = 0; round < 10; round++) {
    // Only the sending thread has news here; the receiving thread, asleep, has to tell it.
    link.left.news = 0;
    clock_now += kActivityInterval;
    link.left.send(packet_of(1, 2));
    link.right.receive();
    if (tap::eventually([&] { return (link.left.news & Worker::kActivityNews) != 0; })) told++;
    worker.engine().activity.take([](unsigned, uint32_t) {});
    // More news, too early to tell; the main thread looks by itself, and the receiving thread finds nothing.
    link.left.send(packet_of(1, 2));
    link.right.receive();
    tap::eventually([&] { return worker.engine().activity.dirty(); });
    worker.engine().activity.take([](unsigned, uint32_t) {});
    const uint64_t received = worker.engine().counters.udp_received;
    send_raw(stranger, loopback(worker.port()), {4, 0, 0, 0});
    tap::eventually([&] { return worker.engine().counters.udp_received > received; });
  }
  CHECK(told == 10);
}

TEST("worker: a keepalive carries no packet and confirms") {
  Link link;
  link.key(1);
  CHECK(link.left.worker->keepalive(kPeer) == 0);
  CHECK(tap::eventually([&] { return link.right.worker->engine().counters.udp_received == 1; }));
  CHECK(tap::eventually([&] { return (link.right.news & Worker::kActivityNews) != 0; }));
  link.right.send(packet_of(2, 1));
  CHECK(link.left.receive() == packet_of(2, 1));
  CHECK(link.left.worker->keepalive(99) != 0);
}

TEST("worker: other datagrams reach the ring as they came; oversized and excess ones are counted") {
  Station station;
  station.start();
  Descriptor stranger = loopback_socket();
  const Endpoint to = loopback(station.worker->port());
  const std::vector<std::vector<uint8_t>> odd = {{}, {1}, {4, 0, 0}, {4, 0, 0, 1, 5}, std::vector<uint8_t>(148, 1),
                                                 std::vector<uint8_t>(2048, 2)};
  for (const auto& bytes : odd) send_raw(stranger, to, bytes);
  send_raw(stranger, to, std::vector<uint8_t>(2049, 1));
  send_raw(stranger, to, std::vector<uint8_t>(20'000, 1));
  send_raw(stranger, to, {4, 0, 0, 0});
  const Counters& counters = station.worker->engine().counters;
  CHECK(tap::eventually([&] { return counters.udp_received == odd.size() + 3; }));
  CHECK(tap::eventually([&] { return counters.drop_malformed == 2; }));
  CHECK(tap::eventually([&] { return counters.drop_handshake_ring == 1; }));
  CHECK(tap::eventually([&] { return (station.news & Worker::kHandshakes) != 0; }));
  HandshakeRing& ring = station.worker->handshakes();
  for (const auto& bytes : odd) {
    const HandshakeRing::Slot* slot = ring.front();
    CHECK(slot != nullptr && std::vector<uint8_t>(slot->bytes.begin(), slot->bytes.begin() + slot->length) == bytes);
    ring.pop();
  }
  CHECK(ring.front() == nullptr);

  for (int i = 0; i < 300; i++) {
    send_raw(stranger, to, {1, 2, 3});
    const uint64_t sent = odd.size() + 4 + static_cast<uint64_t>(i);
    tap::eventually([&] { return counters.udp_received >= sent; });
  }
  CHECK(tap::eventually([&] { return counters.drop_handshake_ring == 1 + 300 - HandshakeRing::kSlots; }));
}

TEST("worker: after 180 s of its clock nothing is carried until a new keypair comes") {
  Link link;
  link.key(1);
  link.left.send(packet_of(1, 2));
  CHECK(!link.right.receive().empty());
  clock_now += 180 * kSecond;
  link.left.send(packet_of(1, 2, 60, 2));
  CHECK(tap::eventually([&] { return link.left.worker->engine().activity.dirty(); }));
  link.key(2);
  CHECK(link.right.receive() == packet_of(1, 2, 60, 2));
}

TEST("worker: a TUN device that goes away is a failure, told once; stop joins all the same") {
  Station station;
  station.start();
  station.tun.reset();
  CHECK(tap::eventually([&] { return (station.news & Worker::kFailure) != 0; }));
  CHECK(station.worker->failure().number != 0);
  station.worker->stop();
  station.worker->stop();
}

TEST("worker: stop works before start, and opening leaves no descriptor behind") {
  const int before = ::dup(0);
  ::close(before);
  {
    Station never_started;
    UdpSockets taken(0);
    bool refused = false;
    try {
      UdpSockets again(taken.port());
    } catch (const SystemError& error) {
      refused = error.number() == EADDRINUSE;
    }
    CHECK(refused);
  }
  const int after = ::dup(0);
  ::close(after);
  CHECK(before == after);
}

namespace {

/** A stranger who sends series (UDP_SEGMENT), as a peer with the offload would. */
void send_series(Descriptor& socket, const Endpoint& to, const std::vector<uint8_t>& bytes, size_t segment) {
  iovec vector = {const_cast<uint8_t*>(bytes.data()), bytes.size()};
  Endpoint name = to;
  ControlRoom room;
  msghdr message{};
  message.msg_name = &name.to;
  message.msg_namelen = to.size();
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  UdpSockets::prepare(message, room, Address(), 2, segment);
  CHECK(::sendmsg(socket.get(), &message, 0) == static_cast<ssize_t>(bytes.size()));
}

/** TUN with headers: each packet is written and read with its VirtioHeader before it. */
std::vector<uint8_t> with_header(const VirtioHeader& header, const std::vector<uint8_t>& packet) {
  std::vector<uint8_t> bytes(kVirtioHeader + packet.size());
  std::memcpy(bytes.data(), &header, kVirtioHeader);
  std::memcpy(bytes.data() + kVirtioHeader, packet.data(), packet.size());
  return bytes;
}

}  // namespace

TEST("worker: a series is taken apart, whatever is in it, and an oversized datagram ends nothing") {
  Station station;
  station.start();
  Descriptor stranger = loopback_socket();
  const Endpoint to = loopback(station.worker->port());
  const Counters& counters = station.worker->engine().counters;
  // Five handshakes of 100 bytes and one of 40.
  std::vector<uint8_t> bytes(540, 1);
  for (size_t i = 0; i < 6; i++) bytes[i * 100 + 1] = static_cast<uint8_t>(i);
  send_series(stranger, to, bytes, 100);
  CHECK(tap::eventually([&] { return counters.udp_received == 6; }));
  HandshakeRing& ring = station.worker->handshakes();
  for (unsigned i = 0; i < 6; i++) {
    const HandshakeRing::Slot* slot = ring.front();
    CHECK(slot != nullptr && slot->length == (i < 5 ? 100 : 40) && slot->bytes[1] == i);
    ring.pop();
  }
  // Datagrams longer than any of ours, in a series and alone, then something that can be heard.
  send_series(stranger, to, std::vector<uint8_t>(60'000, 4), 20'000);
  send_raw(stranger, to, std::vector<uint8_t>(65'507, 4));
  send_raw(stranger, to, {1, 2, 3});
  CHECK(tap::eventually([&] { return counters.udp_received == 11; }));
  CHECK(tap::eventually([&] { return counters.drop_malformed == 4; }));
  CHECK(tap::eventually([&] { return ring.front() != nullptr; }) && ring.front()->length == 3);
}

TEST("worker: with and without series, packets of changing lengths to one peer arrive whole and in order") {
  for (const bool series : {true, false}) {
    Station left({}, {series, series});
    Station right({}, {series, series});
    CHECK(left.worker->offloads().udp_receive == series);
    left.worker->engine().set_peer(kPeer, {host(2)});
    right.worker->engine().set_peer(kPeer, {host(1)});
    left.worker->engine().set_endpoint(kPeer, loopback(right.worker->port()));
    uint8_t a[32] = {1};
    uint8_t b[32] = {2};
    CHECK(right.worker->set_keypair(kPeer, 2, 1, false, b, a) == 0);
    CHECK(left.worker->set_keypair(kPeer, 1, 2, true, a, b) == 0);
    // Written before the threads start: one batch.
    std::vector<std::vector<uint8_t>> packets;
    for (int i = 0; i < 60; i++) packets.push_back(packet_of(1, 2, i % 9 < 6 ? 1000 : 60 + i, static_cast<uint8_t>(i)));
    for (const auto& packet : packets) left.send(packet);
    left.start();
    right.start();
    bool same = true;
    for (const auto& packet : packets) same = same && right.receive() == packet;
    CHECK(same);
    CHECK(tap::eventually([&] { return left.worker->engine().counters.udp_sent >= 60; }));
  }
}

namespace {

void carry_streams(const ChaChaPrimitives* primitives) {
  Worker::Options options;
  options.primitives = primitives;
  options.tun = {true, true, true, true};
  Station left(options);
  Station right(options);
  const Flow flow;
  const Prefix one = host(1);
  const Prefix two = host(2);
  left.worker->engine().set_peer(kPeer, {two});
  right.worker->engine().set_peer(kPeer, {one});
  left.worker->engine().set_endpoint(kPeer, loopback(right.worker->port()));
  uint8_t a[32] = {1};
  uint8_t b[32] = {2};
  CHECK(right.worker->set_keypair(kPeer, 2, 1, false, b, a) == 0);
  CHECK(left.worker->set_keypair(kPeer, 1, 2, true, a, b) == 0);
  left.start();
  right.start();
  VirtioHeader header{};
  header.flags = kNeedsChecksum;
  header.gso_type = kGsoTcp4;
  header.csum_start = 20;
  header.csum_offset = 16;
  uint64_t segments = 0;
  Segment whole;
  // Full packets, packets that are padded, and small ones, more than go into one series.
  for (const size_t size : {1368u, 1001u, 100u}) {
    whole.payload = pattern((size == 100 ? 200 : 40) * size + 5, static_cast<uint8_t>(size));
    header.gso_size = static_cast<uint16_t>(size);
    left.send(with_header(header, build(flow, whole, true)));
    segments += whole.payload.size() / size + 1;
    // It may come in one piece or, when the batch was cut, in several; the payload is the same.
    Bytes payload;
    while (payload.size() < whole.payload.size()) {
      std::vector<uint8_t> bytes(70'000);
      pollfd wait{right.tun.get(), POLLIN, 0};
      if (::poll(&wait, 1, 5000) != 1) break;
      const ssize_t length = ::read(right.tun.get(), bytes.data(), bytes.size());
      CHECK(length > 62);
      if (length <= 62) break;
      VirtioHeader seen;
      std::memcpy(&seen, bytes.data(), kVirtioHeader);
      CHECK(seen.gso_type == kGsoTcp4 || seen.gso_type == kGsoNone);
      payload.insert(payload.end(), bytes.begin() + 62, bytes.begin() + length);
    }
    CHECK(payload == whole.payload);
    CHECK(tap::eventually([&] { return left.worker->engine().counters.tun_read == segments; }));
    CHECK(tap::eventually([&] { return right.worker->engine().counters.tun_written == segments; }));
  }

  // What makes no sense is dropped, and the next packet passes.
  header.csum_start = 9000;
  left.send(with_header(header, build(flow, whole, true)));
  left.send(with_header(VirtioHeader{}, packet_of(1, 2)));
  right.receive();
  CHECK(tap::eventually([&] { return left.worker->engine().counters.drop_malformed == 1; }));
}

}  // namespace

TEST("worker: a TUN device with headers: 64 KiB in, 64 KiB out, and nothing wrong between") {
  carry_streams(nullptr);
}

TEST("worker: and the same by primitives, each message in one run of the cipher") { carry_streams(&plain::kPrimitives); }
