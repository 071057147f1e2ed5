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

// The person asking. \`units\` are the units of the site the user works in.
entity User in [Role] = {
  units: Set<String>,
};

// The user's own device at the other end of the tunnel.
entity Peer = {
  device: String,
};

// A medical device of the inventory.
entity Device;

// One published application of a device. \`class\` and \`unit\` are the device's: "pacs", "modality",
// "infusion-pump", "monitor"; "icu". \`ephi\`: it holds or shows health information of patients.
entity Resource in [Device] = {
  class: String,
  unit: String,
  ephi: Bool,
  protocol: Protocol,
};

entity Protocol enum ["dicom", "hl7", "tcp"];

// Posture of the user's device, worst first: "unknown" stands for no report.
entity Level enum ["unknown", "major", "minor", "good"];

// How the keys of the running tunnel session were agreed.
entity Kex enum ["classical", "classical+psk", "hybrid"];

type Context = {
  peer: Peer,
  posture: {
    level: Level,
    // 0 (worst) to 100.
    score: Long,
  },
  kex: Kex,
  // The user's address inside the tunnel.
  source: ipaddr,
  // The gateway's local time: minute of the day, 0 to 1439, and weekday, 1 (Monday) to 7.
  time: {
    minute: Long,
    weekday: Long,
  },
  // Emergency mode of the site, and break-glass of this session: the exits of forbids with @tier("soft").
  emergency: Bool,
  breakGlass: Bool,
};

// What a session may do.
action view, modify, download, print, administer appliesTo {
  principal: User,
  resource: Resource,
  context: Context,
};

// What a grant asks for besides. A permit of one of these requires it, and its @reason is the text; a forbid takes it
// away. A policy is about them only when its scope names them: one whose scope says just \`action\` is about the
// actions above.
action warn, record, watch, "step-up", review, watermark appliesTo {
  principal: User,
  resource: Resource,
  context: Context,
};
`;
