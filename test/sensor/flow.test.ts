/** The flow table: who is client, what counts as an answer, reuse of ports, expiry, and its capacity. */
import t from 'tap';
import { addon } from '../../src/platform/addon.ts';
import type { BatchReader } from '../../src/sensor/batch.ts';
import { readBatch } from '../../src/sensor/batch.ts';
import { limits, linkType } from '../../src/sensor/constants.ts';
import { Frame } from '../../src/sensor/frame.ts';
import type { Flow, FlowListener } from '../../src/sensor/flow.ts';
import { FlowTable } from '../../src/sensor/flow.ts';
import * as wire from './wire-builder.ts';

const A = { mac: '00:11:22:33:44:55', ip: '10.0.0.1' };
const B = { mac: '00:aa:bb:cc:dd:ee', ip: '10.0.0.2' };

class Listener implements FlowListener<never> {
  readonly answers: string[] = [];
  readonly said: string[] = [];
  readonly ends: string[] = [];
  data(_flow: Flow<never>, from: 0 | 1, chunk: Uint8Array): boolean {
    this.said.push(`${from}:${Buffer.from(chunk).toString('latin1')}`);
    return false;
  }
  ended(_flow: Flow<never>, from: 0 | 1, why: string): void {
    this.ends.push(`${from}:${why}`);
  }
}

function table(capacity?: number): {
  listener: Listener;
  flows: FlowTable<never>;
  take: (frames: Uint8Array[], at?: number) => void;
  expire: (at: number) => void;
} {
  const listener = new Listener();
  const flows = new FlowTable<never>(listener);
  const stage = addon().openStage(capacity === undefined ? {} : { flows: capacity });
  const frame = new Frame();
  const reader: BatchReader = {
    frame: (each, at) => void flows.take(each, at),
    data: (...all) => flows.data(...all),
    ended: (...all) => flows.ended(...all),
    flow: (news) => {
      if (news.isAnswered) listener.answers.push(`${news.transport}/${news.serverPort}`);
      if (!news.isRemoved) return;
      flows.close(news.row, news.generation);
      flows.forget(news.row);
    },
    sighting: () => undefined,
    weird: () => undefined,
    totals: (totals) => flows.totals(totals),
    against: () => undefined,
  };
  const read = (length: number): void => {
    if (!readBatch(stage.batch.subarray(0, length), frame, reader)) throw new Error('a batch that is none');
  };
  const take = (frames: Uint8Array[], at = 0): void => {
    for (const bytes of frames) read(stage.frame(linkType.ETHERNET, bytes, bytes.length, at));
  };
  return { listener, flows, take, expire: (at) => read(stage.expire(at)) };
}

const hi = wire.ascii('hi');
const yo = wire.ascii('yo');

void t.test('a connection: one flow, both directions, the port answered', (t) => {
  const { listener, flows, take } = table();
  take(
    wire.exchange(
      A,
      B,
      [40000, 104],
      [
        { from: 'client', data: hi },
        { from: 'server', data: yo },
      ],
    ),
  );
  t.same(listener.answers, ['tcp/104']);
  t.same(listener.said, ['0:hi', '1:yo']);
  t.equal(flows.size, 1);
  t.end();
});

void t.test('a SYN without an answer is no service', (t) => {
  const { listener, take } = table();
  take([wire.tcpFrame(A, B, [1, 80], 5, wire.SYN), wire.tcpFrame(B, A, [80, 1], 0, wire.RST | wire.ACK)]);
  t.same(listener.answers, []);
  t.end();
});

void t.test('a SYN-ACK alone still tells who serves', (t) => {
  const { listener, take } = table();
  take([wire.tcpFrame(B, A, [80, 1], 5, wire.SYN | wire.ACK), wire.tcpFrame(A, B, [1, 80], 9, wire.ACK, hi)]);
  t.same(listener.answers, ['tcp/80']);
  t.same(listener.said, ['0:hi']);
  t.end();
});

void t.test('the last ACK of a closed connection opens nothing', (t) => {
  const { flows, take } = table();
  take([wire.tcpFrame(A, B, [1, 80], 5, wire.ACK), wire.tcpFrame(A, B, [1, 80], 5, wire.RST)]);
  t.equal(flows.size, 0);
  t.end();
});

void t.test('the same ports again are a new connection; a repeated SYN is not', (t) => {
  const { listener, take } = table();
  const first = wire.exchange(A, B, [1, 80], [{ from: 'client', data: hi }]);
  take([...first.slice(0, 1), ...first]);
  t.same(listener.said, ['0:hi']);
  take([
    wire.tcpFrame(A, B, [1, 80], 77, wire.SYN),
    wire.tcpFrame(B, A, [80, 1], 5, wire.SYN | wire.ACK),
    wire.tcpFrame(A, B, [1, 80], 78, wire.ACK, yo),
  ]);
  t.same(listener.said, ['0:hi', '0:yo']);
  t.end();
});

void t.test('a reset ends both directions', (t) => {
  const { listener, take } = table();
  take([
    ...wire.exchange(A, B, [1, 80], [{ from: 'client', data: hi }]),
    wire.tcpFrame(A, B, [1, 80], 1003, wire.RST),
    wire.tcpFrame(A, B, [1, 80], 1003, wire.ACK, yo),
  ]);
  t.same(listener.ends, ['0:closed', '1:closed']);
  t.same(listener.said, ['0:hi']);
  t.end();
});

void t.test('VLANs keep flows of equal addresses apart', (t) => {
  const { flows, take } = table();
  for (const vlan of [1, 2]) {
    take(wire.exchange(A, B, [1, 80], [{ from: 'client', data: hi }], { tags: { vlans: [vlan] } }));
  }
  t.equal(flows.size, 2);
  t.end();
});

void t.test('UDP: a reply is an answer, unless the higher port replies', (t) => {
  const { listener, flows, take } = table();
  const datagram = (from: wire.Station, to: wire.Station, ports: [number, number]): Uint8Array =>
    wire.ethernet(from.mac, to.mac, 0x800, wire.ipv4(from.ip, to.ip, 17, wire.udp(...ports, hi)));
  take([datagram(A, B, [5000, 161])]);
  t.same(listener.answers, []);
  take([datagram(B, A, [161, 5000]), datagram(B, A, [161, 5000])]);
  t.same(listener.answers, ['udp/161']);
  take([datagram(B, A, [161, 6000]), datagram(A, B, [6000, 161])]);
  t.same(listener.answers, ['udp/161'], 'seen from the middle, the asker is not taken for a server');
  take([datagram(A, { mac: '01:00:5e:00:00:fb', ip: '224.0.0.251' }, [5353, 5353])]);
  t.equal(flows.size, 2, 'multicast is no flow');
  t.end();
});

void t.test('silent flows expire; the table keeps its capacity under a flood', (t) => {
  const { flows, take, expire } = table(100);
  take(wire.exchange(A, B, [1, 80], []), 0);
  expire(limits.FLOW_IDLE_MS - 1);
  t.equal(flows.size, 1);
  expire(limits.FLOW_IDLE_MS);
  t.equal(flows.size, 0);
  for (let i = 0; i < 5000; i++) {
    const port = 1 + i;
    take([
      wire.tcpFrame(A, B, [port, 80], 5, wire.SYN),
      // Waits for what never comes.
      wire.tcpFrame(A, B, [port, 80], 50, wire.ACK, hi),
    ]);
  }
  t.equal(flows.size, 100);
  t.equal(flows.evicted, 4900);
  t.equal(flows.pendingBytes, 200, 'what evicted flows held was given back');
  t.end();
});
