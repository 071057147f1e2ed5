/**
 * One host: a network card (MAC), or an address where a capture has no MACs; what it was seen to be, what it said, what it
 * offers, and who that makes it. What a row may hold is bounded. The table of them (`host-table.ts`) writes it, others read.
 */
import type { Evidence, HostObservation, Service } from '../wire/observation.ts';
import { limits } from './constants.ts';
import { EvidenceTable, NO_EVIDENCE } from './evidence.ts';
import { macText, NO_MAC } from './frame.ts';
import { Addresses, Services } from './host-rows.ts';
import { identify, identityRows } from './identity.ts';
import type { Identity } from './identity.ts';

/** What everybody speaks, which tells little: it may not take the room of what equipment says. */
const talk: ReadonlySet<string> = new Set(['tcp', 'dns', 'ntp', 'http', 'tls', 'quic', 'ssh', 'smb', 'ntlm']);

/** Who hosts are, of as many as are kept; of others it is found again when it is asked for. */
class Identities {
  readonly #rows = new Map<Host, { readonly learnt: number; readonly value: Identity }>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  of(host: Host): Identity {
    const known = this.#rows.get(host);
    if (known?.learnt === host.learnt) return known.value;
    const value = identify({
      evidence: host.evidenceRows(),
      services: host.serviceRows(),
      vendor: host.vendor,
    });
    this.#rows.delete(host);
    this.#rows.set(host, { learnt: host.learnt, value });
    if (this.#rows.size > this.#capacity)
      for (const oldest of this.#rows.keys()) {
        this.#rows.delete(oldest);
        break;
      }
    return value;
  }

  forget(host: Host): void {
    this.#rows.delete(host);
  }
}

/** What the rows of all hosts share. */
export class Shared {
  readonly evidence = new EvidenceTable();
  readonly identities: Identities;

  constructor(identities: number = limits.IDENTITIES) {
    this.identities = new Identities(identities);
  }
}

/** What its row is found by: its card, or its address where a capture has no cards. */
export type HostKey = number | string;

/** One host. Other files read it; the table writes it. */
export class Host {
  readonly mac: number;
  readonly key: HostKey;
  readonly vendor: string | undefined;
  readonly addresses = new Addresses();
  readonly services = new Services();
  /** The chain of what it said, and how much that is. */
  #said = NO_EVIDENCE;
  evidence = 0;
  router = false;
  readonly first: number;
  last: number;
  /** Something new since the last report; `reported` is when that was. */
  changed = true;
  reported = -Infinity;
  /** Counts what was learnt. */
  learnt = 0;
  /** `learnt` when it was last judged (`behaviour.ts`). */
  judged = -1;
  /** When it was last heard, as `behaviour.ts` knows. */
  heard = -Infinity;
  /** Heard, or more is known of it, since that was last asked of the table. */
  stirred = false;
  /** More is known than a MAC, addresses and the shape of its packets, which anyone can invent; or it is answered. */
  known = false;
  /** It has no row any more. */
  gone = false;
  /** Somebody answers it: it isn't merely a sender's invention. */
  talked = false;
  /** Its neighbours in the order in which hosts were seen (`host-queue.ts`). */
  older: Host | undefined;
  younger: Host | undefined;
  #macText: string | undefined;
  readonly #shared: Shared;
  /** Whether it is a medical device, and `learnt` when that was known. */
  #medical = false;
  #medicalAt = -1;

  constructor(
    mac: number,
    vendor: string | undefined,
    at: number,
    shared = new Shared(),
    key: HostKey = mac,
  ) {
    this.#shared = shared;
    this.mac = mac;
    this.key = key;
    this.vendor = vendor;
    this.first = at;
    this.last = at;
  }

  /**
   * Enough is known for a row of the inventory: it talks with somebody, or says what it is in more than requests for
   * an address, which anyone can send in anyone's name.
   */
  get established(): boolean {
    if (this.talked || this.services.size > 0) return true;
    let dhcp = false;
    const { evidence } = this.#shared;
    for (let row = this.#said; row !== NO_EVIDENCE; row = evidence.next(row)) {
      const protocol = evidence.protocol(row);
      if (protocol === 'dhcp' || protocol === 'dhcpv6') dhcp = true;
      else if (protocol !== 'tcp') return true;
    }
    // It uses the address that it asked for.
    return dhcp && this.addresses.size > 0;
  }

  get macText(): string {
    this.#macText ??= macText(this.mac);
    return this.#macText;
  }

  /** The host as `control` gets it; undefined for a host without a MAC. */
  observation(): HostObservation | undefined {
    if (this.mac === NO_MAC) return undefined;
    const identity = identityRows(this.identity());
    return {
      mac: this.macText,
      ...(this.vendor === undefined ? {} : { vendor: this.vendor }),
      addresses: this.addressTexts(),
      services: this.serviceRows(),
      evidence: this.evidenceRows(),
      ...(identity.length === 0 ? {} : { identity }),
      first: Math.round(this.first),
      last: Math.round(this.last),
    };
  }

  /** Who it is. */
  identity(): Identity {
    return this.#shared.identities.of(this);
  }

  /** What it was when that was last asked; undefined when more is known since. */
  get medicalBefore(): boolean | undefined {
    return this.#medicalAt === this.learnt ? this.#medical : undefined;
  }

  get medical(): boolean {
    if (this.#medicalAt !== this.learnt) {
      this.#medical = this.identity().medical;
      this.#medicalAt = this.learnt;
    }
    return this.#medical;
  }

  addressTexts(): string[] {
    return this.addresses.rows().map((row) => row.text);
  }

  serviceRows(): Service[] {
    return this.services.rows().toSorted((a, b) => a.port - b.port || a.transport.localeCompare(b.transport));
  }

  evidenceRows(): Evidence[] {
    return this.#shared.evidence.rows(this.#said);
  }

  /** It said `value` in `field`; false when that is no news, or more than is kept. */
  say(protocol: string, field: string, value: string, at: number): boolean {
    const { evidence } = this.#shared;
    const common = talk.has(protocol);
    let values = 0;
    let talked = 0;
    let tail = NO_EVIDENCE;
    for (let row = this.#said; row !== NO_EVIDENCE; row = evidence.next(row)) {
      if (evidence.says(row, protocol, field)) {
        if (evidence.value(row) === value) {
          evidence.again(row, at);
          return false;
        }
        values++;
      }
      if (common && talk.has(evidence.protocol(row))) talked++;
      tail = row;
    }
    if (this.evidence >= limits.EVIDENCE || values >= limits.VALUES || talked >= limits.TALK) return false;
    if (evidence.size >= limits.EVIDENCE_ALL && this.evidence >= limits.EVIDENCE_LEAST) return false;
    const row = evidence.add(protocol, field, value, at, tail);
    if (tail === NO_EVIDENCE) this.#said = row;
    this.evidence++;
    return true;
  }

  /** The row goes, and with it what it said. */
  forget(): void {
    this.gone = true;
    this.#shared.evidence.remove(this.#said);
    this.#shared.identities.forget(this);
    this.#said = NO_EVIDENCE;
    this.evidence = 0;
  }
}
