/**
 * Loaded before the tunnel process (`node --import`), for tests in which years pass in seconds: constants of
 * src/tunnel/constants.ts get other values, in milliseconds, from HURRIED in the environment. The product knows
 * nothing of it. What isn't a constant there, or isn't written as one, is an error.
 */
import { registerHooks } from 'node:module';

const values: unknown = JSON.parse(process.env['HURRIED'] ?? '{}');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith('/src/tunnel/constants.ts')) return loaded;
    let source = Buffer.from(loaded.source as Uint8Array).toString();
    for (const [name, value] of Object.entries(values as Record<string, number>)) {
      const before = source;
      source = source.replace(
        new RegExp(`^export const ${name} = .*;$`, 'm'),
        `export const ${name} = millis(${value});`,
      );
      if (source === before) throw new Error(`no constant ${name}`);
    }
    return { ...loaded, source };
  },
});
