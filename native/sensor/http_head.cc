/**
 * Heads of HTTP. See http_head.h.
 */
#include "http_head.h"

#include <algorithm>
#include <string_view>

#include "hash.h"

namespace anteroom::sensor {

namespace {

using Text = std::string_view;

/** Longer lines are TypeScript's, and more of them. */
constexpr size_t kLine = 1000;
constexpr int kLines = 60;
/** Digits of a length that is believed. */
constexpr size_t kDigits = 9;

constexpr Text kMethods[] = {"GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH "};
/** What a body may be of which nobody has to see more; documents and descriptions are looked at. */
constexpr Text kDocuments[] = {"xml", "ipp", "fhir", "dicom", "multipart"};
/** In targets that may name a patient, and in what is accepted; which do, `src/protocol/http/healthcare.ts` tells. */
constexpr Text kMedical[] = {"fhir", "dicom", "wado", "patient", "/studies", "/series", "/instances", "0010"};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool is(Text text, Text word) noexcept {
  return text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

bool has(Text text, Text word) noexcept {
  for (size_t at = 0; at + word.size() <= text.size(); at++)
    if (lower(text[at]) == word[0] && is(text.substr(at, word.size()), word)) return true;
  return false;
}

template <size_t N>
bool has_any(Text text, const Text (&words)[N]) noexcept {
  return std::any_of(words, words + N, [&](Text word) { return has(text, word); });
}

Text trim(Text text) noexcept {
  const size_t from = text.find_first_not_of(" \t");
  return from == Text::npos ? Text{} : text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

/** `HTTP/1.1 200`; 0: not a response. */
int status_of(Text line) noexcept {
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
    return 0;
  int status = 0;
  for (const char digit : line.substr(9, 3)) {
    if (digit < '0' || digit > '9') return 0;
    status = status * 10 + digit - '0';
  }
  return status;
}

bool is_request(Text line) noexcept {
  return std::any_of(std::begin(kMethods), std::end(kMethods), [&](Text method) { return line.starts_with(method); });
}

/** False: not a length. */
bool read_length(Text text, uint64_t& length) noexcept {
  if (text.empty() || text.size() > kDigits) return false;
  length = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return false;
    length = length * 10 + static_cast<uint64_t>(digit - '0');
  }
  return true;
}

}  // namespace

bool read_http(Padded bytes, uint64_t seed, HttpHead& head) noexcept {
  const Text all(reinterpret_cast<const char*>(bytes.bytes), std::min<size_t>(bytes.length, kHttpHead));
  if (all.empty() || all[0] < 'A' || all[0] > 'Z') return false;
  head = HttpHead{};
  const auto print = [&](uint64_t kind, Text value) {
    head.print ^= fold(hash_bytes(reinterpret_cast<const uint8_t*>(value.data()), value.size(), seed) + kind, seed | 1);
  };
  uint64_t body = 0;
  size_t at = 0;
  for (int line_number = 0; line_number < kLines; line_number++) {
    const size_t end = all.find("\r\n", at);
    if (end == Text::npos) {
      head.open = line_number > 0 && !head.telling && bytes.length < kHttpHead && all.size() - at <= kLine;
      return false;
    }
    if (end - at > kLine) return false;
    const Text line = all.substr(at, end - at);
    at = end + 2;
    if (line_number == 0) {
      const int status = status_of(line);
      head.request = status == 0;
      if (head.request && !is_request(line)) return false;
      // An interim answer is followed by the one that counts.
      if (!head.request && status < 200) return false;
      head.telling = has_any(line, kMedical);
      continue;
    }
    if (line.empty()) {
      head.length = at + body;
      return true;
    }
    const size_t colon = line.find(':');
    if (colon == Text::npos) continue;
    const Text name = trim(line.substr(0, colon));
    const Text value = trim(line.substr(colon + 1));
    switch (name.size()) {
      case 6:
        if (is(name, "server") && !head.request) print(1, value);
        if (is(name, "accept")) head.telling = head.telling || has_any(value, kMedical);
        break;
      case 7:
        if (is(name, "upgrade")) head.telling = true;
        break;
      case 10:
        if (is(name, "user-agent") && head.request) print(2, value);
        break;
      case 12:
        if (is(name, "content-type")) head.telling = head.telling || has_any(value, kDocuments);
        break;
      case 13:
        if (is(name, "authorization")) head.telling = true;
        break;
      case 14:
        if (is(name, "content-length") && !read_length(value, body)) return false;
        break;
      case 16:
        if (is(name, "www-authenticate") && !head.request) print(3, value);
        break;
      case 17:
        // Where it ends is not told in the head.
        if (is(name, "transfer-encoding") && head.request) return false;
        break;
      default:
        break;
    }
  }
  return false;
}

}  // namespace anteroom::sensor
