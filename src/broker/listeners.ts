/**
 * The published resources' listeners: one virtual address and port each. A listener that can't be opened is
 * tried again for ever, with a back-off, and named on the health list; it never stops the others or the process.
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

export class Listeners {
  readonly #options: ListenersOptions;
  readonly #slots: Slot[];
  #stopped = false;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#slots = options.resources.map((resource) => ({ resource, backoff: FIRST_BACKOFF }));
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

  /** Stop accepting. Connections that were accepted live on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(
      this.#slots.map(async (slot) => {
        slot.retry?.();
        await slot.listening?.close();
      }),
    );
  }

  async #open(slot: Slot): Promise<void> {
    const { resource } = slot;
    try {
      const listening = await this.#options.listen(resource, (error) => this.#failed(slot, error));
      if (this.#stopped) {
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
    if (this.#stopped) return;
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
