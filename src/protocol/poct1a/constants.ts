/** POCT1-A (CLSI POCT01-A2): message roots and the fields of the device object. */

// ---- specification ----

/** Roots that a device sends, and those of either side. */
export const deviceRoots: ReadonlySet<string> = new Set(['HEL', 'DST', 'OBS', 'EVS', 'EOT']);
export const root = /<(HEL|DST|OBS|EVS|EOT|ACK|REQ|DTV|END|ESC|KPA|OPL|PTL)\.R\d\d[\s>/]/;
/** Device object fields of a HELLO, by the names they get here. No other object is read. */
export const fields = {
  manufacturer: 'manufacturer_name',
  vendor: 'vendor_id',
  model: 'model_id',
  serial: 'serial_id',
  name: 'device_name',
  software: 'sw_version',
  hardware: 'hw_version',
} as const;
export const hello = { start: '<HEL.R01', end: '</HEL.R01' } as const;

// ---- implementation ----

export const messageLimit = 8192;
