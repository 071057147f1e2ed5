/**
 * The two ends of an MLLP exchange as programs, for namespaces of their own:
 *
 *   node mllp-peer.ts listen PORT           acknowledges every message, for ever
 *   node mllp-peer.ts send ADDRESS PORT     sends one observation, prints the acknowledgement, ends
 */
import { connect, createServer } from 'node:net';

/** Words that only patients' segments hold; nothing may repeat them. */
export const planted = ['PLANTEDNAME', 'PLANTEDID', 'PLANTEDCONTROL'];

const [verb, ...rest] = process.argv.slice(2);

const observation = [
  'MSH|^~\\&|PUMP_7^0012210000000007^EUI-64|BBRAUN|EHR_IN|WARD3|20260101120000||ORU^R01^ORU_R01|PLANTEDCONTROL|P|2.6',
  'PID|||PLANTEDID^^^HOSP||PLANTEDNAME^PAT',
  'OBX|1|NM|157784^MDC_FLOW_FLUID_PUMP||12.5',
].join('\r');
const acknowledgement =
  'MSH|^~\\&|EHR_IN|WARD3|PUMP_7|BBRAUN|20260101120001||ACK^R01^ACK|A1|P|2.6\rMSA|AA|PLANTEDCONTROL';
const block = (text: string): string => `\u000b${text}\r\u001c\r`;

if (verb === 'listen') {
  createServer((socket) => {
    socket.on('data', (bytes) => {
      if (bytes.includes(0x1c)) socket.end(block(acknowledgement));
    });
    socket.on('error', () => socket.destroy());
  }).listen(Number(rest[0]));
} else if (verb === 'send') {
  const socket = connect(Number(rest[1]), rest[0] ?? '');
  socket.on('connect', () => socket.write(block(observation)));
  socket.pipe(process.stdout);
}
