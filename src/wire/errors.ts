/**
 * The one error table: code, text, whose fault it is and whether trying again can help. docs/ERRORS.md is
 * generated from it. Callers test with `isFault(e, 'CODE')`, never by matching text.
 */

/** Whose fault: the caller's, the far device's, ours, or the site's configuration. */
export type Blame = 'caller' | 'device' | 'gateway' | 'configuration';

interface Row {
  readonly text: string;
  readonly blame: Blame;
  readonly retry: boolean;
}

const row = (text: string, blame: Blame, retry: boolean): Row => ({ text, blame, retry });

export const errorTable = {
  CONFIG_INVALID: row('The configuration is not valid.', 'configuration', false),
  CONFIG_UNREADABLE: row('The configuration file cannot be read.', 'configuration', false),
  CAPABILITY_MISSING: row('The machine lacks a capability this process needs.', 'configuration', false),
  ADDON_UNAVAILABLE: row('The native addon cannot be loaded.', 'gateway', false),

  IPC_UNREACHABLE: row('Another process of the gateway cannot be reached.', 'gateway', true),
  IPC_TIMEOUT: row('Another process of the gateway did not answer in time.', 'gateway', true),
  IPC_REFUSED: row('The caller may not use this socket.', 'caller', false),
  IPC_MALFORMED: row('A local message was not understood.', 'caller', false),
  IPC_UNKNOWN_VERB: row('The verb is not one of this process.', 'caller', false),

  UNKNOWN_PEER: row('The source address belongs to no enrolled peer.', 'caller', false),
  UNKNOWN_RESOURCE: row('No such resource is published.', 'caller', false),
  NO_TUNNEL_SESSION: row('The peer has no live tunnel session.', 'caller', true),
  POLICY_DENIED: row('Policy permits nothing on this resource.', 'caller', false),
  POLICY_UNAVAILABLE: row('No policy is loaded, so nothing can be decided.', 'gateway', true),
  POLICY_INVALID: row('The policy set is not valid.', 'configuration', false),
  POLICY_UNREADABLE: row('A policy file or a decision table cannot be read.', 'caller', false),
  POLICY_FINDINGS: row('The policy set has findings.', 'caller', false),
  POLICY_TABLE_INVALID: row('A decision table is not understood.', 'caller', false),
  POLICY_TEST_FAILED: row('The policy set decides otherwise than its decision tables say.', 'caller', false),
  STEP_UP_REQUIRED: row('A recent or stronger authentication is needed.', 'caller', true),
  DEVICE_QUARANTINED: row("The user's device is in quarantine.", 'caller', true),
  FACT_INVALID: row('A reported fact cannot be taken.', 'caller', false),
  ACTION_REFUSED: row('The session may not do this.', 'caller', false),
  SESSION_REVOKED: row('The session was ended by an operator or by policy.', 'caller', false),
  SESSION_LIMIT: row('Too many sessions are open.', 'caller', true),
  SESSION_UNKNOWN: row('There is no such session.', 'caller', false),
  DEVICE_UNKNOWN: row('There is no such device.', 'caller', false),
  FINDING_UNKNOWN: row('There is no such finding.', 'caller', false),
  FINDING_NOT_LEARNED: row('What this finding is about was not made part of the baseline.', 'caller', false),
  FINDING_NOT_LEARNABLE: row('This finding is about nothing that a baseline can take in.', 'caller', false),
  PEER_UNKNOWN: row('There is no such peer.', 'caller', false),

  BUNDLE_MALFORMED: row('The policy bundle is not in the form of one.', 'caller', false),
  BUNDLE_TOO_LARGE: row('The policy bundle is longer than any may be.', 'caller', false),
  BUNDLE_SIGNER_UNKNOWN: row('No signer of the policy bundle is pinned here.', 'caller', false),
  BUNDLE_SIGNATURE_WRONG: row('A signature of the policy bundle is wrong.', 'caller', false),
  BUNDLE_INVALID: row('The content of the policy bundle is not valid.', 'caller', false),
  BUNDLE_AUDIENCE: row('The policy bundle is for other sites.', 'caller', false),
  BUNDLE_OLDER: row('A newer policy bundle has been seen here.', 'caller', false),
  BUNDLE_REVISION_REUSED: row('Another policy bundle had this revision.', 'caller', false),
  BUNDLE_NOT_YET_VALID: row('The policy bundle may not be activated yet.', 'caller', true),
  BUNDLE_EXPIRED: row('The policy bundle may no longer be activated.', 'caller', false),
  BUNDLE_DESTRUCTIVE: row(
    'The policy bundle drops more than a fifth of what is in force and is not marked as meant to.',
    'caller',
    false,
  ),
  BUNDLE_VECTORS: row('The policy bundle decides otherwise here than where it was made.', 'caller', false),
  BUNDLE_ROTATION: row('The policy bundle names signers that did not sign it.', 'caller', false),
  BUNDLE_NO_KEYS: row('No signer is pinned, so no policy bundle can be verified.', 'configuration', false),
  SIGNER_INVALID: row("A signer's key cannot be read or is none.", 'caller', false),
  SEAL_UNAVAILABLE: row('The highest revision seen cannot be sealed.', 'gateway', true),

  GLASS_REFUSED: row('The glass may not be broken here, or not for this.', 'caller', false),
  GLASS_UNKNOWN: row('There is no such break-glass.', 'caller', false),
  EMERGENCY_ACTIVE: row('The site is in emergency mode already.', 'caller', false),
  EMERGENCY_NONE: row('The site is not in emergency mode.', 'caller', false),
  CREDENTIAL_REFUSED: row('The credential is not valid.', 'caller', false),
  CREDENTIAL_LOCKED: row('Too many wrong credentials: wait before the next.', 'caller', true),
  ORDER_REFUSED: row('The order is not valid here and now.', 'caller', false),
  REQUEST_REFUSED: row('This access cannot be asked for.', 'caller', false),
  REQUEST_UNKNOWN: row('There is no such request, or it waits no longer.', 'caller', false),
  APPROVAL_REFUSED: row('The approval does not count.', 'caller', false),
  REVIEW_UNKNOWN: row('There is no such open review.', 'caller', false),
  REVIEW_REFUSED: row('Somebody else has to close this review.', 'caller', false),

  DEVICE_UNREACHABLE: row('The device does not accept the connection.', 'device', true),
  DEVICE_SILENT: row('The device accepted the connection and then said nothing.', 'device', true),

  STORE_CORRUPT: row('A database of the gateway is damaged.', 'gateway', false),
  STORE_FOREIGN: row('The file is not the database it should be.', 'configuration', false),
  STORE_NEWER: row('The database was written by a newer version.', 'configuration', false),
  STORE_FULL: row('A database cannot grow: the disk is full.', 'gateway', true),
  STORE_UNAVAILABLE: row('A database cannot be opened, read or written.', 'gateway', true),
  STORE_CONSTRAINT: row('A rule of the database forbids the change.', 'gateway', false),

  AUDIT_STORAGE_FULL: row(
    'The audit store is full; new sessions are refused until there is room.',
    'gateway',
    true,
  ),
  AUDIT_UNAVAILABLE: row('The audit log cannot be written; new sessions are refused.', 'gateway', true),
  AUDIT_CORRUPT: row('The audit log does not verify.', 'gateway', false),

  PROVISION_REFUSED: row('The provisioning stick is refused.', 'caller', false),
  PROVISION_INVALID: row('No provisioning stick can be made of this.', 'caller', false),
  PROVISION_STATE: row("The gateway's enrolment cannot be read or written.", 'gateway', true),
  RECEIPT_REFUSED: row('The receipt of a gateway is refused.', 'caller', false),

  CAPTURE_UNREADABLE: row('A capture file cannot be read.', 'caller', false),

  ADVISORY_UNREADABLE: row('An advisory or a document of a device cannot be read.', 'caller', false),
  ADVISORY_INVALID: row('An advisory or a document of a device is not understood.', 'caller', false),

  GATEWAY_UNWELL: row('The gateway is not well.', 'gateway', true),
  UPDATE_UNREADABLE: row('The update cannot be read.', 'caller', true),
  UPDATE_MALFORMED: row('The update is not in the form of one.', 'caller', false),
  UPDATE_SIGNATURE: row('The update is not signed by the pinned key.', 'caller', false),
  UPDATE_CONTENT: row('A file of the update is not what was signed.', 'caller', false),
  UPDATE_OLDER: row('The update is not newer than what has run here.', 'caller', false),
  UPDATE_REFUSED: row('The update cannot be done here and now.', 'caller', false),
  UPDATE_DISK: row('The system disk cannot be read or written as it must be.', 'gateway', false),

  INTERNAL: row('A fault of the gateway itself.', 'gateway', false),
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof errorTable;

/** An error of the table, with the place or value that caused it in `detail`. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: ErrorCode;
  readonly detail: string;

  constructor(code: ErrorCode, detail = '', options?: ErrorOptions) {
    super(detail === '' ? errorTable[code].text : `${errorTable[code].text} ${detail}`, options);
    this.code = code;
    this.detail = detail;
  }

  get blame(): Blame {
    return errorTable[this.code].blame;
  }

  get retry(): boolean {
    return errorTable[this.code].retry;
  }
}

/** True when `e` is a Fault, and of `code` when one is given. */
export function isFault(e: unknown, code?: ErrorCode): e is Fault {
  return e instanceof Fault && (code === undefined || e.code === code);
}

export const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(errorTable, text);

/** Exit codes of sysexits(3), for every process and command. */
export const exitCodes = {
  ok: 0,
  usage: 64,
  dataErr: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  osErr: 71,
  cantCreat: 73,
  ioErr: 74,
  tempFail: 75,
  noPerm: 77,
  config: 78,
} as const;

/** The exit code a process ends with when `e` stops it. */
export function exitCodeOf(e: unknown): number {
  if (!isFault(e)) return exitCodes.software;
  switch (e.code) {
    case 'CONFIG_INVALID':
    case 'CONFIG_UNREADABLE':
    case 'POLICY_INVALID':
    case 'BUNDLE_NO_KEYS':
      return exitCodes.config;
    case 'CAPABILITY_MISSING':
    case 'IPC_REFUSED':
    case 'GLASS_REFUSED':
    case 'CREDENTIAL_REFUSED':
    case 'CREDENTIAL_LOCKED':
    case 'ORDER_REFUSED':
    case 'REQUEST_REFUSED':
    case 'APPROVAL_REFUSED':
    case 'REVIEW_REFUSED':
    case 'UPDATE_REFUSED':
      return exitCodes.noPerm;
    case 'SESSION_UNKNOWN':
    case 'DEVICE_UNKNOWN':
    case 'FINDING_UNKNOWN':
    case 'PEER_UNKNOWN':
    case 'GLASS_UNKNOWN':
    case 'REQUEST_UNKNOWN':
    case 'REVIEW_UNKNOWN':
    case 'EMERGENCY_NONE':
    case 'EMERGENCY_ACTIVE':
      return exitCodes.noInput;
    case 'IPC_UNREACHABLE':
    case 'IPC_TIMEOUT':
    case 'GATEWAY_UNWELL':
      return exitCodes.unavailable;
    case 'CAPTURE_UNREADABLE':
    case 'ADVISORY_UNREADABLE':
    case 'POLICY_UNREADABLE':
    case 'UPDATE_UNREADABLE':
      return exitCodes.noInput;
    case 'FINDING_NOT_LEARNED':
    case 'FINDING_NOT_LEARNABLE':
    case 'POLICY_FINDINGS':
    case 'POLICY_TABLE_INVALID':
    case 'POLICY_TEST_FAILED':
    case 'BUNDLE_MALFORMED':
    case 'BUNDLE_TOO_LARGE':
    case 'BUNDLE_SIGNER_UNKNOWN':
    case 'BUNDLE_SIGNATURE_WRONG':
    case 'BUNDLE_INVALID':
    case 'BUNDLE_AUDIENCE':
    case 'BUNDLE_OLDER':
    case 'BUNDLE_REVISION_REUSED':
    case 'BUNDLE_NOT_YET_VALID':
    case 'BUNDLE_EXPIRED':
    case 'BUNDLE_DESTRUCTIVE':
    case 'BUNDLE_VECTORS':
    case 'BUNDLE_ROTATION':
    case 'SIGNER_INVALID':
    case 'PROVISION_REFUSED':
    case 'PROVISION_INVALID':
    case 'RECEIPT_REFUSED':
    case 'FACT_INVALID':
    case 'ADVISORY_INVALID':
    case 'AUDIT_CORRUPT':
    case 'STORE_CORRUPT':
    case 'STORE_FOREIGN':
    case 'STORE_NEWER':
    case 'UPDATE_MALFORMED':
    case 'UPDATE_SIGNATURE':
    case 'UPDATE_CONTENT':
    case 'UPDATE_OLDER':
      return exitCodes.dataErr;
    case 'UPDATE_DISK':
    case 'STORE_FULL':
    case 'STORE_UNAVAILABLE':
    case 'AUDIT_STORAGE_FULL':
    case 'AUDIT_UNAVAILABLE':
    case 'SEAL_UNAVAILABLE':
    case 'PROVISION_STATE':
      return exitCodes.ioErr;
    default:
      return exitCodes.software;
  }
}
