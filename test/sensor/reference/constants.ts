/**
 * Numbers of the link, network and transport layers that the sensor reads, and the bounds it keeps.
 */

// ---- specification ----

/** Link types of capture files (the registry of pcap and pcapng, LINKTYPE_*). */
export const linkType = {
  NULL: 0,
  ETHERNET: 1,
  /** Raw IP: the BSDs wrote 12 and 14 before the registry gave it 101. */
  RAW_BSD: 12,
  RAW_OPENBSD: 14,
  RAW: 101,
  LOOP: 108,
  LINUX_SLL: 113,
  IPV4: 228,
  IPV6: 229,
  LINUX_SLL2: 276,
} as const;

/** IEEE 802 EtherTypes. Values under 1536 are lengths (IEEE 802.3 clause 3.2.6). */
export const etherType = {
  FIRST: 1536,
  IPV4: 0x0800,
  ARP: 0x0806,
  IPV6: 0x86dd,
  /** IEEE 802.1Q, IEEE 802.1ad and the value that came before 802.1ad. */
  VLAN: 0x8100,
  QINQ: 0x88a8,
  QINQ_OLD: 0x9100,
  /** Looked through: MPLS unicast, PPPoE sessions; a bridged frame inside GRE; ERSPAN types I and II, and III. */
  MPLS: 0x8847,
  PPPOE: 0x8864,
  BRIDGED: 0x6558,
  ERSPAN: 0x88be,
  ERSPAN_III: 0x22eb,
  /** PPP protocol numbers (RFC 1661 section 2, RFC 5072). */
  PPP_IPV4: 0x0021,
  PPP_IPV6: 0x0057,
} as const;

/** IANA protocol numbers: IPv6 extension headers (RFC 8200 section 4) and what follows them. */
export const ipProtocol = {
  HOP_BY_HOP: 0,
  /** Tunnels: RFC 2003, RFC 4213, RFC 2784. */
  IPV4: 4,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  ROUTING: 43,
  FRAGMENT: 44,
  GRE: 47,
  AUTHENTICATION: 51,
  ICMPV6: 58,
  DESTINATION: 60,
  MOBILITY: 135,
} as const;

/** Destination ports of tunnels: RFC 7348, RFC 8926, 3GPP TS 29.281, TaZmen. */
export const tunnelPort = { GTP: 2152, VXLAN: 4789, GENEVE: 6081, TZSP: 37_008 } as const;

/** RFC 9293 section 3.1. */
export const tcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

/** RFC 4861 section 4. Every neighbour discovery message has hop limit 255: it can't have been routed. */
export const neighbour = {
  ROUTER_SOLICITATION: 133,
  ROUTER_ADVERTISEMENT: 134,
  SOLICITATION: 135,
  ADVERTISEMENT: 136,
  HOP_LIMIT: 255,
} as const;

/** TTLs that senders start with (1 for link-local multicast). Any other was decremented on the way. */
export const initialHopLimits: ReadonlySet<number> = new Set([1, 32, 64, 128, 255]);

// ---- implementation ----

export const limits = {
  /** VLAN tags and IPv6 extension headers looked through. */
  VLAN_TAGS: 4,
  EXTENSION_HEADERS: 8,
  LABELS: 8,
  /** Tunnels inside tunnels that are followed. */
  TUNNELS: 3,

  /** Bytes of a frame that the ring keeps: receive offload joins segments to frames of up to 64 KB. */
  SNAP: 65_535,

  HOSTS: 8192,
  /** Of one host, all under the schema's bounds (`wire/observation.ts`). */
  ADDRESSES: 32,
  SERVICES: 128,
  EVIDENCE: 128,
  /** Of the evidence, what may come from protocols that everybody speaks. */
  TALK: 64,
  /** Different values of one field of one host. */
  VALUES: 8,
  /** A host with more IP-only source addresses than this is a router. */
  ROUTER_ADDRESSES: 8,

  FLOWS: 16_384,
  FLOW_IDLE_MS: 300_000,
  /** Bytes of one direction that are looked at. Real association requests reach 16.5 KB. */
  INSPECTED: 32 * 1024,
  /** Of one direction: segments that wait for an earlier one, and their bytes. */
  PENDING_SEGMENTS: 32,
  PENDING_BYTES: 16 * 1024,
  /** Waiting bytes of all flows together. */
  PENDING_BYTES_ALL: 8 * 1024 * 1024,
  /** Bytes that conversations gather for headers, all together. */
  HELD_BYTES: 16 * 1024 * 1024,

  /** Time between two batches, and between two reports of a host that only was seen again. */
  REPORT_MS: 1_000,
  REFRESH_MS: 60_000,
  /** Hosts a batch: the schema's bound on `sensor.observed`. */
  BATCH: 256,

  /** Longest captured packet of a file (libpcap's MAXIMUM_SNAPLEN) and interfaces of a pcapng section. */
  PACKET: 262_144,
  INTERFACES: 256,
} as const;
