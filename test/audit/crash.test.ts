/**
 * What survives: a process killed with -9 at any moment, and a power cut at any point of the write-ahead log. Every
 * acknowledged record is there, and the log is a whole prefix that verifies.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { verifyStore } from '../../src/audit/verify.ts';
import { mulberry32 } from '../support/mulberry32.ts';
import { openLog } from './opened.ts';
import { processStart, sessionStart } from './sample.ts';

const ROUNDS = 20;
const appender = fileURLToPath(new URL('appender.ts', import.meta.url));

/** Run the appender until `acknowledgements` were heard, kill it, and give all that it had acknowledged by then. */
async function killed(file: string, acknowledgements: number): Promise<Map<number, number>> {
  const child = spawn(process.execPath, [appender, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const heard = new Map<number, number>();
  const exit = new Promise<NodeJS.Signals | null>((resolve) =>
    child.on('close', (_, signal) => resolve(signal)),
  );
  for await (const line of createInterface(child.stdout)) {
    const [seq, mark] = line.split(' ').map(Number) as [number, number];
    heard.set(seq, mark);
    if (heard.size === acknowledgements) child.kill('SIGKILL');
  }
  if ((await exit) !== 'SIGKILL') throw new Error('the appender ended by itself');
  return heard;
}

void t.test(`kill -9, ${ROUNDS} times on one log`, async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const random = mulberry32(7);
  const acknowledged = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const heard = await killed(file, 1 + Math.floor(random() * 120));
    for (const [seq, mark] of heard) {
      if (acknowledged.has(seq)) t.fail(`record ${seq} was acknowledged twice`);
      acknowledged.set(seq, mark);
    }
    const bench = openLog(file);
    const { size, fault } = verifyStore(bench.store);
    t.equal(
      bench.log.fault ?? fault,
      undefined,
      `round ${round}: ${heard.size} acknowledged, ${size} records`,
    );
    const marks = new Map<number, number>();
    for (let from = 0; from < size; from += 1000)
      for (const { seq, event } of bench.log.read(from, 1000)) marks.set(seq, event.at);
    const lost = [...acknowledged].filter(([seq, mark]) => marks.get(seq) !== mark);
    t.same(lost, [], `round ${round}: nothing acknowledged is lost`);
    bench.close();
  }
  t.ok(acknowledged.size > ROUNDS);
});

void t.test('a power cut leaves any prefix of the write-ahead log', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'audit.db');
  const bench = openLog(file);
  /** Size of the log, and bytes of the WAL, at each acknowledgement. */
  const commits = [{ size: 0, bytes: 0 }];
  for (let i = 0; i < 24; i++) {
    await bench.log.append(
      Array.from({ length: 1 + ((i * 7) % 20) }, (_, j) => (j % 3 ? processStart(i) : sessionStart(i))),
    );
    commits.push({ size: bench.log.head.size, bytes: statSync(`${file}-wal`).size });
  }
  const whole = bench.log.read(0, 1000);
  const database = readFileSync(file);
  const wal = readFileSync(`${file}-wal`);
  bench.close();
  t.equal(commits.at(-1)?.bytes, wal.length, 'the WAL was not checkpointed meanwhile');

  let images = 0;
  const sizes = new Set<number>();
  /** Start from this WAL as after a power cut; the size found, checked for being a prefix that verifies. */
  const sizeAfter = (image: Buffer, name: string, main: Buffer = database): number => {
    const place = join(folder, `cut-${++images}`);
    mkdirSync(place);
    writeFileSync(join(place, 'audit.db'), main);
    writeFileSync(join(place, 'audit.db-wal'), image);
    const cut = openLog(join(place, 'audit.db'));
    const { size, fault } = verifyStore(cut.store);
    if (cut.log.fault ?? fault) t.fail(`${name}: ${String(cut.log.fault ?? fault?.text)}`);
    const records = cut.log.read(0, 1000);
    if (JSON.stringify(records) !== JSON.stringify(whole.slice(0, size))) t.fail(`${name}: other records`);
    if (!commits.some((commit) => commit.size === size))
      t.fail(`${name}: half a transaction, ${size} records`);
    cut.close();
    sizes.add(size);
    return size;
  };

  // https://www.sqlite.org/fileformat2.html#walformat: a header of 32 bytes, frames of 24 bytes and a page.
  const frame = 24 + 4096;
  const random = mulberry32(11);
  for (let at = 32; at <= wal.length; at += frame) {
    for (const length of [at, at + 1 + Math.floor(random() * (frame - 1))]) {
      const acknowledged = commits.findLast((commit) => commit.bytes <= length)?.size ?? 0;
      const size = sizeAfter(wal.subarray(0, length), `cut at ${length}`);
      if (size < acknowledged) t.fail(`cut at ${length}: ${size} of ${acknowledged} acknowledged records`);
    }
  }
  t.equal(sizes.size, commits.length, `${images} images, every commit seen as the last one`);

  // Sectors written out of order: a hole in one frame ends the log at the transaction before it, never in garbage.
  for (let i = 0; i < 40; i++) {
    const torn = Buffer.from(wal);
    const at = 32 + Math.floor(random() * (wal.length - 32 - 512));
    torn.fill(0, at, at + 512);
    const size = sizeAfter(torn, `hole at ${at}`);
    const before = commits.findLast((commit) => commit.bytes <= at)?.size ?? 0;
    if (size < before) t.fail(`hole at ${at}: ${size} of ${before} records`);
  }
  t.pass(`${images} images in all`);
});

void t.test('a power cut during a checkpoint: pages old and new, mixed', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'audit.db');
  const bench = openLog(file);
  for (let i = 0; i < 40; i++) await bench.log.append(Array.from({ length: 10 }, () => sessionStart(i)));
  const before = readFileSync(file);
  const wal = readFileSync(`${file}-wal`);
  const { head } = bench.log;
  bench.close();
  const after = readFileSync(file);
  t.ok(after.length > before.length);
  const random = mulberry32(13);
  for (let round = 0; round < 30; round++) {
    const mixed = Buffer.from(after);
    for (let page = 0; page < after.length; page += 4096) {
      const old = random() < 0.5;
      if (old) mixed.fill(0, page, page + 4096).set(before.subarray(page, page + 4096), page);
    }
    const place = join(folder, `mixed-${round}`);
    mkdirSync(place);
    writeFileSync(join(place, 'audit.db'), mixed.subarray(0, after.length - 4096 * Math.floor(random() * 3)));
    writeFileSync(join(place, 'audit.db-wal'), wal);
    const cut = openLog(join(place, 'audit.db'));
    if (cut.log.fault ?? verifyStore(cut.store).fault) t.fail(`round ${round} does not verify`);
    t.same(cut.log.head, head);
    cut.close();
  }
});

void t.test('a copy of the file alone, taken after a clean end, is the whole log', async (t) => {
  const file = join(t.testdir(), 'audit.db');
  const bench = openLog(file);
  await bench.log.append([processStart(1), processStart(2)]);
  bench.close();
  copyFileSync(file, `${file}.copy`);
  const copy = openLog(`${file}.copy`);
  t.equal(copy.log.head.size, 2);
  copy.close();
});
