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
export const etherType = { FIRST: 1536, VLAN: 0x8100 } as const;

/** RFC 9293 section 3.1. */
export const tcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;

/** TTLs that senders start with (1 for link-local multicast). Any other was decremented on the way. */
export const initialHopLimits: ReadonlySet<number> = new Set([1, 32, 64, 128, 255]);

// ---- implementation ----

export const limits = {
  /** Bytes of a frame that the ring keeps: receive offload joins segments to frames of up to 64 KB. */
  SNAP: 65_535,

  HOSTS: 10_240,
  /** Of one host, all under the schema's bounds (`wire/observation.ts`). */
  ADDRESSES: 32,
  SERVICES: 128,
  EVIDENCE: 128,
  /** Of the evidence, what may come from protocols that everybody speaks. */
  TALK: 64,
  /** Different values of one field of one host. */
  VALUES: 8,
  /** Of all hosts, and what each may say nevertheless. */
  EVIDENCE_ALL: 131_072,
  EVIDENCE_LEAST: 8,
  /** Hosts whose identity is kept, and not found again when it is asked for. */
  IDENTITIES: 512,
  /** A host with more IP-only source addresses than this is a router. */
  ROUTER_ADDRESSES: 8,

  /** Rows of the native stage: flows, and who was seen from which address. */
  FLOWS: 65_536,
  SIGHTINGS: 32_768,
  FLOW_IDLE_MS: 300_000,
  /** Bytes of one direction that are looked at. Real association requests reach 16.5 KB. */
  INSPECTED: 32 * 1024,
  /** Waiting bytes of all flows together. */
  PENDING_BYTES_ALL: 8 * 1024 * 1024,
  /** Bytes that conversations gather for headers, all together. */
  HELD_BYTES: 16 * 1024 * 1024,

  /** Time between two batches, and between two reports of a host that only was seen again. */
  REPORT_MS: 1_000,
  REFRESH_MS: 60_000,
  /** Hosts a batch: the schema's bound on `sensor.observed`. */
  BATCH: 256,
} as const;

/** What captured bytes can have wrong with them, by the native stage's numbers (`native/sensor/weird.h`). */
export const frameWeirds: readonly string[] = [
  '',
  'link_type_unknown',
  'ethernet_truncated',
  'vlan_stack_deep',
  'vlan_truncated',
  'pppoe_truncated',
  'mpls_stack_deep',
  'mpls_truncated',
  'cooked_truncated',
  'loopback_truncated',
  'ip_truncated',
  'arp_truncated',
  'arp_not_ipv4',
  'arp_sender_mismatch',
  'ipv4_truncated',
  'ipv4_header_bad',
  'ipv4_length_bad',
  'ipv6_truncated',
  'ipv6_header_bad',
  'ipv6_extensions_many',
  'ipv6_extension_truncated',
  'tcp_truncated',
  'tcp_header_bad',
  'udp_truncated',
  'udp_length_bad',
  'fragment_truncated',
  'fragment_length_bad',
  'fragment_too_long',
  'fragment_tiny',
  'fragment_overlap',
  'fragment_end_differs',
  'fragment_head_long',
  'fragments_many',
  'fragments_incomplete',
  'capture_truncated',
  'capture_empty',
  'capture_format_unknown',
  'packet_length_bad',
  'packet_truncated',
  'block_length_bad',
  'block_too_long',
  'block_length_differs',
  'section_magic_bad',
  'interface_truncated',
  'interfaces_many',
  'interface_unknown',
  'option_truncated',
];
