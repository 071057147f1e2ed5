/**
 * Our whole tunnel process in a namespace of the bench, started as the supervisor starts it: with its own uid, and
 * folders that are its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startCommand } from '../../src/platform/supervise/privilege.ts';
import type { prepareGateway } from '../support/clinic/gateway.ts';
import { type Namespace } from '../support/clinic/namespace.ts';
import { until } from '../support/until.ts';

/** Resolves when the interface is up. */
export async function startTunnelProcess(
  root: string,
  files: ReturnType<typeof prepareGateway>,
  namespace: Namespace,
): Promise<ChildProcess> {
  const { config, configFile } = files;
  for (const base of [config.runtimeDir, config.stateDir]) {
    const folder = join(base, 'tunnel');
    mkdirSync(folder, { recursive: true });
    chownSync(folder, config.uids.tunnel, config.uids.tunnel);
  }
  const program = [process.execPath, join(root, 'src/main/tunnel.ts')];
  const child = spawn(
    'setpriv',
    [
      '--pdeathsig=KILL',
      'nsenter',
      `--net=/run/netns/${namespace.name}`,
      ...startCommand('tunnel', config.uids, program),
    ],
    { env: { ...process.env, ANTEROOM_CONFIG: configFile }, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  await until('our tunnel is up', () => {
    if (child.exitCode !== null) throw new Error(`the tunnel process ended with ${child.exitCode}`);
    return /anteroom0.*(UP|UNKNOWN)/.test(namespace.ip('-br', 'link'));
  });
  return child;
}
