/**
 * Secrets that a person types: never arguments, never shown. On a terminal each is asked for with the echo off; otherwise
 * they are the lines of the standard input.
 */
import { Fault } from '../wire/errors.ts';

const MAX_BYTES = 8_192;

async function lines(): Promise<string[]> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    parts.push(part);
    length += part.length;
    if (length > MAX_BYTES) break;
  }
  return Buffer.concat(parts).toString('utf8').split('\n');
}

function ask(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(`${prompt}: `);
  stdin.setRawMode(true);
  stdin.resume();
  return new Promise((resolve, reject) => {
    let typed = '';
    const done = (): void => {
      stdin.off('data', take);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
    };
    const take = (bytes: Buffer): void => {
      for (const key of bytes.toString('utf8')) {
        if (key === '\r' || key === '\n') {
          done();
          resolve(typed);
          return;
        }
        if (key === '\u0003' || key === '\u0004') {
          done();
          reject(new Fault('CREDENTIAL_REFUSED', 'given up'));
          return;
        }
        if (key === '\u007f' || key === '\b') typed = Array.from(typed).slice(0, -1).join('');
        else if (key >= ' ') typed += key;
      }
    };
    stdin.on('data', take);
  });
}

/** One secret a prompt, in order. Fault CREDENTIAL_REFUSED where there are fewer lines. */
export async function readSecrets(prompts: readonly string[]): Promise<string[]> {
  if (process.stdin.isTTY) {
    const typed: string[] = [];
    for (const prompt of prompts) typed.push(await ask(prompt));
    return typed;
  }
  const given = await lines();
  return prompts.map((prompt, i) => {
    const line = given[i]?.replace(/\r$/, '') ?? '';
    if (line === '') throw new Fault('CREDENTIAL_REFUSED', `standard input has no line for: ${prompt}`);
    return line;
  });
}
