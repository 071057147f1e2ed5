/**
 * What the stage hears for itself: heads of HTTP and hellos of TLS, what of them is news, and that nothing is lost of
 * what it can't read.
 */
#include <cstring>
#include <string>
#include <vector>

#include "net/little_endian.h"
#include "sensor/http_head.h"
#include "sensor/stage.h"
#include "sensor/tls_hello.h"
#include "tap.h"

using namespace anteroom;
using namespace anteroom::sensor;

namespace {

constexpr uint32_t kClient = 0x0a000001, kServer = 0x0a000002, kFar = 0x08080808;
constexpr uint8_t kSyn = 2, kReset = 4, kAck = 16, kPush = 24;
constexpr uint64_t kSeed = 0x243f6a8885a308d3;

Padded padded(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), static_cast<uint32_t>(text.size())};
}

HttpHead head_of(const std::string& text) {
  HttpHead head;
  CHECK(read_http(padded(text), kSeed, head));
  return head;
}

std::string u16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }

std::string extension(uint16_t kind, const std::string& body) { return u16(kind) + u16(body.size()) + body; }

std::string record_of(uint8_t type, const std::string& body) {
  const std::string message = std::string(1, static_cast<char>(type)) + std::string(1, '\0') + u16(body.size()) + body;
  return std::string("\x16\x03\x01") + u16(message.size()) + message;
}

std::string client_hello(const std::string& name, char random, bool shuffled = false) {
  const std::string ciphers = shuffled ? "\x13\x02\x13\x01" : "\x13\x01\x13\x02";
  const std::string server = extension(0, u16(name.size() + 3) + std::string(1, '\0') + u16(name.size()) + name);
  const std::string versions = extension(43, "\x04\x03\x04\x03\x03");
  const std::string extensions =
      shuffled ? versions + extension(0x2a2a, "") + server : server + extension(0x1a1a, "") + versions;
  const std::string offer = u16(4) + ciphers + std::string("\1\0", 2) + u16(extensions.size()) + extensions;
  return record_of(1, "\x03\x03" + std::string(32, random) + std::string(1, '\0') + offer);
}

std::string server_hello(char random, bool sealed, const std::string& certificate) {
  const std::string extensions = sealed ? extension(43, "\x03\x04") : "";
  const std::string hello =
      record_of(2, "\x03\x03" + std::string(32, random) + std::string(1, '\0') + "\xc0\x2f" + std::string(1, '\0') +
                       u16(extensions.size()) + extensions);
  return certificate.empty() ? hello : hello + record_of(11, certificate);
}

/** One connection after the other between the same two ends, and what of their payload is handed over. */
class Talk {
 public:
  explicit Talk(uint32_t server = kServer) : server_(server) {}

  void open() {
    port_++;
    next_[0] = next_[1] = 1000;
    send(0, "", kSyn);
    send(1, "", kSyn | kAck);
  }

  /** The same ports: what was handed over of the connection before. */
  std::string open_again() {
    next_[0] = 9000;
    return send(0, "", kSyn);
  }

  std::string reset(int side) { return send(side, "", kReset); }

  /** What is handed over of a segment. */
  std::string say(int side, const std::string& text, double at = 0) { return send(side, text, kPush, at); }

  /** A segment whose place is told. */
  std::string say_at(int side, uint32_t sequence, const std::string& text) {
    next_[side] = sequence;
    return send(side, text, kPush);
  }

  uint32_t next(int side) const { return next_[side]; }
  size_t ended() const { return ended_; }
  uint8_t spoken() {
    batch_.clear();
    CHECK(stage_.tell(batch_));
    uint8_t last = 255;
    each(Record::kFlow, [&](const uint8_t* record) { last = record[44]; });
    return last;
  }

 private:
  template <typename Visit>
  void each(Record kind, Visit visit) {
    for (size_t at = 0; at < batch_.size(); at += load_le32(memory_.data() + at + 4))
      if (memory_[at] == static_cast<uint8_t>(kind)) visit(memory_.data() + at);
  }

