/**
 * Which view of the page is shown, in the address behind `#`, so that back, forward and bookmarks work: `#device/NAME` is one
 * device, by card or configured id; anything else is the whole gateway.
 */
import { useEffect, useState } from 'preact/hooks';

const DEVICE = '#device/';

/** The device that the address names; undefined for the whole. */
export function deviceNamed(hash: string): string | undefined {
  if (!hash.startsWith(DEVICE)) return undefined;
  try {
    return decodeURIComponent(hash.slice(DEVICE.length));
  } catch {
    // Not something that this page wrote.
    return undefined;
  }
}

export function showDevice(name: string): void {
  location.hash = `${DEVICE}${encodeURIComponent(name)}`;
}

export function showAll(): void {
  location.hash = '#';
}

export function usePlace(): string | undefined {
  const [name, setName] = useState(deviceNamed(location.hash));
  useEffect(() => {
    const onChange = (): void => {
      setName(deviceNamed(location.hash));
      scrollTo(0, 0);
    };
    window.addEventListener('hashchange', onChange);
    return () => window.removeEventListener('hashchange', onChange);
  }, []);
  return name;
}
