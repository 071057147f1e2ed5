/**
 * The words of a decision: what a session may do. A decision is the *set* of actions permitted, never
 * a single yes or no, so that access can be stepped down instead of cut.
 */
import * as z from 'zod';

export const actions = ['view', 'modify', 'download', 'print', 'administer'] as const;
export const action = z.enum(actions);
export type Action = z.infer<typeof action>;

/** The protocols the broker can take apart; `tcp` is carried as it is, allow or deny only. */
export const protocols = ['dicom', 'hl7', 'tcp'] as const;
export const protocol = z.enum(protocols);
export type Protocol = z.infer<typeof protocol>;

/** How a tunnel session's keys were agreed, as it happened. */
export const kexModes = ['classical', 'classical+psk', 'hybrid'] as const;
export const kexMode = z.enum(kexModes);
export type KexMode = z.infer<typeof kexMode>;

/** How a peer's keys have to be agreed. Nothing is negotiated: any other handshake of that peer is refused. */
export const kexPolicies = ['classical', 'classical+psk', 'hybrid-required'] as const;
export const kexPolicy = z.enum(kexPolicies);
export type KexPolicy = z.infer<typeof kexPolicy>;
