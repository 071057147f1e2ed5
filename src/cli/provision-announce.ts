/** Says what is public of this box, for those who may not read its memory (`platform/announced.ts`). */
import type { ProvisionFacts } from '../wire/provision-status.ts';
import { replaceFile } from './durable-file.ts';
import { announcement } from '../platform/announced.ts';
import { gatherFacts, writeJson } from './provision-facts.ts';
import { readMemory } from './provision-memory.ts';
import type { Places } from './provision-memory.ts';

/** Read the box's own memory and say what is public of it. `keep`: one more place, for the next start. */
export function announce(
  places: Places,
  run: string,
  { version, now, keep }: { readonly version: string; readonly now: number; readonly keep?: string },
): ProvisionFacts {
  const facts = gatherFacts(places, run, { version, now });
  const { stick: _stick, selfTest: _selfTest, devicesSeen: _devices, now: _now, ...rest } = facts;
  const said = announcement.parse({ ...rest, floor: readMemory(places).floor });
  writeJson(run, 'box.json', said);
  if (keep !== undefined) replaceFile(keep, `${JSON.stringify(said)}\n`, 0o644);
  return facts;
}
