/**
 * The broker process with a log that can't be written: break-glass goes on, its record outlives kill -9, and reaches
 * the log when it is back. And its portal, as a browser would ask it.
 */
import { connect } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import { Fault } from '../../src/wire/errors.ts';
import { Station } from '../broker/station.ts';

void t.test('break-glass on a full disk, a kill, and the log again', async (t) => {
  let full = true;
  const s = new Station({
    keep: (events) => {
      if (full && events.length > 0) throw new Fault('AUDIT_STORAGE_FULL');
    },
    decide: (question, station) =>
      station.permit(
        question,
        question.source.address.endsWith('.100')
          ? {
              facts: {
                units: [],
                device: { class: 'pacs', unit: 'icu' },
                ephi: true,
                time: { minute: 0, weekday: 1 },
                breakGlass: true,
              },
            }
          : {},
      ),
  });
  t.teardown(() => s.close());
  await s.open();
  const other = s.user('tcp', 101);
  other.say('hello');
  await other.ends();
  t.notOk(s.seen.includes('device: accepted'), 'an ordinary session is refused while the log is full');
  const user = s.user('tcp', 100);
  user.say('patient first');
  await user.hears('patient first');
  t.equal(s.recorded('session.start').length, 0);
  await s.until(
    () => s.health.some(({ item, level }) => item === 'broker.emergency-journal' && level === 'critical'),
    'the health list says so',
  );
  process.kill(s.brokerPid, 'SIGKILL');
  await user.ends();
  full = false;
  s.log = '';
  await s.openBroker();
  await s.until(() => s.recorded('session.start').length === 1, 'the start reaches the log');
  t.match(s.recorded('journal.replayed'), [{ process: 'broker' }]);
  t.match(s.recorded('session.start'), [{ grant: { facts: { breakGlass: true } } }]);
  await s.until(
    () => s.health.some(({ item, level }) => item === 'broker.emergency-journal' && level === 'ok'),
    'the journal is empty again',
  );
});

void t.test("the portal on the gateway's own address", async (t) => {
  const s = new Station();
  t.teardown(() => s.close());
  await s.open();
  const socket = connect({ host: `${s.net}.1`, port: 8080, localAddress: `${s.net}.100` });
  let answer = '';
  socket.on('data', (part: Buffer) => (answer += part.toString('utf8')));
  socket.write(`GET / HTTP/1.1\r\nHost: ${s.net}.1:8080\r\n\r\n`);
  await once(socket, 'close');
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
  t.match(answer, /What you may do at Test/);
  t.same(s.visitors, [`${s.net}.100`], 'who asks is the address that the connection comes from');
});
