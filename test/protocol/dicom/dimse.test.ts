/** Command sets: read strictly, answered with everything the asker needs to match the answer. */
import fc from 'fast-check';
import t from 'tap';
import { cancelOf, decodeCommand, isPending, responseTo } from '../../../src/protocol/dicom/dimse.ts';
import type { Command } from '../../../src/protocol/dicom/dimse.ts';
import { CT, STUDY_FIND, cancel, commandSet, request, response } from './sample.ts';

const decode = (bytes: Uint8Array): Command => {
  const decoded = decodeCommand(bytes);
  if (decoded.kind !== 'message') throw new Error(decoded.name);
  return decoded.message;
};
const nameOf = (bytes: Uint8Array): string => {
  const decoded = decodeCommand(bytes);
  return decoded.kind === 'malformed' ? decoded.name : 'message';
};

void t.test('requests and responses are read', (t) => {
  t.match(decode(request('C-STORE', CT, { id: 7, data: true, instance: '1.2.3' })), {
    name: 'C-STORE',
    response: false,
    messageId: 7,
    sopClassUid: CT,
    sopInstanceUid: '1.2.3',
    hasDataSet: true,
  });
  t.match(decode(request('N-ACTION', '1.2.840.10008.1.20.1', { more: [[0x1008, 1]] })), {
    name: 'N-ACTION',
    sopClassUid: '1.2.840.10008.1.20.1',
    actionTypeId: 1,
  });
  t.match(decode(response('C-FIND', STUDY_FIND, 9, 0xff00, true)), {
    name: 'C-FIND',
    response: true,
    respondedTo: 9,
    status: 0xff00,
    hasDataSet: true,
  });
  t.match(decode(cancel(3)), { name: 'C-CANCEL', response: false, respondedTo: 3 });
  t.ok(isPending(0xff00) && isPending(0xff01) && !isPending(0) && !isPending(undefined));
  t.end();
});

void t.test('what can be read two ways, or not at all, is malformed', (t) => {
  const good = request('C-ECHO', '1.2.840.10008.1.1');
  t.equal(nameOf(Buffer.concat([good, good.subarray(12)])), 'dicom_command_order', 'elements twice');
  t.equal(nameOf(Buffer.concat([good, Buffer.of(8, 0, 0x16, 0, 0, 0, 0, 0)])), 'dicom_not_a_command_element');
  t.equal(nameOf(good.subarray(0, -1)), 'dicom_bad_element_length');
  t.equal(nameOf(Buffer.concat([good, Buffer.of(0, 0)])), 'dicom_truncated_element');
  t.equal(nameOf(Buffer.alloc(0)), 'dicom_unknown_command');
  t.equal(
    nameOf(
      commandSet([
        [0x0100, 0x0077],
        [0x0110, 1],
        [0x0800, 0x0101],
      ]),
    ),
    'dicom_unknown_command',
  );
  t.equal(
    nameOf(
      commandSet([
        [0x0100, 0x8fff],
        [0x0120, 1],
        [0x0800, 0x0101],
      ]),
    ),
    'dicom_unknown_command',
  );
  t.equal(
    nameOf(
      commandSet([
        [0x0100, 0x0030],
        [0x0800, 0x0101],
      ]),
    ),
    'dicom_no_message_id',
  );
  t.equal(
    nameOf(
      commandSet([
        [0x0100, 0x0030],
        [0x0110, 1],
      ]),
    ),
    'dicom_no_data_set_type',
  );
  t.equal(
    nameOf(
      commandSet([
        [0x0100, 0x8030],
        [0x0120, 1],
        [0x0800, 0x0101],
      ]),
    ),
    'dicom_no_status',
  );
  t.equal(nameOf(request('N-ACTION', CT, { more: [[0x0002, STUDY_FIND]] })), 'dicom_two_sop_classes');
  t.equal(nameOf(new Uint8Array(64 * 1024 + 1)), 'dicom_command_too_long');
  t.end();
});

void t.test('a refusal echoes the request, in ascending elements', (t) => {
  const asked = decode(
    request('N-ACTION', '1.2.840.10008.1.20.1', { id: 300, instance: '1.2.3.45', more: [[0x1008, 1]] }),
  );
  const answer = responseTo(asked, 0x0124, 'modify is not permitted: posture');
  t.strictSame(
    answer,
    commandSet([
      [0x0002, '1.2.840.10008.1.20.1'],
      [0x0100, 0x8130],
      [0x0120, 300],
      [0x0800, 0x0101],
      [0x0900, 0x0124],
      [0x0902, 'modify is not permitted: posture'],
      [0x1000, '1.2.3.45'],
      [0x1008, 1],
    ]),
  );
  t.strictSame(cancelOf(300), cancel(300));
  t.end();
});

void t.test('an error comment is one LO of printable ASCII, at most 64 characters', (t) => {
  const asked = decode(request('C-ECHO', '1.2.840.10008.1.1'));
  const answer = responseTo(asked, 0x0124, `a\\b\n\u00e9${'x'.repeat(100)}`);
  const text = `a?b??${'x'.repeat(59)}`;
  t.ok(Buffer.from(answer).includes(text));
  t.notOk(Buffer.from(answer).includes(`${text}x`));
  t.end();
});

void t.test('any mutation of a command set is read or malformed', (t) => {
  const good = request('C-MOVE', STUDY_FIND, { data: true, instance: '1.2.3', more: [[0x0600, 'DEST']] });
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, cut) => {
        const flipped = Buffer.from(good);
        flipped[at] = value;
        const decoded = decodeCommand(flipped.subarray(0, cut));
        if (decoded.kind === 'message') responseTo(decoded.message, 0x0124, 'no');
      }),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeCommand(bytes)));
  });
  t.end();
});
