/**
 * The WireGuard protocol's numbers. Sections are those of the whitepaper: J. A. Donenfeld, "WireGuard: Next
 * Generation Kernel Network Tunnel", revision of June 2020. The hybrid exchange is specified in docs/PROTOCOL.md.
 */
import { millis, minutes, seconds } from '../wire/units.ts';

// ── Specification ────────────────────────────────────────────────────────────────────────────────────────

/** Section 5.4: the Noise protocol, the prologue, and the labels of the two MAC keys. */
export const CONSTRUCTION = 'Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s';
export const IDENTIFIER = new TextEncoder().encode('WireGuard v1 zx2c4 Jason@zx2c4.com');
export const LABEL_MAC1 = new TextEncoder().encode('mac1----');
export const LABEL_COOKIE = new TextEncoder().encode('cookie--');

/** docs/PROTOCOL.md, "Hybrid handshake": another name, so no message of one exchange means anything in the other. */
export const HYBRID_CONSTRUCTION = 'Noise_IKhfspsk2_25519+MLKEM768_ChaChaPoly_BLAKE2s';

/** Section 5.4: first byte of a message; three zero bytes follow. */
export const TYPE_INITIATION = 1;
export const TYPE_RESPONSE = 2;
export const TYPE_COOKIE_REPLY = 3;
export const TYPE_TRANSPORT = 4;
/** docs/PROTOCOL.md, "Hybrid handshake"; unknown to a stock peer, which drops them. */
export const TYPE_HYBRID_INITIATION = 5;
export const TYPE_HYBRID_RESPONSE = 6;

/** Sections 5.4.2, 5.4.3 and 5.4.7: exact lengths of the handshake messages. */
export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
export const COOKIE_REPLY_BYTES = 64;
export const HYBRID_INITIATION_BYTES = 1348;
export const HYBRID_RESPONSE_BYTES = 1196;

/** Section 5.1: a TAI64N label. */
export const TIMESTAMP_BYTES = 12;

/** Section 6.1. */
export const REKEY_AFTER_TIME = seconds(120);
export const REJECT_AFTER_TIME = seconds(180);
export const REKEY_ATTEMPT_TIME = seconds(90);
export const REKEY_TIMEOUT = seconds(5);
export const KEEPALIVE_TIMEOUT = seconds(10);

/**
 * Section 6.2: an initiator that receives on a keypair this old begins a new handshake, so that a session
 * in which only the responder sends doesn't lapse.
 */
export const REKEY_ON_RECEIVE_TIME = millis(REJECT_AFTER_TIME - KEEPALIVE_TIMEOUT - REKEY_TIMEOUT);

/** Section 6.3: after this long without a new session every key is wiped. */
export const ZERO_KEYS_TIME = millis(3 * REJECT_AFTER_TIME);

/** Section 5.4.7: how long a cookie, and the secret it is made of, is good for. */
export const COOKIE_LIFETIME = minutes(2);

/** Section 6.1: at most this is added to a handshake's timeout, so that two ends don't stay in step. */
export const MAX_JITTER = millis(333);

// ── Implementation ───────────────────────────────────────────────────────────────────────────────────────

/** Handshake datagrams that wait to be looked at; more are dropped and counted. */
export const MAX_ARRIVALS = 4096;
/** Handshake messages that passed the cheap checks and wait for their X25519; more are dropped and counted. */
export const MAX_ADMITTED = 256;
/**
 * One turn of the event loop looks at this many arrivals (tens of microseconds each) and does this many
 * handshakes (about a millisecond each): other work of the process waits less than 10 ms.
 */
export const ARRIVALS_PER_TURN = 64;
export const HANDSHAKES_PER_TURN = 6;

/** Under load (section 5.3) begins when this many admitted handshakes or arrivals wait, and lasts this long. */
export const LOAD_ADMITTED = 32;
export const LOAD_ARRIVALS = 1024;
export const LOAD_HOLD = seconds(1);
/**
 * A source, an IPv4 address or an IPv6 /64, of which so many wait is under load by itself: it is asked for a cookie,
 * the others aren't. What comes from a source that fills its share of the first queue is dropped and counted; a share is
 * so small that it takes several sources to bring everybody under load.
 */
export const LOAD_SOURCE_ADMITTED = 12;
export const MAX_SOURCE_ARRIVALS = 256;

/** Under load, handshakes a second and burst of one source: an IPv4 address or an IPv6 /64. */
export const HANDSHAKES_PER_SECOND = 20;
export const HANDSHAKE_BURST = 5;
/** Sources the rate limiter remembers at once; while it is full, sources it doesn't know are refused. */
export const MAX_LIMITED_SOURCES = 4096;

/**
 * Keypairs of one peer that only receive, besides the current and the next one; the transport keeps as many. Whatever
 * the two ends begin and lose, each installs at most two within REKEY_TIMEOUT, and no packet is under way for longer.
 */
export const OLDER_KEYPAIRS = 3;
/**
 * When both ends began a handshake at once, both are the initiator of the keypair they send with, and both would
 * rekey in the same moment again: one of them leaves it to the other for this long.
 */
export const REKEY_YIELD_TIME = REKEY_TIMEOUT;

/** Initiations of one peer that come closer together than this are dropped. */
export const MIN_INITIATION_INTERVAL = millis(50);

/**
 * What is stored of the greatest timestamp of a peer is exact, unless it was stored less than HURRY ago: then it
 * is so far AHEAD that the peer's next ones cost no write.
 */
export const TIMESTAMP_STORE_HURRY = seconds(4);
export const TIMESTAMP_STORE_AHEAD = seconds(2);
/** Stores that a peer may cause at once, and the time in which it may cause one more. */
export const TIMESTAMP_STORE_BURST = 8;
export const TIMESTAMP_STORE_REFILL = seconds(1);
/** How far ahead of our own last timestamp the stored one is: one write a minute, however many peers there are. */
export const OWN_TIMESTAMP_AHEAD = minutes(1);

/** Timestamps are rounded down to 2^24 ns, about 17 ms: they tell nobody how busy the machine's clock is. */
export const TIMESTAMP_GRAIN_NS = 1 << 24;

/** Refusals of one reason are reported once in this time, with their count. */
export const REFUSAL_INTERVAL = seconds(10);

/** Peers a device can hold; the transport numbers them 0 to MAX_PEERS - 1. */
export const MAX_PEERS = 4096;
