/**
 * Sends frames at a rate, for the sensor's bench: UDP of 100 bytes between 200 hosts, 1,000 flows in turn.
 *
 *   send-frames INTERFACE FRAMES-A-SECOND SECONDS      prints how many were sent, and for how many seconds
 *
 * Past the queue of the interface (PACKET_QDISC_BYPASS, packet(7)) and many a call (sendmmsg(2)): a socket of UDP
 * doesn't get to 100,000 a second on a small machine. Frames that are late are sent at once, as many as are due.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr size_t kFrame = 142;
constexpr size_t kBatch = 256;
constexpr uint32_t kFlows = 1000;
constexpr uint32_t kHosts = 100;

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

void put16(uint8_t* to, uint32_t value) {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}

/** Ethernet, IPv4 and UDP of flow `n`. */
void fill(uint8_t* frame, uint32_t n) {
  std::memset(frame, 0x55, kFrame);
  const uint32_t host = n % kHosts;
  const uint8_t macs[] = {2, 0, 0, 0, 1, static_cast<uint8_t>(host), 2, 0, 0, 0, 2, static_cast<uint8_t>(host)};
  std::memcpy(frame, macs, sizeof macs);
  put16(frame + 12, 0x0800);
  uint8_t* ip = frame + 14;
  const uint8_t header[] = {0x45, 0, 0, 128, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 66, 2, static_cast<uint8_t>(host + 1),
                            10, 66, 1, static_cast<uint8_t>(host + 1)};
  std::memcpy(ip, header, sizeof header);
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += static_cast<uint32_t>(ip[i]) << 8 | ip[i + 1];
  sum = (sum & 0xffff) + (sum >> 16);
  put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
  put16(ip + 20, 40'000 + n);
  put16(ip + 22, 20'000);
  put16(ip + 24, 108);
  put16(ip + 26, 0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 64;
  const double rate = std::atof(argv[2]);
  const double seconds = std::atof(argv[3]);
  const int fd = ::socket(AF_PACKET, SOCK_RAW, 0);
  const int on = 1;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = static_cast<int>(::if_nametoindex(argv[1]));
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 ||
      ::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) {
    std::perror(argv[1]);
    return 1;
  }
  static std::array<std::array<uint8_t, kFrame>, kFlows> frames;
  for (uint32_t n = 0; n < kFlows; n++) fill(frames[n].data(), n);
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  const double start = now();
  uint64_t sent = 0;
  for (double at = 0; at < seconds; at = now() - start) {
    const auto due = static_cast<uint64_t>(at * rate);
    if (due <= sent) {
      const timespec wait{0, 500'000};
      nanosleep(&wait, nullptr);
      continue;
    }
    const auto many = static_cast<unsigned>(std::min<uint64_t>(due - sent, kBatch));
    for (unsigned i = 0; i < many; i++) {
      parts[i] = {frames[(sent + i) % kFlows].data(), kFrame};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int taken = ::sendmmsg(fd, messages.data(), many, 0);
    if (taken > 0) {
      sent += static_cast<uint64_t>(taken);
    } else if (errno != ENOBUFS && errno != EAGAIN) {
      std::perror("sendmmsg");
      return 1;
    }
  }
  std::printf("{\"sent\":%llu,\"seconds\":%.3f}\n", static_cast<unsigned long long>(sent), now() - start);
  return 0;
}
