/** A question to policy for tests: everything in good order unless a test says otherwise. */
import { readFileSync } from 'node:fs';
import type { AccessRequest } from '../../src/policy/request.ts';
import { subject, target } from '../../src/wire/grant.ts';
import { sessionId } from '../../src/wire/ids.ts';

export interface Circumstances {
  readonly roles?: readonly string[];
  readonly units?: readonly string[];
  readonly class?: string;
  readonly unit?: string;
  readonly ephi?: boolean;
  readonly protocol?: string;
  readonly device?: string;
  readonly posture?: string;
  readonly score?: number;
  readonly kex?: string;
  readonly source?: string;
  readonly peer?: string;
  readonly userDevice?: string;
  readonly minute?: number;
  readonly weekday?: number;
  readonly emergency?: boolean;
  readonly breakGlass?: boolean;
}

export const session = sessionId.parse(`s-${'0'.repeat(32)}`);

const policyFolder = new URL('../../rootfs-overlay/etc/anteroom/policy/', import.meta.url);
export const shipped = (name: string): string => readFileSync(new URL(name, policyFolder), 'utf8');

export function question(c: Circumstances): AccessRequest {
  const protocol = c.protocol ?? 'dicom';
  return {
    subject: subject.parse({
      user: 'ada',
      roles: c.roles ?? ['radiologist'],
      peer: c.peer ?? 'ada-laptop',
      userDevice: c.userDevice ?? 'laptop',
      posture: { level: c.posture ?? 'good', score: c.score ?? 90 },
      kex: c.kex ?? 'classical',
      tunnelSession: 'ab'.repeat(16),
      source: { address: c.source ?? '100.96.0.7', port: 40000 },
    }),
    target: target.parse({
      resource: 'archive',
      device: c.device ?? 'orthanc',
      protocol,
      virtual: { address: '100.96.128.1', port: 104 },
      dial: { address: '10.20.0.10', port: 4242 },
    }),
    units: [...(c.units ?? [])],
    device: { class: c.class ?? 'pacs', unit: c.unit ?? 'icu' },
    ephi: c.ephi ?? true,
    time: { minute: c.minute ?? 600, weekday: c.weekday ?? 3 },
    emergency: c.emergency ?? false,
    breakGlass: c.breakGlass ?? false,
  };
}
