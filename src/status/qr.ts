/**
 * QR codes, ISO/IEC 18004:2015: byte mode, error correction level M, versions 1 to 10 (at most 213 bytes).
 *
 * In the standard's order: data codewords (7.4), Reed-Solomon blocks over GF(2^8) with polynomial 0x11D (7.5),
 * interleaving (7.6), function patterns and placement (7.7), masks and their penalties (7.8), format and version
 * information as BCH codes (7.9, 7.10).
 *
 * Surprising: placement runs in columns of two from the right, up and down by turns, and skips column 6, which is the
 * timing pattern.
 */

/** Table 9, level M: error correction codewords a block, then blocks as [how many, data codewords each]. */
const BLOCKS: readonly (readonly [number, readonly (readonly [number, number])[]])[] = [
  [10, [[1, 16]]],
  [16, [[1, 28]]],
  [26, [[1, 44]]],
  [18, [[2, 32]]],
  [24, [[2, 43]]],
  [16, [[4, 27]]],
  [18, [[4, 31]]],
  [
    22,
    [
      [2, 38],
      [2, 39],
    ],
  ],
  [
    22,
    [
      [3, 36],
      [2, 37],
    ],
  ],
  [
    26,
    [
      [4, 43],
      [1, 44],
    ],
  ],
];

/** Annex E: centres of the alignment patterns. */
const ALIGNMENT: readonly (readonly number[])[] = [
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
];

/** Table 10. */
const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (i, j) => (i + j) % 2 === 0,
  (i) => i % 2 === 0,
  (_, j) => j % 3 === 0,
  (i, j) => (i + j) % 3 === 0,
  (i, j) => (Math.floor(i / 2) + Math.floor(j / 3)) % 2 === 0,
  (i, j) => ((i * j) % 2) + ((i * j) % 3) === 0,
  (i, j) => (((i * j) % 2) + ((i * j) % 3)) % 2 === 0,
  (i, j) => (((i + j) % 2) + ((i * j) % 3)) % 2 === 0,
];

/** Product in GF(2^8). */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> bit) & 1) * a;
  }
  return product & 0xff;
}

/** 7.5.2: the generator polynomial of so many codewords, without its leading 1. */
function generator(degree: number): number[] {
  let polynomial = [1];
  let root = 1;
  for (let i = 0; i < degree; i++) {
    const next = [...polynomial, 0];
    polynomial.forEach((c, k) => (next[k + 1] = (next[k + 1] ?? 0) ^ times(c, root)));
    polynomial = next;
    root = times(root, 2);
  }
  return polynomial.slice(1);
}

function correction(data: readonly number[], degree: number): number[] {
  const divisor = generator(degree);
  const rest = Array.from({ length: degree }, () => 0);
  for (const byte of data) {
    const factor = byte ^ (rest.shift() ?? 0);
    rest.push(0);
    divisor.forEach((c, i) => (rest[i] = (rest[i] ?? 0) ^ times(c, factor)));
  }
  return rest;
}

const capacity = (version: number): number =>
  (BLOCKS[version - 1]?.[1] ?? []).reduce((sum, [count, size]) => sum + count * size, 0);

