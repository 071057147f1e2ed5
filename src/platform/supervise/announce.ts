/**
 * Tells a service manager above the supervisor that the gateway has been started, where there is one
 * ($NOTIFY_SOCKET, sd_notify(3)). The five processes notify through the addon; the supervisor doesn't load it, so
 * it uses the systemd-notify package, which runs systemd's own tool.
 */
import notify from 'systemd-notify';
import { Fault } from '../../wire/errors.ts';

/** Fault CAPABILITY_MISSING when somebody waits to be told and systemd's tool can't be run. */
export async function announceReady(
  status: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (environment['NOTIFY_SOCKET'] === undefined) return;
  try {
    await notify({ ready: true, status });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new Fault('CAPABILITY_MISSING', `systemd-notify: ${detail}`, { cause });
  }
}
