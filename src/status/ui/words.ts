/** Numbers in words for a person: sizes, spans, instants. Ages are counted on the gateway's clock, not the browser's. */

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** 1,234,567 bytes as `1.2 MB`, in powers of 1000. */
export function bytesText(n: number): string {
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

/** A span as its largest unit: `12 s`, `5 min`, `3 h`, `2 d`. */
export function spanText(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

export const agoText = (now: number, at: number): string => `${spanText(now - at)} ago`;

/** Local date and time of an instant. */
export const timeText = (at: number): string =>
  new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' });

export const clockText = (at: number): string => new Date(at).toLocaleTimeString();

export const countText = (n: number): string => n.toLocaleString();

/** `1 session`, `2 sessions`. */
export const pluralText = (n: number, one: string, many = `${one}s`): string =>
  `${countText(n)} ${n === 1 ? one : many}`;
