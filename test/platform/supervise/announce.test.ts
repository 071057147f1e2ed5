/** The supervisor tells a service manager once, through systemd's own tool, and only where there is one. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { announceReady } from '../../../src/platform/supervise/announce.ts';
import { isFault } from '../../../src/wire/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'anteroom-announce-'));
const said = join(folder, 'said');
const tool = join(folder, 'systemd-notify');
const path = process.env['PATH'];
t.teardown(() => {
  process.env['PATH'] = path;
});

void t.test('says it is ready to whoever waits', async (t) => {
  writeFileSync(tool, `#!/bin/sh\nprintf '%s|' "$@" > ${said}\n`);
  chmodSync(tool, 0o755);
  process.env['PATH'] = `${folder}:${path}`;
  await announceReady('five processes', {});
  t.notOk(existsSync(said), 'nobody waits, nothing is run');
  await announceReady('five processes', { NOTIFY_SOCKET: '/run/systemd/notify' });
  t.equal(readFileSync(said, 'utf8'), `--ready|--pid=${process.pid}|--status=five processes|`);
});

void t.test('a missing tool is named', async (t) => {
  process.env['PATH'] = '/nonexistent';
  const fault = await announceReady('x', { NOTIFY_SOCKET: '/x' }).catch((error: unknown) => error);
  t.ok(isFault(fault, 'CAPABILITY_MISSING'));
  t.match((fault as Error).message, /systemd-notify/);
});
