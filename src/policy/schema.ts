/**
 * The Cedar schema: the words Anteroom's policies may use. https://docs.cedarpolicy.com/schema/human-readable-schema.html
 *
 * It stands in the code because `request.ts` builds exactly this shape: a policy set is good for a gateway only
 * when it fits the schema of that gateway's version. rootfs-overlay/etc/anteroom/policy/schema.cedarschema is
 * the same text for authors; a test compares them.
 */

export const schemaText = `// The words Anteroom's policies may use. The gateway carries this schema inside it and checks every policy set
// against it before the set may decide anything; this copy is for authors and their editors.
// Language: https://docs.cedarpolicy.com/schema/human-readable-schema.html

// A user's role, as the configuration or the identity provider names it: "radiologist", "nurse".
entity Role;

// A group of the site's data or of the identity provider: "vendor-acme", "on-call".
entity Group;

// The person asking. \`units\` are the units of the site the user works in; \`assigned\` the devices of the patients in
// the user's care (\`resource in principal.assigned\`); \`clearance\` is 0 to 9.
entity User in [Role, Group] = {
  units: Set<String>,
  assigned: Set<Device>,
  clearance: Long,
};

// A machine that signs in by itself: a modality of another site, a results router.
entity Service in [Role, Group] = {
  units: Set<String>,
  assigned: Set<Device>,
  clearance: Long,
};

entity Owner enum ["unknown", "personal", "vendor", "clinic"];

// The user's own device at the other end of the tunnel. \`shared\`: a workstation that many use.
entity Peer = {
  device: String,
  owner: Owner,
  shared: Bool,
};

// A medical device of the inventory.
entity Device;

// One published application of a device. \`class\`, \`unit\` and \`zone\` are the device's: "pacs", "modality",
// "infusion-pump", "monitor"; "icu"; "bedside". \`ephi\`: it holds or shows health information of patients. \`admin\`: it is
// an administration console. \`sensitivity\` is 0 to 9. \`remediation\`: a device in quarantine may still reach it.
entity Resource in [Device] = {
  class: String,
  unit: String,
  zone: String,
  ephi: Bool,
  admin: Bool,
  sensitivity: Long,
  remediation: Bool,
  protocol: Protocol,
};

entity Protocol enum ["dicom", "hl7", "tcp"];

// Posture of the user's device, worst first: "unknown" stands for no report. "critical" is quarantine.
entity Level enum ["unknown", "critical", "major", "minor", "good"];
entity Signal enum ["fail", "unknown", "pass"];

// How the keys of the running tunnel session were agreed.
entity Kex enum ["classical", "classical+psk", "hybrid"];

// How the user last authenticated.
entity Method enum ["none", "password", "otp", "push", "badge", "certificate", "smartcard", "passkey", "other"];

// From inside the site, or by the uplink.
entity Path enum ["local", "remote"];

// When the coordinator was heard of last: there is none, just now, within the grace period, longer ago.
entity Contact enum ["standalone", "online", "grace", "expired"];

// A ticket or an approved request that covers this user and this resource now. \`approvals\`: how many approved it.
entity TicketKind enum ["change", "incident", "request"];
entity Ticket = {
  kind: TicketKind,
  actions: Set<Action>,
  approvals: Long,
};

type Context = {
  peer: Peer,
  posture: {
    level: Level,
    // 0 (worst) to 100.
    score: Long,
    signals: {
      edr: Signal,
      diskEncryption: Signal,
      screenLock: Signal,
      patchAge: Signal,
      secureBoot: Signal,
      osSupport: Signal,
      usbControl: Signal,
      tamper: Signal,
    },
    // Signals that count against the device now, by name.
    findings: Set<String>,
    patchDays?: Long,
  },
  kex: Kex,
  // The user's address inside the tunnel, and the one that the tunnel's packets come from.
  source: ipaddr,
  outer?: ipaddr,
  path: Path,
  location: {
    site: String,
    // Named networks of the site's data that the outer address lies in.
    networks: Set<String>,
    // ISO 3166-1 alpha-2, or "unknown".
    country: String,
  },
  // The gateway's local time: minute of the day, 0 to 1439, and weekday, 1 (Monday) to 7.
  time: {
    minute: Long,
    weekday: Long,
  },
  // The shift the user is on; "" for none.
  shift: String,
  authentication: {
    method: Method,
    phishingResistant: Bool,
    // Whole minutes ago; 1000000000 for never.
    age: Long,
  },
  // 0 (none) to 100, where something tells it.
  risk?: Long,
  // The same of the device that is asked for: what the sensor's open findings against it come to. Absent for none.
  deviceRisk?: Long,
  ticket?: Ticket,
  // Names of the maintenance windows that are open now, and of the exceptions in force, for this user and resource.
  windows: Set<String>,
  exceptions: Set<String>,
  contact: Contact,
  // Emergency mode of the site, and break-glass of this session: the exits of forbids with @tier("soft").
  emergency: Bool,
  breakGlass: Bool,
  // The scenario of break-glass: asked for where the action is breakGlass, else the session's; "" for none.
  scenario: String,
};

// What a session may do.
action view, modify, download, print, administer appliesTo {
  principal: [User, Service],
  resource: Resource,
  context: Context,
};

// Whether the user may open a session by break-glass. A policy about it names it alone.
action breakGlass appliesTo {
  principal: [User, Service],
  resource: Resource,
  context: Context,
};

// What a grant asks for besides. A permit of one of these requires it, and its @reason is the text; a forbid takes it
// away. A policy is about them only when its scope names them: one whose scope says just \`action\` is about the
// actions above. "quarantine" leaves nothing but resources marked for remediation.
action warn, record, watch, "step-up", review, watermark, quarantine appliesTo {
  principal: [User, Service],
  resource: Resource,
  context: Context,
};
`;
