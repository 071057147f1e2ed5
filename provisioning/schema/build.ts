/**
 * Writes the JSON Schemas of what travels on a stick, from `src/wire/provision.ts`, into this folder:
 * `node provisioning/schema/build.ts`. For readers in other languages; the gateway itself reads by the TypeScript.
 */
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import {
  credentialContent,
  enrolmentBody,
  enrolmentHead,
  farewellContent,
  receiptContent,
  resetOrder,
} from '../../src/wire/provision.ts';

const shapes = {
  'enrolment-head': enrolmentHead,
  'enrolment-body': enrolmentBody,
  receipt: receiptContent,
  credential: credentialContent,
  'reset-order': resetOrder,
  farewell: farewellContent,
};

/** File name → text. */
export const schemaFiles = (): Map<string, string> =>
  new Map(
    Object.entries(shapes).map(([name, shape]) => [
      `${name}.schema.json`,
      `${JSON.stringify({ title: `Anteroom ${name}`, ...z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' }) }, undefined, 2)}\n`,
    ]),
  );

if (import.meta.main)
  for (const [name, text] of schemaFiles()) writeFileSync(new URL(name, import.meta.url), text);
