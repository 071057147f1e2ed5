/** LLDP (IEEE 802.1AB clause 8.5) and CDP type numbers, and where the two live. */

// ---- specification ----

export const etherType = 0x88cc;
export const types = {
  end: 0,
  systemName: 5,
  systemDescription: 6,
  capabilities: 7,
  organization: 127,
} as const;
export const capability = { bridge: 4, accessPoint: 8, router: 16, telephone: 32 } as const;
/** ANSI/TIA-1057: inventory subtypes of LLDP-MED. */
export const medOui = 0x0012bb;
export const med = { hardware: 5, firmware: 6, software: 7, serial: 8, manufacturer: 9, model: 10 } as const;
