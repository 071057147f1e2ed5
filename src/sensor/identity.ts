/**
 * Who a host is, out of what was said: for each attribute the claims, the one that outranks the others, and those
 * that contradict it. Claims of the same rank that differ are a conflict and leave the attribute unknown; nothing
 * is averaged or guessed.
 *
 * Three traps are handled here, not in the tables:
 * - a PACS sends on what others made. A data set's equipment is the sender's own only when there is one of it and
 *   the sender isn't a DICOM server itself, unless its card is of the same maker;
 * - a gateway speaks for devices at the bedside: equipment in its messages is not the gateway;
 * - an implementation class UID of a toolkit names the toolkit.
 */
import type { Evidence, IdentityAttribute, Service } from '../wire/observation.ts';
import { generalRules } from './knowledge/general.ts';
import {
  euiVendors,
  gateway,
  hl7Engine,
  hospitalSystem,
  medicalClasses,
  medicalRules,
  modalityClasses,
  pacs,
} from './knowledge/medical.ts';
import { attributes, levels } from './knowledge/rule.ts';
import type { Attribute, Condition, Level } from './knowledge/rule.ts';
import { softwareRules } from './knowledge/software.ts';
import { thingRules } from './knowledge/things.ts';
import { isModuleMaker, vendorName } from './knowledge/vendors.ts';

/** One reason to think something. */
export interface Claim {
  readonly value: string;
  readonly weight: number;
  /** `dicom equipment.model=Avanto`: the evidence it rests on. */
  readonly because: string;
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

const rules = [...medicalRules, ...generalRules, ...thingRules, ...softwareRules];
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

class Claims {
  readonly byAttribute = new Map<Attribute, Claim[]>();

  add(attribute: Attribute, value: string | undefined, level: Level, because: string): void {
    const clean = (attribute === 'vendor' ? vendorName(value ?? '') : (value ?? '')).trim();
    if (clean === '') return;
    const list = this.byAttribute.get(attribute) ?? [];
    this.byAttribute.set(attribute, list);
    if (list.length >= CLAIMS) return;
    list.push({ value: clean, weight: weightOf(attribute, clean, level), because });
  }

  settle(attribute: Attribute): Finding | undefined {
    const claims = (this.byAttribute.get(attribute) ?? []).toSorted((a, b) => b.weight - a.weight);
    const best = claims[0];
    if (best === undefined) return undefined;
    const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();
    const top = claims.filter((claim) => claim.weight === best.weight);
    const agreed = top.every((claim) => same(claim.value, best.value));
    // `Windows XP` is not against `Windows`: it says the same more exactly.
    const refines = (a: string, b: string): boolean => a.toLowerCase().startsWith(`${b.toLowerCase()} `);
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

export function identify(known: Known): Identity {
  const claims = new Claims();
  const byField = new Map<string, Evidence[]>();
  for (const e of known.evidence) {
    const key = `${e.protocol} ${e.field}`;
    byField.set(key, [...(byField.get(key) ?? []), e]);
  }
  const matches = (condition: Condition): { match: RegExpExecArray; because: string }[] => {
    if (condition.on === 'oui vendor') {
      const match = condition.pattern.exec(known.vendor ?? '');
      return match === null ? [] : [{ match, because: `oui vendor=${known.vendor ?? ''}` }];
    }
    return (byField.get(condition.on) ?? []).flatMap((e) => {
      const match = condition.pattern.exec(e.value);
      return match === null ? [] : [{ match, because: textOf(e) }];
    });
  };
  const isGateway = matches({ on: 'hl7 MSH-3', pattern: /GATEWAY/i }).length > 0;
  for (const rule of rules) {
    if (rule.also !== undefined && matches(rule.also).length === 0) continue;
    // What a gateway reports of others is not the gateway.
    if (isGateway && /^hl7 (?!MSH-)/.test(rule.on)) continue;
    for (const { match, because } of matches(rule)) {
      for (const attribute of attributes) {
        const value = rule.gives[attribute]?.replace('$1', match[1] ?? '');
        claims.add(attribute, value, rule.level, because);
      }
    }
  }
  if (known.vendor !== undefined && !isModuleMaker(known.vendor))
    claims.add('vendor', known.vendor, 'oui', `oui vendor=${known.vendor}`);
  const serves = (protocol: string): boolean => known.services.some((s) => s.protocol === protocol);
  claimEquipment(claims, byField, known.vendor, serves('dicom'));
  claimHl7(claims, byField, serves('hl7'), isGateway);
  const found: Partial<Record<Attribute, Finding>> = {};
  for (const attribute of attributes) {
    const finding = claims.settle(attribute);
    if (finding !== undefined) found[attribute] = finding;
  }
  const kind = found.class?.value;
  return { medical: kind !== undefined && medicalClasses.has(kind), attributes: found };
}

/** The equipment modules that the host sent, when they are its own. */
function claimEquipment(
  claims: Claims,
  byField: ReadonlyMap<string, Evidence[]>,
  cardVendor: string | undefined,
  servesDicom: boolean,
): void {
  const of = (field: string): Evidence[] => byField.get(`dicom ${field}`) ?? [];
  const speaks = of('callingAeTitle')[0] ?? of('calledAeTitle')[0];
  const models = of('equipment.model');
  const makers = new Set(of('equipment.manufacturer').map((e) => vendorName(e.value)));
  const several = models.length > 1 || makers.size > 1;
  if (several && servesDicom)
    claims.add('class', pacs, 'association', textOf(models[0] ?? (speaks as Evidence)));
  const [maker] = makers;
  const own = cardVendor !== undefined && maker === vendorName(cardVendor);
  if (several || (servesDicom && !own)) {
    if (speaks !== undefined && !claims.byAttribute.has('class'))
      claims.add('class', 'DICOM system', 'association', textOf(speaks));
    return;
  }
  for (const e of of('equipment.modality')) claims.add('class', modalityClasses[e.value], 'self', textOf(e));
  for (const e of of('equipment.manufacturer')) claims.add('vendor', e.value, 'self', textOf(e));
  for (const e of models) claims.add('model', e.value, 'self', textOf(e));
  for (const e of of('equipment.software')) claims.add('software', e.value.split('\\')[0], 'self', textOf(e));
  for (const e of of('equipment.serial')) claims.add('serial', e.value, 'self', textOf(e));
  if (speaks !== undefined && !claims.byAttribute.has('class'))
    claims.add('class', 'DICOM system', 'association', textOf(speaks));
}

/** EUI-64 identifiers name their maker; a system that only sends or takes messages is a system. */
function claimHl7(
  claims: Claims,
  byField: ReadonlyMap<string, Evidence[]>,
  servesHl7: boolean,
  isGateway: boolean,
): void {
  const sender = byField.get('hl7 MSH-3') ?? [];
  const devices = isGateway ? [] : (byField.get('hl7 OBX-18') ?? []);
  for (const e of servesHl7 ? [] : [...sender, ...devices]) {
    const eui = /\^([0-9A-F]{6})[0-9A-F]{8,10}(?:\^|$)/i.exec(e.value)?.[1]?.toUpperCase();
    if (eui !== undefined) claims.add('vendor', euiVendors[eui], 'identifier', textOf(e));
  }
  if (claims.byAttribute.has('class')) return;
  const [first] = sender;
  if (first === undefined) return;
  const device = devices.length > 0;
  const kind = servesHl7 ? hl7Engine : device ? 'medical device' : hospitalSystem;
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
