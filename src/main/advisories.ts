/** What control needs for advisories: their store on disk, and the sensor room's understanding of them. */
import { join } from 'node:path';
import type { AdvisoryPorts } from '../control/advisory-desk.ts';
import { AdvisoryStore, advisorySchema } from '../control/advisory-store.ts';
import type { Logger } from '../platform/log.ts';
import { advisoryTerms, matchAdvisory, matchExploited, subjectTerms } from '../sensor/advisory/match.ts';
import { openStore } from '../store/store.ts';
import type { Config } from '../wire/config.ts';
import { isFault } from '../wire/errors.ts';

/** A store that can't be opened is reported and left as it is: advisories can be imported again. */
export function openAdvisories(config: Config, log: Logger): AdvisoryPorts {
  const file = join(config.stateDir, 'control', 'advisories.db');
  const knowledge = { advisoryTerms, matchAdvisory, matchExploited, subjectTerms };
  try {
    return { store: new AdvisoryStore(openStore({ file, schema: advisorySchema })), knowledge };
  } catch (error) {
    if (!isFault(error)) throw error;
    log.error({ err: error }, 'the store of advisories cannot be opened; none can be looked up');
    return { store: new AdvisoryStore(undefined, error), knowledge };
  }
}
