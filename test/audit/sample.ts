/** Events for the audit tests: small ones, and a session as the broker tells it. */
import { auditEvent } from '../../src/wire/audit-event.ts';
import type { AuditEvent } from '../../src/wire/audit-event.ts';

export const processStart = (at: number, version = '0.1.0'): AuditEvent => ({
  kind: 'process.start',
  at,
  origin: 'broker',
  body: { process: 'broker', version },
});

const subject = {
  user: 'dr.vogel',
  roles: ['radiologist'],
  peer: 'laptop-7',
  userDevice: 'reading room laptop 7',
  posture: { level: 'good', score: 92 },
  kex: 'hybrid',
  tunnelSession: '00112233445566778899aabbccddeeff',
  source: { address: '100.96.0.7', port: 40123 },
};
const target = {
  resource: 'pacs-dicom',
  device: 'pacs',
  protocol: 'dicom',
  virtual: { address: '100.96.128.10', port: 104 },
  dial: { address: '10.20.0.5', port: 4242 },
};
export const session = 's-00112233445566778899aabbccddeeff';

export const sessionStart = (at: number): AuditEvent =>
  auditEvent.parse({
    kind: 'session.start',
    at,
    origin: 'broker',
    body: {
      grant: {
        session,
        subject,
        target,
        actions: ['view', 'modify'],
        obligations: [{ kind: 'record', text: 'the session is recorded' }],
        limits: { idle: 900_000, end: at + 43_200_000 },
        expiresAt: at + 3_600_000,
        rules: ['radiology.pacs'],
        denials: [{ actions: ['download'], rules: ['posture.major'], reason: 'posture is not good' }],
        revision: 'r1',
      },
    },
  });

export const sessionRefused = (at: number): AuditEvent =>
  auditEvent.parse({
    kind: 'session.refused',
    at,
    origin: 'broker',
    body: {
      refusal: {
        session,
        subject,
        target,
        code: 'POLICY_DENIED',
        rules: [],
        reasons: ['no policy permits it'],
        revision: 'r1',
      },
    },
  });

export const unitRefused = (at: number): AuditEvent =>
  auditEvent.parse({
    kind: 'session.unit.refused',
    at,
    origin: 'broker',
    body: {
      session,
      unit: 'C-STORE',
      action: 'modify',
      rules: ['posture.major'],
      reason: 'not permitted',
      subject,
      target,
    },
  });