  std::string send(int side, const std::string& text, uint8_t flags, double at = 0) {
    std::vector<uint8_t> frame(54 + text.size());
    const uint32_t from = side == 0 ? kClient : server_, to = side == 0 ? server_ : kClient;
    const uint16_t source = side == 0 ? port_ : 80, destination = side == 0 ? 80 : port_;
    const auto put = [&](size_t place, uint64_t value, int bytes) {
      while (bytes-- > 0) frame[place++] = static_cast<uint8_t>(value >> 8 * bytes);
    };
    put(2, to, 4);
    put(8, from, 4);
    put(12, 0x0800, 2);
    put(14, 0x45, 1);
    put(16, 40 + text.size(), 2);
    put(22, from == kFar ? 55 : 64, 1);
    put(23, 6, 1);
    put(26, from, 4);
    put(30, to, 4);
    put(34, source, 2);
    put(36, destination, 2);
    put(38, next_[side], 4);
    put(46, 0x50, 1);
    put(47, flags, 1);
    std::memcpy(frame.data() + 54, text.data(), text.size());
    next_[side] += static_cast<uint32_t>(text.size()) + ((flags & kSyn) != 0 ? 1 : 0);
    batch_.clear();
    const auto length = static_cast<uint32_t>(frame.size());
    CHECK(stage_.take(link::kEthernet, frame.data(), length, length, at, batch_));
    std::string told;
    each(Record::kFrame, [&](const uint8_t* record) {
      const uint8_t* chunk = record + Batch::kFixed + load_le32(record + 76);
      told.append(reinterpret_cast<const char*>(chunk), load_le32(record + 128));
    });
    each(Record::kData, [&](const uint8_t* record) {
      told.append(reinterpret_cast<const char*>(record + 32), load_le32(record + 28));
    });
    each(Record::kEnded, [&](const uint8_t*) { ended_++; });
    return told;
  }

  Stage stage_{Stage::Options{.flows = 64, .sightings = 64, .seed = kSeed}};
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(Stage::kBatchBytes);
  Batch batch_{memory_.data(), memory_.size()};
  uint32_t server_;
  uint32_t next_[2] = {};
  uint16_t port_ = 40'000;
  size_t ended_ = 0;
};

const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: Viewer 1\r\n\r\n";
const std::string kAnswer = "HTTP/1.1 200 OK\r\nServer: Small 2\r\nContent-Length: 2\r\n\r\nok";

}  // namespace

TEST("http: where a message ends, and what of it is the same") {
  const HttpHead get = head_of(kGet);
  CHECK(get.request && !get.telling && get.length == kGet.size());
  CHECK(head_of("GET /other?name=b HTTP/1.0\r\nuser-agent:  Viewer 1 \r\nAccept: */*\r\n\r\n").print == get.print);
  CHECK(head_of("GET /a HTTP/1.1\r\nUser-Agent: Viewer 2\r\n\r\n").print != get.print);
  const HttpHead answer = head_of(kAnswer);
  CHECK(!answer.request && answer.length == kAnswer.size());
  CHECK(head_of("HTTP/1.1 404 No\r\nDate: now\r\nSERVER: Small 2\r\n\r\n").print == answer.print);
  const std::string asks = "HTTP/1.1 401 No\r\nServer: Small 2\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n";
  CHECK(head_of(asks).print != answer.print);
  CHECK(head_of("POST / HTTP/1.1\r\ncontent-length: 12\r\n\r\n").length == 39 + 12);
}

TEST("http: what has to be looked at is told, and what is odd isn't read") {
  CHECK(head_of("GET / HTTP/1.1\r\nAUTHORIZATION : Basic eDp5\r\n\r\n").telling);
  CHECK(head_of("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").telling);
  CHECK(head_of("GET /FHIR/Patient HTTP/1.1\r\n\r\n").telling);
  CHECK(head_of("GET / HTTP/1.1\r\nAccept: application/dicom+json\r\n\r\n").telling);
  CHECK(head_of("GET /pacs/studies?limit=5 HTTP/1.1\r\n\r\n").telling);
  CHECK(head_of("GET /q?00100010=x HTTP/1.1\r\n\r\n").telling);
  CHECK(head_of("GET /q?PatientID=x HTTP/1.1\r\n\r\n").telling);
  CHECK(head_of("POST / HTTP/1.1\r\nContent-Type: application/soap+xml\r\n\r\n").telling);
  CHECK(head_of("HTTP/1.1 200 OK\r\nContent-Type: text/XML\r\n\r\n").telling);
  CHECK(!head_of("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n").telling);
  HttpHead head;
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n"), std::string("HTTP/1.1 100 Continue\r\n\r\n"),
        std::string("CONNECT a:1 HTTP/1.1\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        std::string("MSGF0123456789abcdef\r\n\r\n"), "GET / HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n"}) {
    head = HttpHead{};
    CHECK(!read_http(padded(text), kSeed, head));
    // The first alone goes on.
    CHECK(head.open == text.starts_with("GET / HTTP/1.1\r\nHost"));
  }
}

