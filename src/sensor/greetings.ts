/** The protocols of which the first bytes tell enough, in the order in which they are tried: strict marks first. */
import { deviceGreetings } from './device-greeting.ts';
import type { ProtocolRow } from './identify.ts';
import { loginGreetings } from './login-greeting.ts';
import { webGreetings } from './web-greeting.ts';

export const greetings: readonly ProtocolRow[] = [...webGreetings, ...loginGreetings, ...deviceGreetings];
