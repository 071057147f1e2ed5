/**
 * What a technician is told of a stick: a code, one sentence, the next action. The same on the console, on the
 * management port's page and in the answer of `anteroom provision apply`. Nothing of a stick's content is in a text.
 */
import * as z from 'zod';

interface Row {
  readonly sentence: string;
  readonly action: string;
}

const row = (sentence: string, action: string): Row => ({ sentence, action });

export const provisionCodes = {
  OK1: row('This gateway is enrolled.', 'Remove the stick. Watch the steps below turn green.'),
  OK2: row(
    'This gateway is enrolled and its receipt is on the stick.',
    'Remove the stick and bring it back to the office.',
  ),
  OK3: row('The office’s answer is installed.', 'Remove the stick.'),
  OK4: row('This stick was taken before; nothing had to be done.', 'Remove the stick.'),
  OK5: row(
    'The keys of this gateway are destroyed and the receipt is written.',
    'Bring the receipt to the office.',
  ),
  E01: row('There is no enrolment on this stick.', 'Plug in the stick that was made for this site.'),
  E02: row(
    'The stick cannot be read: it is damaged, incomplete, not FAT, or was pulled out too early.',
    'Plug it in again; if that does not help, have the office make a new one.',
  ),
  E03: row(
    'The signature on the stick is wrong: somebody or something changed it.',
    'Do not use it. Tell the office, and have a new one made.',
  ),
  E04: row(
    'The stick was signed by somebody this gateway does not know.',
    'Ask the office which software this gateway has, and for a stick that fits it.',
  ),
  E05: row(
    'The stick has expired, or is not valid yet.',
    'Compare the time shown here with your own; then have the office make a new one.',
  ),
  E06: row(
    'The stick is for another site or another gateway.',
    'Compare the site on the stick’s page and the device code shown here.',
  ),
  E07: row('The stick was used before. Each works once.', 'Have the office make a new one.'),
  E08: row(
    'The software of this gateway is too old for the stick.',
    'Update the gateway first, then plug in the stick again.',
  ),
  E09: row('There is no network.', 'Look at the cable and the link light of the uplink port.'),
  E10: row('The coordinator did not take this gateway.', 'Call the contact on the stick’s page.'),
  E11: row(
    'This gateway has no TPM, and the stick is not for a gateway without one.',
    'Have the office make a stick that allows keys in a file, or use another box.',
  ),
  E12: row(
    'This gateway is in service already, or was in service at another time.',
    'Reset it first; then use a stick made for a gateway that was reset.',
  ),
  E13: row(
    'The one-time code is missing or wrong.',
    'Type the code that the office gave you, not the one on any paper with the stick.',
  ),
  E14: row('This gateway is decommissioned for good.', 'Use another box.'),
  E15: row(
    'What the stick says cannot be put into force.',
    'Tell the office the detail shown here, and have a new one made.',
  ),
  E16: row('There are two sticks with an enrolment.', 'Remove the one that is not for this gateway.'),
  E17: row('This gateway cannot write to its disk.', 'Restart it. If that does not help, use another box.'),
  E18: row('Too many attempts in one minute.', 'Wait a minute, then plug in the stick again.'),
} as const satisfies Record<string, Row>;

export type ProvisionCode = keyof typeof provisionCodes;
export const provisionCode = z.enum(Object.keys(provisionCodes) as [ProvisionCode, ...ProvisionCode[]]);
export const isRefusal = (code: ProvisionCode): boolean => code.startsWith('E');
