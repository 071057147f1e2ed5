/**
 * Identities as types. Each is a string with a fixed form; the schema is the only way to make one
 * from untrusted text.
 */
import * as z from 'zod';

/** Lower-case name used for sites, peers, users, resources and devices: letters, digits, `.`, `_`, `-`, `@`. */
const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._@-]{0,63}$/, 'must be a name: a-z 0-9 . _ @ -, at most 64 characters');

/** A peer of the tunnel (one user device), by its configured name. */
export const peerId = name.brand<'PeerId'>();
export type PeerId = z.infer<typeof peerId>;

/** A user, by the stable subject of the identity provider. */
export const userId = name.brand<'UserId'>();
export type UserId = z.infer<typeof userId>;

/** A published application of a device: one virtual address and port. */
export const resourceId = name.brand<'ResourceId'>();
export type ResourceId = z.infer<typeof resourceId>;

/** A medical device of the inventory. */
export const deviceId = name.brand<'DeviceId'>();
export type DeviceId = z.infer<typeof deviceId>;

export const siteId = name.brand<'SiteId'>();
export type SiteId = z.infer<typeof siteId>;

/** One brokered session: `s-` and 128 random bits in hexadecimal. */
export const sessionId = z
  .string()
  .regex(/^s-[0-9a-f]{32}$/)
  .brand<'SessionId'>();
export type SessionId = z.infer<typeof sessionId>;

/** One tunnel session: the first 16 bytes of the final handshake hash, in hexadecimal. Equal on both ends. */
export const tunnelSessionId = z
  .string()
  .regex(/^[0-9a-f]{32}$/)
  .brand<'TunnelSessionId'>();
export type TunnelSessionId = z.infer<typeof tunnelSessionId>;

/** A 32-byte public key, base64 as `wg` prints it (44 characters). Public keys may be printed. */
export const publicKeyText = z
  .string()
  .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, 'must be 32 bytes in base64')
  .brand<'PublicKeyText'>();
export type PublicKeyText = z.infer<typeof publicKeyText>;

/** The five processes of the appliance, and the local operator (CLI, status page). */
export const processNames = ['tunnel', 'sensor', 'broker', 'control', 'audit'] as const;
export const processName = z.enum(processNames);
export type ProcessName = z.infer<typeof processName>;
