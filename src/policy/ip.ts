/**
 * Addresses as Cedar's `ipaddr` extension has them: an address with a prefix length.
 * https://docs.cedarpolicy.com/policies/syntax-datatypes.html#datatype-ipaddr
 *
 * Surprises: host bits stay, so 10.0.0.1/24 and 10.0.0.0/24 differ; a bare address is its own /32 or /128; IPv4
 * inside IPv6 text ("::ffff:10.0.0.1") is no address to Cedar, nor is a zone.
 */

/** Longest text of an address with its prefix: eight groups, a slash, three digits. */
const MAX_TEXT = 43;
const V4_BITS = 32;
const V6_BITS = 128;

export class Ip {
  readonly bits: bigint;
  readonly width: 32 | 128;
  readonly prefix: number;

  constructor(bits: bigint, width: 32 | 128, prefix: number) {
    this.bits = bits;
    this.width = width;
    this.prefix = prefix;
  }

  equals(other: Ip): boolean {
    return this.bits === other.bits && this.width === other.width && this.prefix === other.prefix;
  }

  get key(): string {
    return `${this.width}:${this.bits}/${this.prefix}`;
  }

  /** Every address of the range is loopback. */
  get loopback(): boolean {
    return this.width === V4_BITS
      ? this.bits >> 24n === 127n && this.prefix >= 8
      : this.bits === 1n && this.prefix === V6_BITS;
  }

  /** Every address of the range is multicast. */
  get multicast(): boolean {
    return this.width === V4_BITS
      ? this.bits >> 28n === 0xen && this.prefix >= 4
      : this.bits >> 120n === 0xffn && this.prefix >= 8;
  }

  /** Every address of this range is in `other`. */
  isInRange(other: Ip): boolean {
    if (this.width !== other.width || this.prefix < other.prefix) return false;
    const host = BigInt(other.width - other.prefix);
    return this.bits >> host === other.bits >> host;
  }
}

function readV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let bits = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

function readV6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')));
  const [head = [], tail = []] = groups;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let bits = 0n;
  for (const group of [...head, ...Array.from({ length: missing }, () => '0'), ...tail]) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    bits = (bits << 16n) | BigInt(`0x${group}`);
  }
  return bits;
}

/** Undefined where Cedar's parser refuses the text. */
export function readIp(text: string): Ip | undefined {
  if (text.length > MAX_TEXT) return undefined;
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const width = address.includes(':') ? V6_BITS : V4_BITS;
  const bits = width === V6_BITS ? readV6(address) : readV4(address);
  if (bits === undefined) return undefined;
  if (slash < 0) return new Ip(bits, width, width);
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > width) return undefined;
  return new Ip(bits, width, Number(length));
}
