/** Cisco Discovery Protocol: type numbers as the vendor's documentation gives them. */

// ---- specification ----

/** IEEE 802.3 frame with an LLC/SNAP header: AA AA 03, organization 00 00 0C, protocol 20 00. */
export const snap = [0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00] as const;
export const types = { deviceId: 1, capabilities: 4, version: 5, platform: 6 } as const;
export const capability = { router: 1, bridge: 2, switch: 8, host: 16, phone: 128 } as const;
