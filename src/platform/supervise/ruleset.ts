/**
 * The gateway's own network settings as text: the nftables rules and the sysctl list of rootfs-overlay, fitted to
 * a configuration. The image ships the files as they are, with the configuration's defaults written in them;
 * here the `define` lines take the configuration's values.
 */
import type { Config } from '../../wire/config.ts';
import { Fault } from '../../wire/errors.ts';

/** Replace every `define NAME = …` that the configuration decides; Fault when the file lacks one. */
export function fitRules(text: string, config: Config): string {
  const quoted = (name: string): string => `"${name}"`;
  const defines: Readonly<Record<string, string>> = {
    tunnel_interface: quoted(config.tunnel.interface),
    uplink_interface: quoted(config.interfaces.uplink),
    management_interface: quoted(config.interfaces.management),
    enclave_interface:
      config.sensor.interfaces.length === 1
        ? quoted(config.sensor.interfaces[0] ?? '')
        : `{ ${config.sensor.interfaces.map(quoted).join(', ')} }`,
    tunnel_port: String(config.tunnel.listen.port),
    status_port: String(config.status.listen.port),
    portal_port: String(config.portal.port),
    gateway: `{ ${config.tunnel.addresses
      .filter((prefix) => prefix.includes('.'))
      .map((prefix) => prefix.split('/')[0] ?? '')
      .join(', ')} }`,
    overlay: config.overlay.prefix,
    peers: config.tunnel.addresses.filter((prefix) => prefix.includes('.')).join(', '),
    resources: config.overlay.resources,
    uid_tunnel: String(config.uids.tunnel),
    uid_sensor: String(config.uids.sensor),
    uid_broker: String(config.uids.broker),
    uid_control: String(config.uids.control),
    uid_audit: String(config.uids.audit),
  };
  let fitted = text;
  for (const [name, value] of Object.entries(defines)) {
    const line = new RegExp(`^define ${name} = .*$`, 'm');
    if (!line.test(fitted)) throw new Fault('INTERNAL', `the rules have no line "define ${name} = …"`);
    const set = name === 'peers' ? `{ ${value} }` : value;
    fitted = fitted.replace(line, () => `define ${name} = ${set}`);
  }
  return fitted;
}

export interface KernelSetting {
  /** Path under /proc/sys. */
  readonly path: string;
  readonly value: string;
  readonly optional: boolean;
}

/** sysctl.d(5): `key = value` lines, `#` and `;` comments, a leading `-` for keys that may be missing. */
export function parseKernelSettings(text: string): KernelSetting[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith(';'))
    .map((line) => {
      const at = line.indexOf('=');
      if (at < 0) throw new Fault('INTERNAL', `not a sysctl.d line: ${line}`);
      const key = line.slice(0, at).trim();
      const optional = key.startsWith('-');
      return {
        path: (optional ? key.slice(1) : key).replaceAll('.', '/'),
        value: line.slice(at + 1).trim(),
        optional,
      };
    });
}
