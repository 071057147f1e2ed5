/**
 * Products of makers of medical equipment, by the names under which they appear in host names, application titles,
 * greetings and messages. One walker (`naming.ts`) looks for them in every field in which a device names itself.
 *
 * A row: maker, class, names. A name is the product line as its maker writes it, then in braces what follows it (a
 * regular expression). `!` marks a coined name that nobody else uses: it counts alone, also without what follows unless
 * `+` asks for that. The others are words or short codes and count only where something else names the same maker, or
 * where the field is one that a device fills in itself.
 *
 * Sources, by row group: the makers' own documentation (manuals, conformance statements, HL7 and LIS interface
 * guides), product names in CISA's medical advisories and FDA's notices, models in public DICOM test objects.
 */

export interface ProductRow {
  readonly vendor: string;
  readonly kind: string;
  readonly names: readonly string[];
}

export const row = (vendor: string, kind: string, ...names: readonly string[]): ProductRow => ({
  vendor,
  kind,
  names,
});

/** A class that other tables name too. */
export const gateway = 'medical device gateway';
