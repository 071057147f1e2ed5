/** Association PDUs: read, refused when they don't fit, rewritten without the asynchronous window. */
import fc from 'fast-check';
import t from 'tap';
import {
  abort,
  associateReject,
  dataHeader,
  decodeAssociate,
  fragmentLimit,
  frameFragments,
  withoutAsynchronousOperations,
} from '../../../src/protocol/dicom/message.ts';
import { CT, IMPLICIT, VERIFICATION, associateAccept, associateRequest, item } from './sample.ts';

const rq = associateRequest({
  contexts: { 1: VERIFICATION, 3: CT },
  maximumLength: 65536,
  asynchronous: true,
});

void t.test('an A-ASSOCIATE-RQ says who asks for what', (t) => {
  t.strictSame(decodeAssociate(rq), {
    kind: 'message',
    message: {
      calledAeTitle: 'PACS',
      callingAeTitle: 'RITA',
      applicationContext: '1.2.840.10008.3.1.1.1',
      contexts: [
        { id: 1, abstractSyntax: VERIFICATION, transferSyntaxes: [IMPLICIT] },
        { id: 3, abstractSyntax: CT, transferSyntaxes: [IMPLICIT] },
      ],
      maximumLength: 65536,
      implementationClassUid: '1.2.3.4',
      implementationVersionName: 'SAMPLE_1',
      asynchronousOperations: { invoked: 0, performed: 5 },
    },
  });
  t.end();
});

void t.test('an A-ASSOCIATE-AC says what was accepted', (t) => {
  const decoded = decodeAssociate(associateAccept({ contexts: { 1: 0, 3: 3 } }));
  t.match(decoded, {
    message: {
      contexts: [
        { id: 1, result: 0 },
        { id: 3, result: 3 },
      ],
      maximumLength: 16384,
    },
  });
  t.end();
});

void t.test('two readings of one PDU are refused', (t) => {
  const context = (id: number, ...uids: string[]): Buffer =>
    item(0x20, Buffer.of(id, 0, 0, 0), ...uids.map((uid) => item(0x30, Buffer.from(uid))));
  const withItems = (...items: Buffer[]): Buffer => {
    const fixed = rq.subarray(6, 74);
    const body = Buffer.concat([fixed, ...items]);
    const header = Buffer.of(1, 0, 0, 0, 0, 0);
    header.writeUInt32BE(body.length, 2);
    return Buffer.concat([header, body]);
  };
  const name = (pdu: Buffer): string => {
    const decoded = decodeAssociate(pdu);
    return decoded.kind === 'malformed' ? decoded.name : decoded.kind;
  };
  t.equal(name(withItems(context(1, CT))), 'message');
  t.equal(name(withItems(context(1, CT), context(1, VERIFICATION))), 'dicom_bad_presentation_context');
  t.equal(name(withItems(context(1, CT, VERIFICATION))), 'dicom_bad_presentation_context');
  t.equal(name(withItems(context(2, CT))), 'dicom_bad_presentation_context');
  t.equal(name(withItems(context(1))), 'dicom_bad_presentation_context');
  t.equal(name(withItems(item(0x50), item(0x50))), 'dicom_bad_user_information');
  const many = Array.from({ length: 129 }, (_, i) => context((2 * i + 1) & 0xff, CT));
  t.equal(name(withItems(...many.slice(0, 128))), 'message');
  t.equal(name(withItems(...many)), 'dicom_too_many_contexts');
  t.equal(name(Buffer.concat([rq, Buffer.of(0)])), 'dicom_bad_associate_length');
  t.end();
});

void t.test('the asynchronous window goes, the rest stays byte for byte', (t) => {
  const plain = associateRequest({ contexts: { 1: VERIFICATION, 3: CT }, maximumLength: 65536 });
  t.strictSame(Buffer.from(withoutAsynchronousOperations(rq)), plain);
  t.equal(withoutAsynchronousOperations(plain), plain, 'nothing to take out: the same bytes');
  t.end();
});

void t.test('any mutation of an association PDU is decoded or malformed', (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.nat(rq.length - 1), fc.nat(255), fc.nat(rq.length), (at, value, cut) => {
        const flipped = Buffer.from(rq);
        flipped[at] = value;
        const whole = decodeAssociate(flipped);
        if (whole.kind === 'message') withoutAsynchronousOperations(flipped);
        const truncated = decodeAssociate(rq.subarray(0, cut));
        return cut === rq.length || truncated.kind === 'malformed';
      }),
      { numRuns: 2000 },
    ),
  );
  t.end();
});

void t.test('what the gateway says is laid out as the standard says', (t) => {
  t.strictSame([...associateReject(1, 1, 3)], [3, 0, 0, 0, 0, 4, 0, 1, 1, 3]);
  t.strictSame([...abort(2)], [7, 0, 0, 0, 0, 4, 0, 0, 2, 2]);
  t.strictSame([...dataHeader(5, 2, 0x10000)], [4, 0, 0, 1, 0, 6, 0, 1, 0, 2, 5, 2]);
  t.end();
});

void t.test('fragments keep to the limit, and only the last is marked', (t) => {
  t.equal(fragmentLimit(16384), 16378);
  t.equal(fragmentLimit(16383), 16376, 'even');
  t.equal(fragmentLimit(3), 122, 'a nonsensical limit is not followed to nothing');
  t.equal(fragmentLimit(0), 16 * 1024 * 1024 - 6);
  const frames = frameFragments(1, 'command', new Uint8Array(10), true, 4).map((frame) => [...frame]);
  t.strictSame(
    frames.map((frame) => frame.length),
    [12, 4, 12, 4, 12, 2],
  );
  t.strictSame([frames[0]?.[11], frames[2]?.[11], frames[4]?.[11]], [1, 1, 3]);
  t.strictSame(
    frameFragments(1, 'data', new Uint8Array(0), true, 4).map((frame) => [...frame]),
    [[4, 0, 0, 0, 0, 6, 0, 0, 0, 2, 1, 2]],
  );
  t.end();
});
