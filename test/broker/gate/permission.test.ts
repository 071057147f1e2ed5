/** The words for what is missing: reasons for people, and before them what a machine reads of a step-up. */
import t from 'tap';
import { missing } from '../../../src/broker/gate/permission.ts';
import type { Denial, Grant } from '../../../src/wire/grant.ts';

const grant = (...denials: Denial[]): Grant => ({ actions: ['view'], denials }) as unknown as Grant;
const denial = (reason: string, stepUp?: Denial['stepUp']): Denial => ({
  actions: ['modify'],
  rules: [reason],
  reason,
  ...(stepUp ? { stepUp } : {}),
});
const reason = (...denials: Denial[]): string | undefined =>
  missing(grant(...denials), ['view', 'modify'])?.reason;
const where = 'https://sign-in.example';

void t.test('what is missing', (t) => {
  t.equal(missing(grant(), ['view']), undefined);
  t.equal(reason(), 'modify is not permitted');
  t.equal(reason(denial('Never.')), 'modify is not permitted: Never.');
  t.equal(
    reason(denial('Again.', { method: 'any', maxAge: 900_000, where })),
    `STEP_UP_REQUIRED method=any max-age=900 where=${where}; modify is not permitted: Again.`,
  );
  t.equal(
    reason(denial('Strong.', { method: 'phishing-resistant', where: '' })),
    'STEP_UP_REQUIRED method=phishing-resistant; modify is not permitted: Strong.',
  );
  t.equal(
    reason(
      denial('Again.', { method: 'any', maxAge: 900_000, where }),
      denial('Strong.', { method: 'phishing-resistant', maxAge: 3_600_000, where }),
    ),
    `STEP_UP_REQUIRED method=phishing-resistant max-age=900 where=${where}; modify is not permitted: Again.: Strong.`,
    'one sign-in for both',
  );
  t.equal(
    reason(denial('Again.', { method: 'any', maxAge: 900_000, where }), denial('Never.')),
    'modify is not permitted: Again.: Never.',
    'no sign-in lifts both',
  );
  t.end();
});