TEST("tls: a client is who offers the same in any order, whatever its random bytes") {
  TlsHello one, two;
  CHECK(read_tls(padded(client_hello("a.example", 'r')), kSeed, one) && one.client);
  CHECK(read_tls(padded(client_hello("a.example", 's', true)), kSeed, two) && one.print == two.print);
  CHECK(read_tls(padded(client_hello("b.example", 'r')), kSeed, two) && one.print != two.print);
  const std::string whole = client_hello("a.example", 'r');
  for (size_t length = 0; length < whole.size(); length++) CHECK(!read_tls(padded(whole.substr(0, length)), kSeed, two));
}

TEST("tls: a server is what it chose and its certificate") {
  TlsHello one, two;
  CHECK(read_tls(padded(server_hello('r', false, "certificate")), kSeed, one) && !one.client && !one.sealed);
  CHECK(read_tls(padded(server_hello('s', false, "certificate")), kSeed, two) && one.print == two.print);
  CHECK(read_tls(padded(server_hello('r', false, "another")), kSeed, two) && one.print != two.print);
  CHECK(read_tls(padded(server_hello('r', true, "")), kSeed, two) && two.sealed && one.print != two.print);
  CHECK(read_tls(padded(server_hello('s', true, "any")), kSeed, one) && one.print == two.print);
}

