/**
 * The fields of an HL7 v2 segment that name equipment: OBX-18 (HL7 v2.5 section 7.4.2.18, equipment instance
 * identifier), PRT-10, -16 and -20 (v2.8 section 7.3.4: the device that takes part, its unique device identifier, its serial
 * number) and, in OBX segments whose code is one of
 * ISO/IEEE 11073-10101's for the device itself, the value: model, system id, production specification.
 *
 * A measurement's value never comes out: OBX-5 is read only with one of those codes.
 */

/** OBX-3.1 or OBX-3.2 to the field it becomes. */
const deviceCodes: ReadonlyMap<string, string> = new Map([
  ['MDC_ATTR_ID_MODEL', 'model'],
  ['MDC_ATTR_SYS_ID', 'systemId'],
  ['MDC_ID_MODEL_NUMBER', 'modelNumber'],
  ['MDC_ID_MODEL_MANUFACTURER', 'manufacturer'],
  ['MDC_ID_PROD_SPEC_SERIAL', 'serial'],
  ['MDC_ID_PROD_SPEC_SW', 'software'],
  ['MDC_ID_PROD_SPEC_FW', 'firmware'],
]);

export const isEquipmentSegment = (name: string): boolean => name === 'OBX' || name === 'PRT';

const digitsOnly = /^\d*$/;

/** Field and value pairs of one segment; `separators`: field, component. */
export function equipmentOf(segment: string, separators: string): (readonly [string, string])[] {
  const field = separators.charAt(0);
  const component = separators.charAt(1);
  const fields = segment.split(field, 24);
  const found: (readonly [string, string])[] = [];
  if (fields[0] === 'PRT') {
    for (const n of [10, 16]) {
      const device = fields[n] ?? '';
      if (device !== '') found.push([`PRT-${n}`, device]);
    }
    const serial = fields[20] ?? '';
    if (serial !== '') found.push(['serial', serial]);
    return found;
  }
  const instance = fields[18] ?? '';
  if (instance !== '') found.push(['OBX-18', instance]);
  const type = fields[2] ?? '';
  const code = (fields[3] ?? '').split(component, 3).find((part) => deviceCodes.has(part));
  // Codes for the type of a device: `69985^MDC_DEV_PUMP_INFUS_MDS^MDC`, in OBX-3 or as a value of OBX-5.
  const kind = /MDC_DEV_[A-Z_]*?(?:MDS|VMD)\b/.exec(
    `${fields[3] ?? ''} ${type === 'NM' ? '' : (fields[5] ?? '')}`,
  );
  if (kind !== null) found.push(['device', kind[0]]);
  // What is measured, not how much: the codes of metrics begin with it.
  const metric = /MDC_(ECG|PRESS_CUFF|PULS_OXIM|FLOW_FLUID_PUMP|VENT)_/.exec(fields[3] ?? '')?.[1];
  if (metric !== undefined) found.push(['measures', metric]);
  const name = code === undefined ? undefined : deviceCodes.get(code);
  const value = fields[5] ?? '';
  if (name !== undefined && value !== '' && !(name === 'model' && digitsOnly.test(value)))
    found.push([name, value]);
  return found;
}
