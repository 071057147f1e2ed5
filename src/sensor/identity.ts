/**
 * Who a host is, out of what was said: for each attribute the claims, the one that outranks the others, and those
 * that contradict it. Claims of the same rank that differ are a conflict and leave the attribute unknown; nothing
 * is averaged or guessed.
 *
 * Traps that are handled here, not in the tables:
 * - a PACS sends on what others made. A data set's equipment is the sender's own only when there is one of it and
 *   the sender isn't a DICOM server itself, unless its card is of the same maker, nor software of archives and viewers;
 * - a gateway speaks for devices at the bedside: equipment in its messages is not the gateway;
 * - an implementation class UID of a toolkit names the toolkit;
 * - who only tests connections with a toolkit is no equipment;
 * - who takes messages repeats names of the sender in its acknowledgements.
 */
import type { Evidence, IdentityAttribute, Service } from '../wire/observation.ts';
import {
  dicomClient,
  dicomRules,
  dicomSystem,
  modalityClasses,
  pacs,
  sendsOthers,
} from './knowledge/dicom.ts';
import { euiVendor } from './knowledge/eui.ts';
import { generalRules } from './knowledge/general.ts';
import { hl7Engine, hospitalSystem, medicalClasses, medicalRules } from './knowledge/medical.ts';
import { gateway } from './knowledge/product-row.ts';
import { networkRules } from './knowledge/network.ts';
import { plantRules } from './knowledge/plant.ts';
import { attributes, levels } from './knowledge/rule.ts';
import type { Attribute, Condition, Level, Rule } from './knowledge/rule.ts';
import { softwareRules } from './knowledge/software.ts';
import { thingRules } from './knowledge/things.ts';
import { isModuleMaker, vendorName } from './knowledge/vendors.ts';
import { namesOf } from './naming.ts';
import type { Named } from './naming.ts';

/** One reason to think something. */
export interface Claim {
  readonly value: string;
  readonly weight: number;
  /** `dicom equipment.model=Avanto`: the evidence it rests on. */
  readonly because: string;
  /** Where the fact is from that makes the evidence say this. */
  readonly source: string;
}

export interface Finding {
  /** Absent: claims of the same rank differ. */
  readonly value?: string;
  readonly weight: number;
  readonly claims: readonly Claim[];
  /** Other values that were claimed, the strongest first. */
  readonly conflicts: readonly string[];
}

export interface Identity {
  readonly medical: boolean;
  readonly attributes: Readonly<Partial<Record<Attribute, Finding>>>;
}

export interface Known {
  readonly evidence: readonly Evidence[];
  readonly services: readonly Service[];
  /** Who made its network card. */
  readonly vendor?: string | undefined;
}

const rules: readonly Rule[] = [
  ...medicalRules,
  ...dicomRules,
  ...generalRules,
  ...networkRules,
  ...plantRules,
  ...thingRules,
  ...softwareRules,
];
const productSource = 'product names in the makers\u2019 documentation';
const CLAIMS = 64;

/** A weaker word than its level: what a class is when nothing says more exactly. */
const GENERIC = 10;
const genericClasses: ReadonlySet<string> = new Set([
  'medical device',
  'workstation',
  'smart home device',
  'IoT device',
]);

/** What a computer is besides being a device: a modality or an archive that runs on one says more. */
const computers: ReadonlySet<string> = new Set(['workstation', 'server']);

/** How much a claim weighs: its level, less for a class that only says something general. */
function weightOf(attribute: Attribute, value: string, level: Level): number {
  if (attribute !== 'class') return levels[level];
  const most = computers.has(value) ? levels.banner : levels.self;
  return Math.min(levels[level], most) - (genericClasses.has(value) ? GENERIC : 0);
}

/** What stands in a field that nobody filled in. */
const placeholder =
  /^(?:unknown|none|null|n\/?a|default|not (?:available|specified|set)|[-?.\s]+)$|\bname here$/i;

class Claims {
  readonly byAttribute = new Map<Attribute, Claim[]>();

  add(
    attribute: Attribute,
    value: string | undefined,
    level: Level,
    because: string,
    source = 'a field of the standard',
  ): void {
    const clean = (attribute === 'vendor' ? vendorName(value ?? '') : (value ?? '')).trim();
    if (clean === '' || placeholder.test(clean)) return;
    const list = this.byAttribute.get(attribute) ?? [];
    this.byAttribute.set(attribute, list);
    if (list.length >= CLAIMS) return;
    list.push({ value: clean, weight: weightOf(attribute, clean, level), because, source });
  }

