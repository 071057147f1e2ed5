/**
 * Which system sends SYNs of a shape, by p0f's signature file where that is installed (its README, section 5; the
 * text is read at run time and no part of it is here). Without the file the shape itself remains as evidence.
 *
 *   [tcp:request] | [tcp:response]
 *   label = s|g : class : name : flavour        s specific, g generic; class "!" a tool, not a system
 *   sig   = version : TTL : IP options : MSS : window , scale : layout : quirks : payload
 */
import { synText } from '../protocol/tcp/message.ts';
import type { SynShape } from '../protocol/tcp/message.ts';

/** Where Debian's p0f package keeps its signatures. */
export const signatureFile = '/etc/p0f/p0f.fp';

export interface SystemMatch {
  /** `Linux 3.11 and newer`. */
  readonly name: string;
  /** A scanner or another tool that builds its own packets. */
  readonly tool: boolean;
}

/** What system sent a shape; `reply`: it is a SYN-ACK. */
/** `text`: the shape as it is written, where that is known. */
export type SystemOf = (shape: SynShape, reply: boolean, text?: string) => SystemMatch | undefined;

interface Signature {
  readonly match: SystemMatch;
  readonly generic: boolean;
  readonly version: string;
  readonly ttl: number;
  /** The TTL was set at random: the packet's may be any that isn't above. */
  readonly ttlLoose: boolean;
  readonly ipOptions: number;
  readonly segmentSize: string;
  readonly window: string;
  readonly scale: string;
  readonly layout: string;
  readonly quirks: ReadonlySet<string>;
  readonly payload: string;
}

type Fit = 'exact' | 'fuzzy' | 'no';

/** Hops that a packet may have come (p0f's own bound). */
const HOPS = 35;
const LINES = 4096;
/** Shapes whose match is kept: a LAN has few of them. */
const CACHE = 1024;
const onlyIpv4: ReadonlySet<string> = new Set(['df', 'id+', 'id-', '0+']);

function parseSignature(text: string, match: SystemMatch, generic: boolean): Signature | undefined {
  const parts = text.split(':');
  if (parts.length !== 8) return undefined;
  const [
    version = '',
    ttl = '',
    ipOptions = '',
    segmentSize = '',
    wide = '',
    layout = '',
    quirks = '',
    payload = '',
  ] = parts.map((part) => part.trim());
  const [window = '', scale = ''] = wide.split(',');
  const initial = /^(\d{1,3})(?:\+(\d{1,3}))?(-?)$/.exec(ttl);
  if (initial === null || window === '' || scale === '') return undefined;
  return {
    match,
    generic,
    version,
    ttl: Number(initial[1]) + Number(initial[2] ?? 0),
    ttlLoose: initial[3] === '-',
    ipOptions: Number(ipOptions),
    segmentSize,
    window,
    scale,
    layout,
    quirks: new Set(quirks.split(',').filter((quirk) => quirk !== '')),
    payload,
  };
}

function windowFits(rule: string, shape: SynShape): boolean {
  if (rule === '*') return true;
  const times = /^(mss|mtu)\*(\d+)$/.exec(rule);
  if (times === null) {
    if (rule.startsWith('%')) return shape.window % Number(rule.slice(1)) === 0;
    return Number(rule) === shape.window;
  }
  const { segmentSize } = shape;
  if (segmentSize === undefined || segmentSize < 100) return false;
  const factor = Number(times[2]);
  if (times[1] === 'mtu') return shape.window === factor * (segmentSize + (shape.version === 6 ? 60 : 40));
  // Some stacks count the space that timestamps take.
  return (
    shape.window === factor * segmentSize ||
    (shape.timestamps && shape.window === factor * (segmentSize - 12))
  );
}

/** Quirks that what is on the way may take from a SYN or give to it: such a match is a fuzzy one. */
const lost: ReadonlySet<string> = new Set(['df', 'id+']);
const gained: ReadonlySet<string> = new Set(['id-', 'ecn']);

function quirksFit(wanted: ReadonlySet<string>, shape: SynShape): Fit {
  const due = [...wanted].filter((quirk) => (shape.version === 6 ? !onlyIpv4.has(quirk) : quirk !== 'flow'));
  const missing = due.filter((quirk) => !shape.quirks.includes(quirk));
  const extra = shape.quirks.filter((quirk) => !due.includes(quirk));
  if (missing.length === 0 && extra.length === 0) return 'exact';
  return missing.every((quirk) => lost.has(quirk)) && extra.every((quirk) => gained.has(quirk))
    ? 'fuzzy'
    : 'no';
}

function fit(signature: Signature, shape: SynShape): Fit {
  const hops = signature.ttl - shape.ttl;
  const all =
    signature.layout === shape.layout &&
    (signature.version === '*' || Number(signature.version) === shape.version) &&
    hops >= 0 &&
    (signature.ttlLoose || hops <= HOPS) &&
    signature.ipOptions === shape.ipOptions &&
    (signature.segmentSize === '*' || Number(signature.segmentSize) === (shape.segmentSize ?? 0)) &&
    (signature.scale === '*' || Number(signature.scale) === shape.scale) &&
    (signature.payload === '*' || (signature.payload === '+') === shape.payload) &&
    windowFits(signature.window, shape);
  return all ? quirksFit(signature.quirks, shape) : 'no';
}

/** The first of the best kind: exact before fuzzy, and of each specific before generic. */
function best(signatures: readonly Signature[], shape: SynShape): SystemMatch | undefined {
  const found: (SystemMatch | undefined)[] = [];
  for (const signature of signatures) {
    const how = fit(signature, shape);
    if (how === 'no') continue;
    const rank = (how === 'fuzzy' ? 2 : 0) + (signature.generic ? 1 : 0);
    if (rank === 0) return signature.match;
    found[rank] ??= signature.match;
  }
  return found[1] ?? found[2] ?? found[3];
}

/** A matcher out of the text of a signature file. Lines it doesn't understand are passed over. */
export function synSystems(text: string): SystemOf {
  const requests: Signature[] = [];
  const replies: Signature[] = [];
  let section: Signature[] | undefined;
  let label: { readonly match: SystemMatch; readonly generic: boolean } | undefined;
  for (const line of text.split('\n', LINES)) {
    const clean = line.trim();
    if (clean.startsWith('[')) {
      section = clean === '[tcp:request]' ? requests : clean === '[tcp:response]' ? replies : undefined;
      label = undefined;
      continue;
    }
    const [, key, value = ''] = /^(label|sig)\s*=\s*(.+)$/.exec(clean) ?? [];
    if (section === undefined || key === undefined) continue;
    if (key === 'label') {
      const [type, kind, name = '', flavour = ''] = value.split(':');
      label = { match: { name: `${name} ${flavour}`.trim(), tool: kind === '!' }, generic: type === 'g' };
    } else if (label !== undefined) {
      const signature = parseSignature(value, label.match, label.generic);
      if (signature !== undefined) section.push(signature);
    }
  }
  const known = new Map<string, SystemMatch | undefined>();
  return (shape, reply, text = synText(shape)) => {
    const key = `${reply ? 'a' : 's'}${text}`;
    if (known.has(key)) return known.get(key);
    const match = best(reply ? replies : requests, shape);
    if (known.size >= CACHE) known.clear();
    known.set(key, match);
    return match;
  };
}
