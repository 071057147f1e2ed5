/** The audit process with a configuration in a folder of its own, for tests that need the real one. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect } from '../../src/ipc/client.ts';
import type { Client } from '../../src/ipc/client.ts';
import { silentLog } from '../../src/platform/log.ts';
import { auditPushes, auditVerbs } from '../../src/wire/messages.ts';

const source = fileURLToPath(new URL('../../src/', import.meta.url));

export interface Site {
  readonly folder: string;
  /** The configuration file, and the store and socket it leads to. */
  readonly config: string;
  readonly store: string;
  readonly socket: string;
  remove(): void;
}

/** Who is who: by default the test itself is the broker. */
export function makeSite(options: {
  readonly uids?: Record<string, number>;
  readonly stateDir?: string;
  readonly reserveBytes?: number;
}): Site {
  const folder = mkdtempSync(join(tmpdir(), 'anteroom-audit-'));
  const stateDir = options.stateDir ?? join(folder, 'state');
  const config = join(folder, 'config.json');
  mkdirSync(join(folder, 'run'));
  writeFileSync(
    config,
    JSON.stringify({
      site: { id: 'clinic-north', name: 'Clinic North' },
      runtimeDir: join(folder, 'run'),
      stateDir,
      uids: options.uids ?? { broker: process.getuid?.() ?? 0 },
      tunnel: { privateKeyFile: '/nowhere', addresses: ['100.96.0.1/17'] },
      policy: { file: '/nowhere' },
      audit: { reserveBytes: options.reserveBytes ?? 0 },
    }),
  );
  return {
    folder,
    config,
    store: join(stateDir, 'audit', 'audit.db'),
    socket: join(folder, 'run', 'audit', 'audit.sock'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface AuditProcess {
  readonly child: ChildProcess;
  /** Log lines so far. */
  readonly lines: string[];
  /** Resolves with the first line, past or to come, that has `text` in it. */
  logged(text: string): Promise<string>;
  /** SIGTERM; the exit code. */
  stop(): Promise<number | null>;
}

/** Start it and wait until it is ready. */
export async function startAudit(site: Site): Promise<AuditProcess> {
  const child = spawn(process.execPath, [join(source, 'main', 'audit.ts')], {
    env: { ...process.env, ANTEROOM_CONFIG: site.config },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  const hear = (line: string): void => {
    lines.push(line);
    for (const wait of waiting) wait(line);
  };
  createInterface(child.stdout).on('line', hear);
  createInterface(child.stderr).on('line', hear);
  const exit = once(child, 'close').then(() => child.exitCode);
  const logged = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const found = lines.find((line) => line.includes(text));
      if (found !== undefined) return resolve(found);
      const wait = (line: string): void => {
        if (!line.includes(text)) return;
        waiting.delete(wait);
        resolve(line);
      };
      waiting.add(wait);
      void exit.then(() => reject(new Error(`ended before "${text}":\n${lines.join('\n')}`)));
    });
  await logged('"ready"');
  return {
    child,
    lines,
    logged,
    stop: () => {
      child.kill('SIGTERM');
      return exit;
    },
  };
}

export const connectAudit = (site: Site): Client<typeof auditVerbs> =>
  connect({ path: site.socket, verbs: auditVerbs, pushes: auditPushes, log: silentLog });

/** Run `anteroom …` to its end. */
export async function anteroom(
  site: Site,
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [join(source, 'cli', 'anteroom.ts'), ...args], {
    env: { ...process.env, ANTEROOM_CONFIG: site.config },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString('utf8')));
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}
