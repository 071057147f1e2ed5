/**
 * The published resources' listeners: one virtual address and port each. A listener that can't be opened is
 * tried again for ever, with a back-off, and named on the health list; it never stops the others or the process.
 *
 * What is published may change while everything runs: `replace` closes what is gone, opens what is new, and leaves the
 * rest and every accepted connection alone.
 *
 * The two faults met in practice: EADDRNOTAVAIL while the tunnel hasn't yet made the overlay's prefix local
 * (AnyIP), and EACCES for ports below 1024 where `net.ipv4.ip_unprivileged_port_start` is not 0. The broker holds
 * no capability, so DICOM's port 104 needs that setting in the gateway's network namespace; the appliance's
 * sysctl.d sets it.
 */
import type { ResourceConfig } from '../wire/config.ts';
import { formatEndpoint } from '../wire/address.ts';
import type { Cancel, Log, Schedule } from './surroundings.ts';

const FIRST_BACKOFF = 250;
const LAST_BACKOFF = 5_000;

/** A listener that is open. */
export interface Listening {
  close(): Promise<void>;
}

/** Open a listener for `resource`; `failed` is called if it breaks after it was open. */
export type Listen = (resource: ResourceConfig, failed: (error: unknown) => void) => Promise<Listening>;

export interface ListenersOptions {
  readonly resources: readonly ResourceConfig[];
  readonly listen: Listen;
  readonly schedule: Schedule;
  readonly log: Log;
  /** The set of listeners that don't work changed. */
  readonly onChange: () => void;
}

interface Slot {
  readonly resource: ResourceConfig;
  /** It isn't published any more. */
  gone: boolean;
  listening?: Listening | undefined;
  fault?: string | undefined;
  backoff: number;
  retry?: Cancel;
}

/** The system's name for what went wrong, `EADDRINUSE` and the like. */
function errorName(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}

const newSlot = (resource: ResourceConfig): Slot => ({ resource, gone: false, backoff: FIRST_BACKOFF });

/** Two that are listened on and dialled in the same way. */
const alike = (a: ResourceConfig, b: ResourceConfig): boolean =>
  a.id === b.id &&
  a.device === b.device &&
  a.protocol === b.protocol &&
  a.port === b.port &&
  formatEndpoint(a.virtual) === formatEndpoint(b.virtual);

export class Listeners {
  readonly #options: ListenersOptions;
  #slots: Slot[];
  #stopped = false;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#slots = options.resources.map(newSlot);
  }

  /** Resources that can't be reached now, as `pacs-dicom on 100.96.128.10:104: EADDRNOTAVAIL`. */
  get failing(): string[] {
    return this.#slots
      .filter((slot) => slot.fault !== undefined)
      .map((slot) => `${slot.resource.id} on ${formatEndpoint(slot.resource.virtual)}: ${slot.fault}`);
  }

  /** Try to open all of them; resolves when each has been tried once. */
  async start(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => this.#open(slot)));
  }

  /**
   * Publish these and nothing else. What is gone stops accepting before anything is opened, since one may take over
   * the address of another; resolves when each new one has been tried once.
   */
  async replace(resources: readonly ResourceConfig[]): Promise<void> {
    const before = this.#slots;
    this.#slots = resources.map(
      (resource) => before.find((slot) => alike(slot.resource, resource)) ?? newSlot(resource),
    );
    const kept = new Set(this.#slots);
    const gone = before.filter((slot) => !kept.has(slot));
    const opened = this.#slots.filter((slot) => !before.includes(slot));
    if (gone.length + opened.length === 0) return;
    for (const slot of gone) slot.gone = true;
    await Promise.all(gone.map((slot) => this.#close(slot)));
    await Promise.all(opened.filter((slot) => !slot.gone).map((slot) => this.#open(slot)));
    this.#options.onChange();
  }

  /** Stop accepting. Connections that were accepted live on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#slots.map((slot) => this.#close(slot)));
  }

  async #close(slot: Slot): Promise<void> {
    slot.retry?.();
    await slot.listening?.close();
    if (slot.gone) {
      const at = formatEndpoint(slot.resource.virtual);
      this.#options.log.info({ resource: slot.resource.id, at }, 'no longer listening');
    }
  }

  async #open(slot: Slot): Promise<void> {
    const { resource } = slot;
    try {
      const listening = await this.#options.listen(resource, (error) => this.#failed(slot, error));
      if (this.#stopped || slot.gone) {
        await listening.close();
        return;
      }
      slot.listening = listening;
      slot.backoff = FIRST_BACKOFF;
      const recovered = slot.fault !== undefined;
      slot.fault = undefined;
      const at = formatEndpoint(resource.virtual);
      this.#options.log.info({ resource: resource.id, at, protocol: resource.protocol }, 'listening');
      if (recovered) this.#options.onChange();
    } catch (error) {
      this.#failed(slot, error);
    }
  }

  #failed(slot: Slot, error: unknown): void {
    if (this.#stopped || slot.gone) return;
    const fault = errorName(error);
    if (slot.fault !== fault) {
      slot.fault = fault;
      const fields = { err: error, resource: slot.resource.id, at: formatEndpoint(slot.resource.virtual) };
      this.#options.log.error(fields, 'a resource cannot be listened on');
      this.#options.onChange();
    }
    slot.listening = undefined;
    slot.retry?.();
    slot.retry = this.#options.schedule(slot.backoff, () => {
      this.#open(slot).catch((err: unknown) => this.#options.log.error({ err }, 'a listener failed'));
    });
    slot.backoff = Math.min(slot.backoff * 2, LAST_BACKOFF);
  }
}
