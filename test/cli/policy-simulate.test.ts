/** `anteroom policy simulate` and `policy review attest` against a running control process. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { openLog } from '../audit/opened.ts';
import { makeSite, policyText, startControl } from '../main/control-process.ts';

const command = fileURLToPath(new URL('../../src/cli/anteroom.ts', import.meta.url));
const site = makeSite();
t.teardown(() => site.remove());
const candidate = join(site.folder, 'candidate.cedar');
writeFileSync(
  candidate,
  policyText.replace('[Action::"view", Action::"modify"]', '[Action::"view", Action::"print"]'),
);

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...args: string[]): Promise<Outcome> {
  const env = { ...process.env, ANTEROOM_CONFIG: site.configFile };
  try {
    const said = await promisify(execFile)(process.execPath, [command, 'policy', ...args], { env });
    return { code: 0, ...said };
  } catch (error) {
    return error as Outcome;
  }
}

void t.test(
  'a candidate is compared by the running gateway, also after a restart',
  { timeout: 240_000 },
  async (t) => {
    t.match(await run('simulate', 'report'), { code: 69 }, 'nobody is there');
    const first = await startControl(site);
    t.match(await run('simulate', 'report'), { code: 0, stdout: 'No candidate is compared.\n' });
    t.match(await run('simulate', 'start', candidate, '--name', 'spring'), {
      code: 0,
      stdout:
        /^Candidate spring \([0-9a-f]{12}\), compared for \d+ s by uid \d+: 0 of 0\s+decisions\s+would\s+differ\. Nothing of it is enforced\.\n$/,
    });
    writeFileSync(join(site.folder, 'slip.cedar'), 'permit (principal,');
    t.match(await run('simulate', 'start', join(site.folder, 'slip.cedar')), {
      code: 78,
      stderr: /slip\.cedar:1:/,
    });
    await first.stop();

    const second = await startControl(site);
    t.match(await run('simulate', 'report', '--json'), { code: 0, stdout: /"name": "spring"/ });

    t.match(await run('review', 'attest', 'access:ada:pacs-dicom', 'keep', '--note', 'Still here.'), {
      code: 0,
      stdout: 'access:ada:pacs-dicom: keep, on record.\n',
    });
    const store = join(site.folder, 'audit.db');
    openLog(store).close();
    const review = await run('review', '--store', store, '--days', '7');
    t.equal(review.code, 0, review.stderr);
    t.match(
      review.stdout,
      /^ada\n {2}pacs-dicom {6}view, modify; not used in 7 days; kept by uid \d+ \d+ s ago\n/,
    );
    t.match(review.stdout, /0 exceptions, none of them needs anybody\./);

    t.match(await run('simulate', 'stop'), { code: 0, stdout: /^Candidate spring/ });
    t.match(await run('simulate', 'report'), { code: 0, stdout: 'No candidate is compared.\n' });
    await second.stop();
  },
);
