/**
 * The console's screen, against the pictures in `screens/`: 80 by 25, and only what changed is drawn again. After a wanted
 * change `node test/status/screen.test.ts --write` draws the pictures anew; look at them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { lightOf, screensOf } from '../../src/cli/screen.ts';
import { provisioningSteps } from '../../src/control/provisioning.ts';
import { qrCode } from '../../src/status/qr.ts';
import { COLUMNS, ROWS, ScreenWriter, qrLines, screenLines, wrap } from '../../src/status/screen.ts';
import type { ScreenFacts } from '../../src/status/screen.ts';
import { provisionCodes } from '../../src/wire/provision-code.ts';
import type { ProvisionCode } from '../../src/wire/provision-code.ts';
import { identityText } from '../../src/wire/provision-status.ts';
import type { ProvisionFacts } from '../../src/wire/provision-status.ts';

const now = Date.UTC(2026, 10, 22, 9);
const fresh: ProvisionFacts = {
  phase: 'new',
  device: 'anteroom-device:0123456789abcdef:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=',
  version: '0.1.0',
  stick: { state: 'none' },
  accepted: false,
  selfTest: [],
  now,
};
const identity = 'anteroom-signer:0011223344556677:AAAA';
const enrolled: ProvisionFacts = {
  ...fresh,
  phase: 'enrolled',
  site: { id: 'riverside', name: 'Riverside Clinic' },
  identity,
  contact: 'Office, +1 555 0100',
};
const screen = (facts: ProvisionFacts, more: Partial<ScreenFacts> = {}): ScreenFacts => ({
  now,
  clock: 'unset',
  page: 'http://10.10.0.1:8420/',
  setup: { facts, steps: provisioningSteps(facts) },
  ...more,
});
const well = {
  health: [{ item: 'audit.disk', level: 'ok', text: 'Good.', since: 0 }],
  sessions: 2,
  devices: 14,
} as const;

const pictures: Readonly<Record<string, ScreenFacts>> = {
  starting: { now, clock: 'unset' },
  new: screen(fresh),
  refused: screen({
    ...fresh,
    stick: { state: 'read', code: 'E06', detail: 'for another device code', at: now },
  }),
  enrolled: screen({ ...enrolled, stick: { state: 'read', code: 'OK2', at: now } }, { clock: 'set' }),
  withoutReceipt: screen(
    {
      ...enrolled,
      stick: {
        state: 'read',
        code: 'OK1',
        detail: 'the receipt could not be written to the stick; plug it in once more to get it',
        at: now,
      },
    },
    { clock: 'set' },
  ),
  service: screen(
    {
      ...enrolled,
      accepted: true,
      devicesSeen: 14,
      selfTest: (['link', 'addressing', 'time'] as const).map((id) => ({ id, level: 'ok', text: 'Good.' })),
    },
    { clock: 'authenticated', running: well },
  ),
  trouble: screen(enrolled, {
    clock: 'set',
    running: {
      ...well,
      health: [
        { item: 'tunnel.link', level: 'warning', text: 'No peer has called for an hour.', since: 0 },
        { item: 'audit.disk', level: 'critical', text: 'The disk is full: new sessions wait.', since: 0 },
        ...well.health,
      ],
    },
  }),
  stopped: {
    now,
    clock: 'unset',
    stopped:
      "data: this machine's TPM does not open the disk; it belongs to another machine, or the firmware changed",
  },
};
const folder = new URL('screens/', import.meta.url);

if (process.argv.includes('--write')) {
  mkdirSync(folder, { recursive: true });
  for (const [name, facts] of Object.entries(pictures))
    writeFileSync(new URL(`${name}.txt`, folder), `${screenLines(facts).join('\n')}\n`);
}

await t.test('the pictures', (t) => {
  for (const [name, facts] of Object.entries(pictures)) {
    const lines = screenLines(facts);
    t.equal(`${lines.join('\n')}\n`, readFileSync(new URL(`${name}.txt`, folder), 'utf8'), name);
    t.equal(lines.length, ROWS);
    t.ok(lines.every((line) => line.length <= COLUMNS));
  }
  t.end();
});

await t.test('every code has its sentence and its next action on the screen, whole', (t) => {
  for (const code of Object.keys(provisionCodes) as ProvisionCode[]) {
    const phase = code.startsWith('OK') ? 'enrolled' : 'new';
    const text = screenLines(
      screen({ ...(phase === 'new' ? fresh : enrolled), stick: { state: 'read', code, at: 0 } }),
    )
      .map((line) => line.slice(0, phase === 'new' ? 38 : 42).trimEnd())
      .join(' ')
      .replaceAll(/ +/g, ' ');
    const { sentence, action } = provisionCodes[code];
    const words = (each: string): string[] => each.replaceAll('’', "'").split(' ');
    for (const each of [`${code}: ${sentence}`, action]) {
      const [first = '', ...rest] = words(each);
      t.ok(text.includes(first), `${code}: ${first}`);
      const missing = rest.filter((word) => !text.includes(word.slice(0, 30)));
      t.same(missing, [], `${code}: ${each}`);
    }
  }
  t.end();
});

await t.test('the QR code on the screen is the code of the identity', (t) => {
  const code = qrCode(identityText('riverside', identity)) ?? [];
  const lines = qrLines(code);
  const light = (row: number, column: number): boolean => {
    const char = lines[Math.floor(row / 2)]?.[column];
    return char === '█' || char === (row % 2 === 0 ? '▀' : '▄');
  };
  const size = code.length + 4;
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++)
      if (light(row, column) === (code[row - 2]?.[column - 2] ?? false)) t.fail(`module ${row} ${column}`);
  const shown = screenLines(pictures['service'] ?? { now, clock: 'unset' });
  for (const [i, line] of lines.entries()) t.ok(shown[i + 2]?.endsWith(line.trimEnd()), `line ${i}`);
  t.end();
});

await t.test('only lines that changed go to the terminal', (t) => {
  const writer = new ScreenWriter();
  const lines = screenLines(screen(fresh));
  const first = writer.draw(lines);
  t.ok(first.startsWith('\u001b[?25l\u001b[2J'));
  t.equal(writer.draw(lines), '', 'nothing for nothing');
  const later = writer.draw(screenLines(screen({ ...fresh, now: now + 60_000 }, { now: now + 60_000 })));
  t.equal(later.split('\u001b[K').length - 1, 1, 'a minute is one line');
  t.ok(Buffer.byteLength(later) < 120, `${Buffer.byteLength(later)} bytes`);
  t.ok(Buffer.byteLength(writer.draw(lines, true)) < 5000, 'and all of it fits a slow line');
  t.end();
});

await t.test('what comes from outside cannot steer the terminal', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
      const lines = screenLines(
        screen(
          { ...enrolled, site: { id: 'riverside', name: text }, version: text.slice(0, 20) },
          { running: { ...well, health: [{ item: text, level: 'critical', text, since: 0 }] } },
        ),
      );
      return lines.every(
        (line) => /^[\u0020-\u007e\u00a1-\u00ff█▀▄─]*$/u.test(line) && line.length <= COLUMNS,
      );
    }),
    { numRuns: 300 },
  );
  t.same(wrap('one two three', 7, 9), ['one two', 'three']);
  t.same(wrap('abcdefghij', 4, 9), ['abcd', 'efgh', 'ij']);
  t.same(wrap('one two three', 7, 1), ['one ...']);
  t.end();
});

await t.test('one word for the lamps', (t) => {
  for (const [name, word] of Object.entries({
    starting: 'starting',
    new: 'setup',
    refused: 'refused',
    enrolled: 'starting',
    service: 'good',
    trouble: 'critical',
    stopped: 'stopped',
  }))
    t.equal(lightOf(pictures[name] ?? { now, clock: 'unset' }), word);
  t.end();
});

await t.test('the monitor and every serial console', (t) => {
  t.same(screensOf('tty0 ttyS0\n'), ['/dev/tty1', '/dev/ttyS0']);
  t.same(screensOf('hvc0 ttyAMA0'), ['/dev/tty1', '/dev/hvc0', '/dev/ttyAMA0']);
  t.same(screensOf('../../etc/passwd'), ['/dev/tty1']);
  t.end();
});
