/**
 * The sensor's part of the health list: `sensor.capture` (are the interfaces open) and `sensor.drops` (were
 * frames lost, in the ring or for want of room in a table).
 */
import type { HealthItem } from '../wire/health.ts';

/** How long a loss stays on the list after the last one. */
const DROPS_LINGER_MS = 60_000;

interface InterfaceState {
  readonly up: boolean;
  readonly why: string;
  readonly since: number;
}

export class SensorHealth {
  readonly #interfaces = new Map<string, InterfaceState>();
  readonly #started: number;
  #dropped = 0;
  #dropsSince = 0;
  #lastDrop = -Infinity;
  #flooded = 0;
  #lastFlood = -Infinity;

  constructor(interfaces: readonly string[], at: number) {
    this.#started = at;
    for (const name of interfaces)
      this.#interfaces.set(name, { up: false, why: 'not opened yet', since: at });
  }

  up(name: string, at: number): void {
    if (this.#interfaces.get(name)?.up !== true) this.#interfaces.set(name, { up: true, why: '', since: at });
  }

  down(name: string, why: string, at: number): void {
    const state = this.#interfaces.get(name);
    const since = state?.up === false ? state.since : at;
    this.#interfaces.set(name, { up: false, why, since });
  }

  /** Totals since the start: frames the rings lost, rows and flows that gave way to others. */
  losses(dropped: number, evicted: number, at: number): void {
    if (dropped > this.#dropped) {
      if (at - this.#lastDrop > DROPS_LINGER_MS && at - this.#lastFlood > DROPS_LINGER_MS)
        this.#dropsSince = at;
      this.#lastDrop = at;
    }
    if (evicted > this.#flooded) {
      if (at - this.#lastDrop > DROPS_LINGER_MS && at - this.#lastFlood > DROPS_LINGER_MS)
        this.#dropsSince = at;
      this.#lastFlood = at;
    }
    this.#dropped = dropped;
    this.#flooded = evicted;
  }

  items(at: number): HealthItem[] {
    return [this.#capture(), this.#drops(at)];
  }

  #capture(): HealthItem {
    const states = [...this.#interfaces];
    const down = states.filter(([, state]) => !state.up);
    const since = Math.max(this.#started, ...states.map(([, state]) => state.since));
    if (down.length === 0) {
      const names = states.map(([name]) => name).join(', ');
      return { item: 'sensor.capture', level: 'ok', text: `Listening on ${names}.`, since };
    }
    const names = down.map(([name, state]) => `${name} (${state.why})`).join(', ');
    return {
      item: 'sensor.capture',
      level: down.length === states.length ? 'critical' : 'warning',
      text: `Cannot listen on ${names}. Sessions go on; new devices stay unseen. Check the interface and its cable.`,
      since,
    };
  }

  #drops(at: number): HealthItem {
    const lossy = at - this.#lastDrop <= DROPS_LINGER_MS;
    const flooded = at - this.#lastFlood <= DROPS_LINGER_MS;
    if (!lossy && !flooded) {
      const since = Math.max(this.#started, this.#lastDrop, this.#lastFlood);
      return { item: 'sensor.drops', level: 'ok', text: 'No frames are lost.', since };
    }
    const what = [
      ...(lossy ? ['Frames arrive faster than they are read.'] : []),
      ...(flooded ? ['More hosts or connections than the tables hold.'] : []),
    ].join(' ');
    return {
      item: 'sensor.drops',
      level: 'warning',
      text: `${what} Sessions go on; the device list may be late or incomplete. Look for a flood or a loop.`,
      since: this.#dropsSince,
    };
  }
}
