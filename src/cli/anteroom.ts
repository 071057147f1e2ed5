#!/usr/bin/env node
/**
 * `anteroom …`: the command line of the appliance. One file a noun beside this one; each registers its own
 * commands. Exit codes are sysexits(3): 64 for a command used wrongly, 69 when a process can't be reached,
 * 65 for data that doesn't verify, 78 for a wrong configuration.
 */
import { Command, CommanderError } from 'commander';
import { version } from '../platform/version.ts';
import { Fault, exitCodeOf, exitCodes, isFault } from '../wire/errors.ts';
import { register as advisories } from './advisories.ts';
import { register as audit } from './audit.ts';
import { register as breakGlass } from './break-glass.ts';
import { register as devices } from './devices.ts';
import { register as emergency } from './emergency.ts';
import { register as errors } from './errors.ts';
import { register as exception } from './exception.ts';
import { register as facts } from './facts.ts';
import { register as findings } from './findings.ts';
import { register as health } from './health.ts';
import { register as peers } from './peers.ts';
import { register as policy } from './policy.ts';
import { register as provision } from './provision.ts';
import { register as request } from './request.ts';
import { register as review } from './review.ts';
import { register as sensor } from './sensor.ts';
import { register as sessions } from './sessions.ts';
import { register as status } from './status.ts';
import { register as update } from './update.ts';

// `anteroom … | head` closes the pipe early: that is the reader's wish, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

const program = new Command('anteroom')
  .description('The gateway in front of medical devices that cannot protect themselves.')
  .version(version)
  .option('--config <file>', 'configuration file (default: $ANTEROOM_CONFIG, then /etc/anteroom/config.json)')
  .exitOverride()
  .hook('preAction', (root) => {
    const file = root.opts<{ config?: string }>().config;
    if (file !== undefined) process.env['ANTEROOM_CONFIG'] = file;
  });
for (const register of [
  status,
  health,
  sessions,
  peers,
  devices,
  advisories,
  findings,
  facts,
  audit,
  sensor,
  policy,
  provision,
  breakGlass,
  emergency,
  request,
  review,
  exception,
  update,
  errors,
])
  register(program);

program.parseAsync().catch((error: unknown) => {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  } else {
    const fault = isFault(error)
      ? error
      : new Fault('INTERNAL', error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.stderr.write(`anteroom: ${fault.message}\n`);
    process.exitCode = exitCodeOf(fault);
  }
});
