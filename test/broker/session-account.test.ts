/** What of a session is recorded: the first of a kind, every unit where the recorder is on, and never without a bound. */
import t from 'tap';
import { RECORDED_UNITS, SessionAccount } from '../../src/broker/session-account.ts';
import type { Note } from '../../src/broker/session-account.ts';
import { grant as grantShape, obligation } from '../../src/wire/grant.ts';
import type { Grant } from '../../src/wire/grant.ts';
import { sessionId } from '../../src/wire/ids.ts';

const session = sessionId.parse(`s-${'0'.repeat(32)}`);
const grant = (...kinds: string[]): Grant =>
  grantShape.parse({
    session,
    subject: {
      user: 'nina',
      roles: ['nurse'],
      peer: 'nina-tablet',
      userDevice: 'tablet',
      posture: { level: 'good', score: 90 },
      kex: 'hybrid',
      source: { address: '100.96.0.7', port: 40000 },
    },
    target: {
      resource: 'pump',
      device: 'pump',
      protocol: 'hl7',
      virtual: { address: '100.96.128.1', port: 2575 },
      dial: { address: '10.20.0.10', port: 2575 },
    },
    actions: ['view'],
    obligations: kinds.map((kind) => obligation.parse({ kind, text: 'Because.' })),
    limits: { idle: 1000, end: 2_000_000_000_000 },
    expiresAt: 2_000_000_000_000,
    rules: ['r'],
    denials: [{ actions: ['modify'], rules: ['no'], reason: 'No.' }],
    revision: 'abc',
  });
const unit = (account: SessionAccount, under: Grant, name = 'QBP^Q11'): Note | undefined =>
  account.unit({ kind: 'unit', unit: name, action: 'view', from: 'user' }, under);
const refused = (account: SessionAccount, under: Grant): Note | undefined =>
  account.unitRefused({ kind: 'refused', unit: 'RGV', action: 'modify', reason: 'No.', from: 'user' }, under);
const kinds = (notes: readonly (Note | undefined)[]): string[] => notes.map((note) => note?.kind ?? '-');

void t.test('without the recorder: the first of a kind, and some refusals', (t) => {
  const account = new SessionAccount(session, 1, 1);
  const plain = grant('warn');
  t.same(kinds([unit(account, plain), unit(account, plain), unit(account, plain, 'other')]), [
    'session.unit',
    '-',
    'session.unit',
  ]);
  const notes = Array.from({ length: 40 }, () => refused(account, plain));
  t.equal(kinds(notes).filter((kind) => kind === 'session.unit.refused').length, 32);
  t.end();
});

void t.test('with it: every one, until it is full, and that is said once', (t) => {
  const account = new SessionAccount(session, 1, 1);
  const recorded = grant('record');
  const notes = Array.from({ length: RECORDED_UNITS }, (_, i) =>
    i % 2 ? refused(account, recorded) : unit(account, recorded),
  );
  t.notOk(kinds(notes).includes('-'), 'none is left out');
  t.equal(unit(account, recorded, 'a new kind')?.kind, 'session.unit', 'a new kind always is');
  t.match(unit(account, recorded), {
    kind: 'session.recording.full',
    body: { units: RECORDED_UNITS, subject: { user: 'nina' } },
  });
  t.same(kinds([unit(account, recorded), refused(account, recorded)]), ['-', '-'], 'and then counted');
  const { units } = account.progress(1);
  t.equal(units['QBP^Q11'], RECORDED_UNITS / 2 + 2);
  t.end();
});

void t.test('it goes on and off with the grant', (t) => {
  const account = new SessionAccount(session, 1, 1);
  t.equal(unit(account, grant())?.kind, 'session.unit');
  t.equal(unit(account, grant()), undefined);
  t.equal(unit(account, grant('record'))?.kind, 'session.unit', 'on');
  t.equal(unit(account, grant()), undefined, 'off');
  t.end();
});