  /** The same, where nothing of that weight says anything: names don't make a conflict of what is said outright. */
  suggest(
    attribute: Attribute,
    value: string | undefined,
    level: Level,
    because: string,
    source: string,
  ): void {
    if (value === undefined) return;
    const weight = weightOf(attribute, value, level);
    const claims = this.byAttribute.get(attribute) ?? [];
    // A weaker word for a model is no contradiction: the line's name, an application's.
    const taken = (claim: Claim): boolean =>
      attribute === 'model' ? claim.weight >= weight : claim.weight === weight;
    if (!claims.some(taken)) this.add(attribute, value, level, because, source);
  }

  settle(attribute: Attribute): Finding | undefined {
    const claims = (this.byAttribute.get(attribute) ?? []).toSorted((a, b) => b.weight - a.weight);
    const best = claims[0];
    if (best === undefined) return undefined;
    const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
    const top = claims.filter((claim) => claim.weight === best.weight);
    // `Windows XP` is not against `Windows`: it says the same more exactly.
    const refines = (a: string, b: string): boolean => a.toLowerCase().startsWith(`${b.toLowerCase()} `);
    const goTogether = (a: string, b: string): boolean =>
      same(a, b) || (attribute === 'os' && (refines(a, b) || refines(b, a)));
    const agreed = top.every((a) => top.every((b) => goTogether(a.value, b.value)));
    const exact = (agreed && attribute === 'os' ? claims : [])
      .filter((claim) => refines(claim.value, best.value))
      .toSorted((a, b) => b.value.length - a.value.length || b.weight - a.weight);
    const value = exact[0]?.value ?? best.value;
    const others = claims
      .map((claim) => claim.value)
      .filter(
        (other) => !agreed || !(same(other, value) || same(other, best.value) || refines(value, other)),
      );
    return {
      ...(agreed ? { value } : {}),
      weight: best.weight,
      claims,
      conflicts: [...new Set(others)],
    };
  }
}

const textOf = (e: Evidence): string => `${e.protocol} ${e.field}=${e.value}`;

/** Numbers of the rules on each field: of a host's few fields, few rules are asked. */
const rulesOn = new Map<string, number[]>();
for (const [number, { on }] of rules.entries()) {
  const numbers = rulesOn.get(on);
  if (numbers === undefined) rulesOn.set(on, [number]);
  else numbers.push(number);
}

/** Fields, by protocol, in which a host says a version with at least that weight. */
export function versionFields(least: number): ReadonlyMap<string, ReadonlySet<string>> {
  const told = rules.filter(({ gives, level }) => gives.software !== undefined && levels[level] >= least);
  const fields = new Map<string, Set<string>>();
  for (const key of ['dicom equipment.software', ...told.map(({ on }) => on)]) {
    const [protocol = '', ...field] = key.split(' ');
    fields.set(protocol, (fields.get(protocol) ?? new Set()).add(field.join(' ')));
  }
  return fields;
}

const OUI = 'oui vendor';
const SERVICE = 'service';
const nothing: readonly never[] = [];

/** What is known of a host, by field. */
class Facts {
  readonly #byField = new Map<string, Evidence[]>();
  readonly #known: Known;

  constructor(known: Known) {
    this.#known = known;
    for (const e of known.evidence) {
      const key = `${e.protocol} ${e.field}`;
      const list = this.#byField.get(key);
      if (list === undefined) this.#byField.set(key, [e]);
      else list.push(e);
    }
  }

  of(key: string): readonly Evidence[] {
    return this.#byField.get(key) ?? nothing;
  }

