/** Parts of DNS messages: what says the same, what doesn't, and messages that go round. */
#include "sensor/dns_records.h"

#include <string>

#include "tap.h"

using namespace anteroom;
using namespace anteroom::sensor;

namespace {

constexpr uint64_t kSeed = 0x243f6a8885a308d3;

std::string u16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

std::string name(const std::string& text) {
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('.', at), text.size());
    bytes += static_cast<char>(end - at) + text.substr(at, end - at);
    at = end + 1;
  }
  return bytes + '\0';
}

std::string header(uint16_t flags, size_t questions, size_t records) {
  return u16(7) + u16(flags) + u16(questions) + u16(records) + u16(0) + u16(0);
}

std::string record(const std::string& owner, uint16_t type, const std::string& data, char ttl = 9) {
  return owner + u16(type) + u16(1) + std::string(3, '\0') + ttl + u16(data.size()) + data;
}

Prints read(bool (*how)(Padded, uint64_t, Prints&) noexcept, const std::string& bytes, bool wanted = true) {
  Prints prints;
  const Padded padded{reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<uint32_t>(bytes.size())};
  CHECK(how(padded, kSeed, prints) == wanted);
  return prints;
}

Prints asks(const std::string& text) { return read(read_questions, header(0, 1, 0) + name(text) + u16(1) + u16(1)); }

}  // namespace

TEST("dns: questions are told apart by their domain") {
  const uint64_t one = asks("www.example.org").print[0];
  CHECK(asks("mail.EXAMPLE.org").print[0] == one);
  CHECK(asks("www.example.com").print[0] != one);
  CHECK(asks("a.clinic.co.uk").print[0] == asks("b.clinic.co.uk").print[0]);
  CHECK(asks("a.clinic.co.uk").print[0] != asks("a.other.co.uk").print[0]);
  CHECK(asks("1.0.0.10.in-addr.arpa").count == 0 && asks("printer.local").count == 0 && asks("host").count == 0);
}

TEST("dns: records are told apart one by one, in whatever order and words") {
  const std::string text = record(name("a.local"), 16, std::string("\x08md=Pump1"));
  const std::string address = record(name("a.local"), 1, std::string("\x0a\0\0\1", 4));
  const Prints both = read(read_records, header(0x8400, 0, 2) + text + address);
  const std::string again = record(name("A.local"), 1, std::string("\x0a\0\0\1", 4), 1);
  const Prints turned = read(read_records, header(0x8400, 0, 2) + again + text);
  CHECK(both.count == 2 && turned.count == 2);
  CHECK(both.print[0] == turned.print[1] && both.print[1] == turned.print[0]);
  const std::string other = record(name("a.local"), 16, std::string("\x08md=Pump2"));
  CHECK(read(read_records, header(0x8400, 0, 1) + other).print[0] != both.print[0]);
  // A service by a pointer into the message and in full.
  const std::string service = name("_http._tcp.local");
  const std::string full = header(0x8400, 0, 1) + record(service, 12, name("x._http._tcp.local"));
  const std::string pointed = header(0x8400, 0, 1) + record(service, 12, std::string("\1x\xc0\x0c", 4));
  CHECK(read(read_records, full).print[0] == read(read_records, pointed).print[0]);
  // Who asks for a service doesn't offer it.
  CHECK(read(read_records, header(0, 0, 1) + record(service, 12, name("x._http._tcp.local"))).count == 0);
  CHECK(read(read_records, header(0x8400, 0, 1) + record(name("a.local"), 33, "port")).count == 0);
}

TEST("dns: names that go round or beyond the end are none") {
  read(read_questions, header(0, 1, 0) + std::string("\xc0\x0c", 2) + u16(1) + u16(1), false);
  read(read_questions, header(0, 1, 0) + name("example.org"), false);
  read(read_records, header(0x8400, 0, 1) + record(name("a"), 1, "data").substr(0, 14), false);
  read(read_records, header(0x8400, 0, 2) + record(name("a"), 1, "data"), false);
}
