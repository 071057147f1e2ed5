/**
 * A morning at the clinic, from outside: a radiologist's images, a nurse's infusion order, and two things that policy
 * refuses, in the words of the protocol. Every program is a stock one in the user's own namespace, through the tunnel.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Clinic } from './clinic.ts';
import { writeCtSeries } from './ct-series.ts';
import type { CtSeries } from './ct-series.ts';
import { virtual } from './gateway.ts';
import { exchange, order, query } from './hl7.ts';
import type { Outcome } from './namespace.ts';
import type { UserName } from './network.ts';

export interface Step {
  readonly who: UserName;
  readonly what: string;
  /** What ought to happen. */
  readonly expected: 'done' | 'refused';
  /** What did, with the other side's own words. */
  readonly happened: 'done' | 'refused' | 'failed';
  readonly words: string;
}

/** A dcmtk client against a resource, as `user`. */
export function dicom(
  clinic: Clinic,
  user: UserName,
  program: 'echoscu' | 'storescu' | 'findscu' | 'movescu' | 'getscu',
  resource: { readonly address: string; readonly port: number },
  called: string,
  options: readonly string[] = [],
  files: readonly string[] = [],
  onOutput?: (text: string) => void,
): Promise<Outcome> {
  const args = ['-v', '-to', '10', '-ta', '20', '-td', '20', '-aet', user.toUpperCase(), '-aec', called];
  return clinic.network.users[user].run(
    program,
    [...args, ...options, resource.address, String(resource.port), ...files],
    { environment: { TCP_NODELAY: '1' }, timeoutMs: 40_000, ...(onOutput ? { onOutput } : {}) },
  );
}

/** Lines of a dcmtk client that say how it went: responses, refusals, errors. */
export function words(outcome: Outcome): string {
  const lines = `${outcome.stdout}\n${outcome.stderr}`
    .split('\n')
    .filter((line) => /Response|Reject|Refused|Abort|^[EF]: |Reason|Result/i.test(line))
    .map((line) => line.replace(/^[IWEFD]: ?/, '').trim());
  return [...new Set(lines)].join('; ');
}

export async function doJob(
  clinic: Clinic,
  report: (step: Step) => void = () => undefined,
): Promise<{ steps: Step[]; series: CtSeries }> {
  const folder = join(clinic.lease.folder, 'ct');
  mkdirSync(folder, { recursive: true });
  const series = writeCtSeries(folder);
  const steps: Step[] = [];
  const add = (step: Step): void => {
    steps.push(step);
    report(step);
  };
  const radiologist = clinic.agent(clinic.network.users.radiologist);
  const nurse = clinic.agent(clinic.network.users.nurse);

  const echo = await dicom(clinic, 'radiologist', 'echoscu', virtual.pacs, 'PACS');
  add({
    who: 'radiologist',
    what: 'C-ECHO to the PACS',
    expected: 'done',
    happened: echo.code === 0 ? 'done' : 'failed',
    words: words(echo),
  });

  const store = await dicom(clinic, 'radiologist', 'storescu', virtual.pacs, 'PACS', [], series.files);
  const stored = [...`${store.stdout}${store.stderr}`.matchAll(/Received Store Response \(Success\)/g)]
    .length;
  add({
    who: 'radiologist',
    what: `C-STORE of ${series.files.length} CT slices to the PACS`,
    expected: 'done',
    happened: store.code === 0 && stored === series.files.length ? 'done' : 'failed',
    words: store.code === 0 ? `${stored} x Received Store Response (Success)` : words(store),
  });

  const keys = [
    'QueryRetrieveLevel=STUDY',
    `PatientID=${series.patientId}`,
    'PatientName',
    'StudyInstanceUID',
  ];
  const find = await dicom(clinic, 'radiologist', 'findscu', virtual.pacs, 'PACS', [
    '-S',
    ...keys.flatMap((key) => ['-k', key]),
  ]);
  const shows = `${find.stdout}${find.stderr}`.includes(series.studyUid);
  add({
    who: 'radiologist',
    what: 'C-FIND of the study on the PACS',
    expected: 'done',
    happened: find.code === 0 && shows ? 'done' : 'failed',
    words: shows ? `study ${series.studyUid}` : words(find),
  });

  const archived = await dicom(clinic, 'radiologist', 'echoscu', virtual.archive, 'ARCHIVE');
  add({
    who: 'radiologist',
    what: "C-ECHO to the modality's archive",
    expected: 'done',
    happened: archived.code === 0 ? 'done' : 'failed',
    words: words(archived),
  });

  const answered = (answer: Awaited<ReturnType<typeof exchange>>): Pick<Step, 'happened' | 'words'> => {
    if (!answer) return { happened: 'failed', words: 'no answer' };
    const code = answer.field('MSA', 1);
    const reason = answer.field('ERR', 8) || answer.field('MSA', 3);
    return {
      happened: code === 'AA' ? 'done' : code === 'AR' ? 'refused' : 'failed',
      words: `${answer.field('MSH', 9)} MSA|${code}${reason === '' ? '' : `: ${reason}`}`,
    };
  };
  add({
    who: 'nurse',
    what: 'HL7 query to the pump (QBP^Q11)',
    expected: 'done',
    ...answered(await exchange(nurse, virtual.pump, query())),
  });
  add({
    who: 'nurse',
    what: 'HL7 infusion order to the pump (RGV^O15)',
    expected: 'done',
    ...answered(await exchange(nurse, virtual.pump, order(42, 100))),
  });
  add({
    who: 'radiologist',
    what: 'HL7 infusion order to the pump (RGV^O15)',
    expected: 'refused',
    ...answered(await exchange(radiologist, virtual.pump, order(999, 900))),
  });

  const forbidden = await dicom(
    clinic,
    'vendor',
    'storescu',
    virtual.pacs,
    'PACS',
    [],
    series.files.slice(0, 1),
  );
  const refusal = words(forbidden);
  add({
    who: 'vendor',
    what: 'C-STORE to the PACS (may only view)',
    expected: 'refused',
    happened: /0x0?124|Not ?Authorized|Association Rejected/.test(refusal)
      ? 'refused'
      : forbidden.code === 0
        ? 'done'
        : 'failed',
    words: refusal,
  });
  await Promise.all([radiologist.stop(), nurse.stop()]);
  return { steps, series };
}