  /** What the rules find in what there is, in the order of the rules. */
  hits(): Hit[] {
    const { vendor, services } = this.#known;
    const found = vendor === undefined ? [] : [...hitsOf(OUI, vendor, `${OUI}=${vendor}`)];
    for (const { transport, port } of services)
      found.push(...hitsOf(SERVICE, `${transport}/${port}`, `${SERVICE} ${transport}/${port}`));
    for (const [key, list] of this.#byField)
      if (rulesOn.has(key)) for (const e of list) found.push(...hitsOf(key, e.value, textOf(e)));
    return found.sort((a, b) => a.number - b.number);
  }

  meets({ on, pattern }: Condition): boolean {
    const { vendor, services } = this.#known;
    if (on === OUI) return pattern.test(vendor ?? '');
    if (on === SERVICE) return services.some(({ transport, port }) => pattern.test(`${transport}/${port}`));
    return this.of(on).some((e) => pattern.test(e.value));
  }
}

/** A rule that a value meets, what its pattern's group caught, and the words for it. */
interface Hit {
  readonly number: number;
  readonly rule: Rule;
  readonly caught: string;
  readonly because: string;
}

/** What the values met lately meet: devices of a kind say the same. */
const VALUES = 2048;
const met = new Map<string, readonly Hit[]>();

function hitsOf(key: string, value: string, because: string): readonly Hit[] {
  const known = met.get(because);
  if (known !== undefined) return known;
  if (met.size >= VALUES) met.clear();
  const hits = (rulesOn.get(key) ?? nothing).flatMap((number) => {
    const rule = rules[number];
    const match = rule?.pattern.exec(value);
    if (rule === undefined || match === null || match === undefined) return [];
    return [{ number, rule, caught: match[1] ?? '', because }];
  });
  const kept = hits.length === 0 ? nothing : hits;
  met.set(because, kept);
  return kept;
}

export function identify(known: Known): Identity {
  const claims = new Claims();
  const facts = new Facts(known);
  const serves = (protocol: string): boolean => known.services.some((s) => s.protocol === protocol);
  const of: Of = (key) => facts.of(key);
  const listens = isListener(of, serves('hl7'));
  const vendors = makersNear(known.vendor, of);
  // Names in acknowledgements are the sender's, equipment of others isn't the host's.
  const ownWords = known.evidence.filter(
    (e) =>
      !(e.protocol === 'hl7' && listens) && !(e.protocol === 'dicom' && e.field.startsWith('equipment.')),
  );
  const names = namesOf(ownWords, vendors);
  const isGateway = !listens && speaksForOthers(of, names);
  for (const { rule, caught, because } of facts.hits()) {
    // What a gateway reports of others is not the gateway.
    if ((isGateway || listens) && rule.on.startsWith('hl7 ') && !rule.on.startsWith('hl7 MSH-')) continue;
    if (listens && rule.on.startsWith('hl7 MSH-')) continue;
    if (rule.also !== undefined && !facts.meets(rule.also)) continue;
    for (const attribute of attributes) {
      const value = rule.gives[attribute];
      if (value !== undefined)
        claims.add(attribute, value.replace('$1', caught), rule.level, because, rule.source);
    }
  }
  if (known.vendor !== undefined && !isModuleMaker(known.vendor))
    claims.add('vendor', known.vendor, 'oui', `oui vendor=${known.vendor}`, 'IEEE registry');
  const own = claimEquipment(claims, of, known.vendor, serves('dicom'));
  const models = own
    ? namesOf([...of('dicom equipment.model'), ...of('dicom equipment.manufacturer')], vendors)
    : [];
  for (const { vendor, kind, model, level, because } of [...names, ...models]) {
    if (isGateway && because.protocol === 'hl7' && !because.field.startsWith('MSH-')) continue;
    claims.suggest('vendor', vendor, level, textOf(because), productSource);
    claims.suggest('class', kind, level, textOf(because), productSource);
    claims.suggest('model', model, level, textOf(because), productSource);
  }
  claimHl7(claims, of, listens, isGateway);
  claimDicom(claims, of, vendors.size > 0);
  const found: Partial<Record<Attribute, Finding>> = {};
  for (const attribute of attributes) {
    const finding = claims.settle(attribute);
    if (finding !== undefined) found[attribute] = finding;
  }
  const kind = found.class?.value;
  return { medical: kind !== undefined && medicalClasses.has(kind), attributes: found };
}

/** The evidence of a protocol's field. */
type Of = (key: string) => readonly Evidence[];

/** The EUI-64 or EUI-48 in a field of HL7's type HD or EI: `name^0123456789ABCDEF^EUI-64`. */
const euiIn = (value: string): string | undefined =>
  /(?:^|\^)([0-9A-F]{12}(?:[0-9A-F]{4})?)(?:\^|$)/i.exec(value)?.[1]?.toUpperCase();

const senders = (of: Of): readonly Evidence[] => [...of('hl7 MSH-3'), ...of('hl7 MSH-4')];
const devices = (of: Of): readonly Evidence[] => [
  ...of('hl7 OBX-18'),
  ...of('hl7 PRT-10'),
  ...of('hl7 PRT-16'),
];

/** Takes messages: it serves, and what it sends are acknowledgements. A device may serve too, and send results. */
const isListener = (of: Of, servesHl7: boolean): boolean =>
  servesHl7 && (of('hl7 MSH-9').length === 0 || of('hl7 MSH-9').some((e) => e.value.startsWith('ACK')));

/** Who made its card, or the devices that its identifiers are of. */
function makersNear(cardVendor: string | undefined, of: Of): ReadonlySet<string> {
  const found = new Set<string>();
  if (cardVendor !== undefined && !isModuleMaker(cardVendor)) found.add(vendorName(cardVendor));
  for (const e of senders(of)) {
    const vendor = euiVendor(euiIn(e.value) ?? '');
    if (vendor !== undefined) found.add(vendor);
  }
  return found;
}

/** A gateway by its name, or because the devices that it reports are several and none of them is itself. */
function speaksForOthers(of: Of, names: readonly Named[]): boolean {
  const isSender = ({ because }: Named): boolean =>
    because.protocol === 'hl7' && because.field.startsWith('MSH-');
  if (senders(of).some((e) => /GATEWAY/i.test(e.value))) return true;
  if (names.some((name) => name.kind === gateway && isSender(name))) return true;
  const itself = new Set(senders(of).map((e) => euiIn(e.value)));
  const reported = new Set(devices(of).flatMap((e) => euiIn(e.value) ?? []));
  return reported.size > 1 && [...reported].every((eui) => !itself.has(eui));
}

/** The equipment modules that the host sent, when they are its own; says whether they are. */
function claimEquipment(
  claims: Claims,
  of: Of,
  cardVendor: string | undefined,
  servesDicom: boolean,
): boolean {
  const field = (name: string): readonly Evidence[] => of(`dicom equipment.${name}`);
  const models = field('model');
  const makers = new Set(field('manufacturer').map((e) => vendorName(e.value)));
  const several = models.length > 1 || makers.size > 1;
  const [model] = models;
  if (several && servesDicom && model !== undefined) claims.add('class', pacs, 'association', textOf(model));
  const [maker] = makers;
  const same = cardVendor !== undefined && maker === vendorName(cardVendor);
  const forwards = of('dicom implementationClassUid').some((e) => sendsOthers(e.value));
  if (several || ((servesDicom || forwards) && !same)) return false;
  for (const e of field('modality')) claims.add('class', modalityClasses[e.value], 'self', textOf(e));
  for (const e of field('manufacturer')) claims.add('vendor', e.value, 'self', textOf(e));
  for (const e of models) claims.add('model', e.value, 'self', textOf(e));
  for (const e of field('software')) claims.add('software', e.value.split('\\')[0], 'self', textOf(e));
  for (const e of field('serial')) claims.add('serial', e.value, 'self', textOf(e));
  return true;
}

/** A system that speaks DICOM and says nothing more; `made`: a maker of equipment is near. */
function claimDicom(claims: Claims, of: Of, made: boolean): void {
  const speaks = of('dicom callingAeTitle')[0] ?? of('dicom calledAeTitle')[0];
  if (speaks === undefined) return;
  const services = of('dicom proposes');
  const tests = services.length > 0 && services.every((e) => e.value === 'verification');
  const only = tests && !made && of('dicom calledAeTitle').length === 0;
  const kinds = claims.byAttribute.get('class') ?? [];
  if (kinds.some((claim) => medicalClasses.has(claim.value))) return;
  if (!only) claims.add('class', dicomSystem, 'association', textOf(speaks));
  else if (kinds.length === 0) claims.add('class', dicomClient, 'traffic', textOf(speaks));
}

/** EUI-64 identifiers name their maker; a system that only sends or takes messages is a system. */
function claimHl7(claims: Claims, of: Of, listens: boolean, isGateway: boolean): void {
  const reported = isGateway ? [] : devices(of);
  let identified = false;
  for (const e of listens ? [] : [...senders(of), ...reported]) {
    const vendor = euiVendor(euiIn(e.value) ?? '');
    identified ||= vendor !== undefined;
    claims.suggest('vendor', vendor, 'identifier', textOf(e), 'IEEE registry');
  }
  const [first] = senders(of);
  if (first === undefined) return;
  const kinds = claims.byAttribute.get('class') ?? [];
  if (kinds.some((claim) => medicalClasses.has(claim.value))) return;
  const device = identified || reported.length > 0 || of('hl7 device').length > 0;
  const kind = listens ? hl7Engine : device ? 'medical device' : hospitalSystem;
  claims.add('class', isGateway ? gateway : kind, 'association', textOf(first));
}

/** The identity as it is reported: the value, the strongest reason, what contradicts it. */
export function identityRows(identity: Identity): IdentityAttribute[] {
  return attributes.flatMap((attribute) => {
    const finding = identity.attributes[attribute];
    const first = finding?.claims[0];
    if (finding === undefined || first === undefined) return [];
    return [
      {
        attribute,
        ...(finding.value === undefined ? {} : { value: finding.value.slice(0, 128).toWellFormed() }),
        because: first.because.slice(0, 256).toWellFormed(),
        conflicts: finding.conflicts.slice(0, 8).map((value) => value.slice(0, 128).toWellFormed()),
      },
    ];
  });
}