/** 7.4: mode 0100, count of 8 or 16 bits, bytes, terminator, padding 11101100 00010001. */
function dataCodewords(bytes: Uint8Array, version: number): number[] {
  const bits: number[] = [];
  const put = (value: number, width: number): void => {
    for (let i = width - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  put(0b0100, 4);
  put(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) put(byte, 8);
  const room = capacity(version) * 8;
  put(0, Math.min(4, room - bits.length));
  put(0, (8 - (bits.length % 8)) % 8);
  const words: number[] = [];
  for (let i = 0; i < bits.length; i += 8)
    words.push(bits.slice(i, i + 8).reduce((word, bit) => (word << 1) | bit, 0));
  for (let pad = 0xec; words.length < capacity(version); pad ^= 0xec ^ 0x11) words.push(pad);
  return words;
}

/** 7.6: the first of every block, the second of every block, …; then their correction likewise. */
function interleaved(words: readonly number[], version: number): number[] {
  const [degree, groups] = BLOCKS[version - 1] ?? [0, []];
  const blocks: number[][] = [];
  let at = 0;
  for (const [count, size] of groups)
    for (let i = 0; i < count; i++, at += size) blocks.push(words.slice(at, at + size));
  const corrections = blocks.map((block) => correction(block, degree));
  const out: number[] = [];
  for (const lists of [blocks, corrections]) {
    const longest = Math.max(...lists.map(({ length }) => length));
    for (let i = 0; i < longest; i++) for (const list of lists) if (i < list.length) out.push(list[i] ?? 0);
  }
  return out;
}

/** Remainder of a BCH code: 7.9 with 0x537, 7.10 with 0x1F25. */
function bch(value: number, polynomial: number, width: number): number {
  let rest = value << width;
  for (let i = 31 - Math.clz32(rest); i >= width; i = 31 - Math.clz32(rest)) {
    rest ^= polynomial << (i - width);
  }
  return (value << width) | rest;
}

/** Modules: true is dark; undefined, while it is being made, is one for data. */
type Draft = (boolean | undefined)[][];
export type QrCode = readonly (readonly boolean[])[];

function functionPatterns(version: number): Draft {
  const size = 17 + 4 * version;
  const draft: Draft = Array.from({ length: size }, () => Array.from({ length: size }, () => undefined));
  const set = (row: number, column: number, dark: boolean): void => {
    const line = draft[row];
    if (line && column >= 0 && column < size) line[column] = dark;
  };
  for (let i = 0; i < size; i++) {
    set(6, i, i % 2 === 0);
    set(i, 6, i % 2 === 0);
  }
  for (const [row, column] of [
    [3, 3],
    [3, size - 4],
    [size - 4, 3],
  ] as const)
    for (let dy = -4; dy <= 4; dy++)
      for (let dx = -4; dx <= 4; dx++) {
        const ring = Math.max(Math.abs(dx), Math.abs(dy));
        set(row + dy, column + dx, ring !== 2 && ring !== 4);
      }
  const centres = ALIGNMENT[version - 1] ?? [];
  const last = centres.at(-1);
  for (const row of centres)
    for (const column of centres) {
      if ((row === 6 && column === 6) || (row === 6 && column === last) || (row === last && column === 6))
        continue;
      for (let dy = -2; dy <= 2; dy++)
        for (let dx = -2; dx <= 2; dx++)
          set(row + dy, column + dx, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
    }
  // Format information is kept free, and its dark module.
  formatInformation(draft, 0);
  if (version >= 7) {
    const bits = bch(version, 0x1f25, 12);
    for (let i = 0; i < 18; i++) {
      const dark = ((bits >> i) & 1) === 1;
      set(Math.floor(i / 3), size - 11 + (i % 3), dark);
      set(size - 11 + (i % 3), Math.floor(i / 3), dark);
    }
  }
  return draft;
}

/** 7.9: level M is 00; masked with 0x5412; written twice. */
function formatInformation(draft: Draft, mask: number): void {
  const size = draft.length;
  const bits = bch(mask, 0x537, 10) ^ 0x5412;
  const set = (row: number, column: number, i: number): void => {
    const line = draft[row];
    if (line) line[column] = ((bits >> i) & 1) === 1;
  };
  for (let i = 0; i < 15; i++) {
    // Down column 8, past the timing pattern, and from the bottom; along row 8 from the right.
    set(i < 6 ? i : i < 8 ? i + 1 : size - 15 + i, 8, i);
    set(8, i < 8 ? size - 1 - i : i === 8 ? 7 : 14 - i, i);
  }
  const line = draft[size - 8];
  if (line) line[8] = true;
}

function placed(
  empty: Draft,
  words: readonly number[],
  mask: (row: number, column: number) => boolean,
): boolean[][] {
  const size = empty.length;
  const done = empty.map((line) => line.map((dark) => dark ?? false));
  let bit = 0;
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right--;
    for (let step = 0; step < size; step++) {
      const row = up ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (empty[row]?.[column] !== undefined) continue;
        const word = words[bit >> 3] ?? 0;
        const dark = ((word >> (7 - (bit & 7))) & 1) === 1;
        const line = done[row];
        if (line) line[column] = dark !== mask(row, column);
        bit++;
      }
    }
  }
  return done;
}

/** 7.8.3: runs, blocks, what looks like a finder, and the balance of dark and light. */
function penalty(code: QrCode): number {
  const size = code.length;
  const lines = [...code, ...code.map((_, column) => code.map((line) => line[column] ?? false))];
  let points = 0;
  for (const line of lines) {
    let run = 0;
    for (let i = 0; i < size; i++) {
      run = i > 0 && line[i] === line[i - 1] ? run + 1 : 1;
      if (run === 5) points += 3;
      else if (run > 5) points++;
    }
    const text = line.map((dark) => (dark ? '1' : '0')).join('');
    for (const finder of ['10111010000', '00001011101'])
      for (let at = text.indexOf(finder); at >= 0; at = text.indexOf(finder, at + 1)) points += 40;
  }
  let dark = 0;
  code.forEach((line, row) =>
    line.forEach((module, column) => {
      if (module) dark++;
      const below = code[row + 1];
      if (below && column + 1 < size)
        if (module === line[column + 1] && module === below[column] && module === below[column + 1])
          points += 3;
    }),
  );
  return points + 10 * Math.floor(Math.abs((dark * 20) / (size * size) - 10));
}

/** Undefined for more than 213 bytes. `mask` is chosen by penalty where it isn't given. */
export function qrCode(text: string, mask?: number): QrCode | undefined {
  const bytes = Buffer.from(text, 'utf8');
  const version = BLOCKS.findIndex((_, i) => bytes.length + (i + 1 < 10 ? 2 : 3) <= capacity(i + 1)) + 1;
  if (version === 0) return undefined;
  const words = interleaved(dataCodewords(bytes, version), version);
  const empty = functionPatterns(version);
  let best: { readonly code: boolean[][]; readonly points: number } | undefined;
  MASKS.forEach((rule, i) => {
    if (mask !== undefined && mask !== i) return;
    formatInformation(empty, i);
    const code = placed(empty, words, rule);
    const points = penalty(code);
    if (!best || points < best.points) best = { code, points };
  });
  return best?.code;
}

/** As SVG, with the quiet zone of four modules (6.3.8). */
export function qrSvg(code: QrCode): string {
  const size = code.length + 8;
  const path = code
    .map((line, row) =>
      line.map((dark, column) => (dark ? `M${column + 4} ${row + 4}h1v1h-1z` : '')).join(''),
    )
    .join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges" role="img" aria-label="QR code"><path fill="#fff" d="M0 0h${size}v${size}H0z"/><path fill="#000" d="${path}"/></svg>`;
}