TEST("stage: a request and its answer are handed over once in a while") {
  Talk talk;
  talk.open();
  CHECK(talk.say(0, kGet) == kGet);
  CHECK(talk.say(1, kAnswer) == kAnswer);
  CHECK(talk.say(1, "a second answer").empty());
  talk.open();
  CHECK(talk.say(0, kGet).empty());
  CHECK(talk.say(1, kAnswer).empty());
  CHECK(talk.spoken() == static_cast<uint8_t>(Spoken::kHttp));
  const std::string other = "GET /a HTTP/1.1\r\nUser-Agent: Viewer 2\r\n\r\n";
  CHECK(talk.say(0, other) == other);
  talk.open();
  CHECK(talk.say(0, kGet, 120'000) == kGet);
}

TEST("stage: credentials are handed over behind requests and bodies that aren't, in one segment and in many") {
  const std::string login = "GET /b HTTP/1.1\r\nAuthorization: Basic eDp5\r\n\r\n";
  const std::string post = "POST /c HTTP/1.1\r\nUser-Agent: Viewer 1\r\nContent-Length: 40\r\n\r\n";
  Talk talk;
  talk.open();
  CHECK(talk.say(0, kGet) == kGet);
  talk.open();
  CHECK(talk.say(0, kGet + login + "rest") == login + "rest");
  talk.open();
  CHECK(talk.say(0, post + std::string(30, 'b')).empty());
  CHECK(talk.say(0, std::string(10, 'b') + login) == login);
  CHECK(talk.say(0, kGet) == kGet);
  talk.open();
  CHECK(talk.say(0, "GET /b HTTP/1.1\r\nAuth").empty());
  CHECK(talk.say(0, "orization: Basic eDp5\r\n\r\n") == "GET /b HTTP/1.1\r\nAuthorization: Basic eDp5\r\n\r\n");
  CHECK(talk.say(0, "the rest") == "the rest");
  talk.open();
  CHECK(talk.say(0, kGet).empty());
  const uint32_t gap = talk.next(0);
  CHECK(talk.say_at(0, gap + static_cast<uint32_t>(kGet.size()), login).empty());
  CHECK(talk.say_at(0, gap, kGet) == kGet + login);
}

TEST("stage: a head in many segments is handed over when it brings news, and when it doesn't end") {
  Talk talk;
  talk.open();
  std::string told;
  for (const char byte : kAnswer) told += talk.say(1, std::string(1, byte));
  // Its first line may be of something else.
  CHECK(told == kAnswer);
  talk.open();
  CHECK(talk.say(1, kAnswer) == kAnswer);
  talk.open();
  CHECK(talk.say(1, "HTTP/1.1 200 OK\r\n").empty());
  CHECK(talk.say(1, "Server: Small").empty());
  CHECK(talk.say(1, " 2\r\nDate: x\r\n\r\nbody").empty());
  CHECK(talk.say(1, "more").empty());
  CHECK(talk.ended() == 0);
  CHECK(talk.spoken() == static_cast<uint8_t>(Spoken::kHttp));
  talk.open();
  CHECK(talk.say(1, "HTTP/1.1 200 OK\r\n").empty());
  CHECK(talk.say(1, "Server: Small").empty());
  CHECK(talk.say(1, " 3\r\n\r\nbody") == "HTTP/1.1 200 OK\r\nServer: Small 3\r\n\r\nbody");
  CHECK(talk.say(1, "more").empty());
  talk.open();
  CHECK(talk.say(0, kGet) == kGet);
  CHECK(talk.say(0, kGet + "GET /b HTTP/1.1\r\nHost").empty());
  CHECK(talk.say(0, ": a\r\nUser-Agent: Viewer 1\r\n\r\n" + kGet + "GET /c HTTP/1.1\r\n").empty());
  CHECK(talk.say(0, "Authorization: Basic eDp5\r\n\r\n") ==
        "GET /c HTTP/1.1\r\nAuthorization: Basic eDp5\r\n\r\n");
  // No end of it in sight; a reset; a segment that isn't there; who is silent.
  const std::string first = "HTTP/1.1 200 OK\r\nServer: Small 4\r\n";
  talk.open();
  CHECK(talk.say(1, first).empty());
  const std::string line = "X: " + std::string(900, 'x') + "\r\n";
  for (int n = 0; n < 4; n++) CHECK(talk.say(1, line).empty());
  CHECK(talk.say(1, line) == first + line + line + line + line + line);
  CHECK(talk.say(1, "more") == "more");
  talk.open();
  CHECK(talk.say(1, first).empty());
  const uint32_t gap = talk.next(1);
  CHECK(talk.say_at(1, gap + 4, "late").empty());
  CHECK(talk.say_at(1, gap, "more") == first + "morelate");
  talk.open();
  CHECK(talk.say(1, first).empty());
  CHECK(talk.reset(0) == first);
  talk.open();
  CHECK(talk.say(1, first).empty());
  CHECK(talk.say(0, kGet, 20'000) == kGet + first);
  talk.open();
  CHECK(talk.say(1, first, 20'000).empty());
  CHECK(talk.open_again() == first);
}

TEST("stage: what comes from beyond a router is read for what it speaks, and what tells is handed over") {
  Talk talk(kFar);
  talk.open();
  CHECK(talk.say(1, kAnswer).empty());
  CHECK(talk.spoken() == static_cast<uint8_t>(Spoken::kHttp));
  talk.open();
  const std::string xml = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<device>";
  CHECK(talk.say(1, xml) == xml);
  CHECK(talk.say(1, "</device>") == "</device>");
  talk.open();
  CHECK(talk.say(1, server_hello('r', false, "certificate")).empty());
  CHECK(talk.spoken() == static_cast<uint8_t>(Spoken::kTls));
}

TEST("stage: a hello once in a while; a certificate that is news to its end") {
  Talk talk;
  talk.open();
  const std::string hello = client_hello("a.example", 'r');
  const std::string answer = server_hello('r', false, "certificate");
  CHECK(talk.say(0, hello) == hello);
  CHECK(talk.say(0, "more").empty());
  CHECK(talk.say(1, answer) == answer);
  CHECK(talk.say(1, "and the rest") == "and the rest");
  talk.open();
  CHECK(talk.say(0, client_hello("a.example", 's')).empty());
  CHECK(talk.say(1, server_hello('s', false, "certificate")).empty());
  CHECK(talk.ended() == 0);
  talk.open();
  const std::string another = client_hello("b.example", 'r');
  CHECK(talk.say(0, another) == another);
  // The flow is known over there, so it is told that nothing more comes of the other side.
  CHECK(talk.say(1, server_hello('t', false, "certificate")).empty());
  CHECK(talk.ended() == 1);
}
