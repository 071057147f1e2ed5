/** The action table, row by row where a row is a promise. */
import t from 'tap';
import { actionsOf, headAction } from '../../../src/protocol/dicom/action.ts';
import { sopClassOf, sopClasses } from '../../../src/protocol/dicom/constants.ts';
import { CT, STUDY_FIND, STUDY_GET, STUDY_MOVE, VERIFICATION } from './sample.ts';

void t.test('each service needs its action', (t) => {
  const rows: [Parameters<typeof actionsOf>[0], string, readonly string[] | undefined][] = [
    ['C-ECHO', VERIFICATION, []],
    ['C-STORE', CT, ['modify']],
    ['C-STORE', '1.2.840.10008.5.1.4.1.1.999', ['modify']],
    ['C-FIND', STUDY_FIND, ['view']],
    ['C-FIND', '1.2.840.10008.5.1.4.31', ['view']],
    ['C-GET', STUDY_GET, ['download']],
    ['C-MOVE', STUDY_MOVE, ['download']],
    ['N-CREATE', '1.2.840.10008.3.1.2.3.3', ['modify']],
    ['N-SET', '1.2.840.10008.3.1.2.3.3', ['modify']],
    ['N-GET', '1.2.840.10008.5.1.1.16', ['view']],
    ['N-CREATE', '1.2.840.10008.5.1.1.1', ['print']],
    ['N-DELETE', '1.2.840.10008.5.1.1.2', ['print']],
    ['N-DELETE', '1.2.840.10008.3.1.2.3.3', ['administer']],
    ['N-ACTION', '1.2.840.10008.1.20.1', ['modify']],
    ['N-ACTION', '1.2.840.10008.5.1.4.34.6.1', ['modify']],
    // Not a command of its service, private, unknown.
    ['C-STORE', STUDY_FIND, undefined],
    ['C-ECHO', CT, undefined],
    ['C-STORE', '1.3.12.2.1107.5.9.1', undefined],
    ['N-ACTION', '1.2.840.10008.9.9.9', undefined],
    ['C-STORE', 'constructor', undefined],
    ['C-STORE', '__proto__', undefined],
  ];
  for (const [name, uid, actions] of rows) t.strictSame(actionsOf(name, [uid]), actions, `${name} ${uid}`);
  t.end();
});

void t.test('command and context both count', (t) => {
  const print = '1.2.840.10008.5.1.1.2';
  const printing = '1.2.840.10008.5.1.1.9';
  const commitment = '1.2.840.10008.1.20.1';
  t.strictSame(actionsOf('N-ACTION', [print, printing]), ['print']);
  t.strictSame(actionsOf('N-ACTION', [print, commitment]), ['print', 'modify'], 'everything either needs');
  t.strictSame(actionsOf('N-ACTION', [undefined, commitment]), ['modify']);
  t.equal(actionsOf('N-ACTION', [print, '1.2.3']), undefined);
  t.equal(actionsOf('N-ACTION', [undefined, undefined]), undefined);
  t.equal(headAction(['print', 'modify']), 'print');
  t.equal(headAction([]), 'view');
  t.end();
});

void t.test('UIDs of the table are UIDs', (t) => {
  for (const uid of Object.keys(sopClasses)) {
    t.match(uid, /^1\.2\.840\.10008(\.(0|[1-9]\d*))+$/);
    t.ok(uid.length <= 64);
  }
  t.equal(sopClassOf('1.2.840.10008.5.1.4.1.1.2')?.name, 'CT Image');
  t.end();
});
