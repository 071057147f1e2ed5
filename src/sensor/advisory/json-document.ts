/**
 * JSON (RFC 8259) from somebody else: its depth is checked before it is parsed, and what was parsed is looked at through
 * these functions, which take any shape and answer with what is there. Text comes out on one line, without control
 * characters, cut to what a field may hold.
 */
import { MAX_JSON_DEPTH } from './constants.ts';

/** A document that isn't what it should be: where in it, and why. */
export interface Malformed {
  readonly kind: 'malformed';
  /** A JSON path, a row of a sheet, a byte. */
  readonly place: string;
  readonly detail: string;
}

export const malformed = (place: string, detail: string): Malformed => ({
  kind: 'malformed',
  place,
  detail,
});

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Bytes as text: UTF-8, a byte order mark is dropped. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Offset of the bracket that goes deeper than `limit`. */
function tooDeep(text: string, limit: number): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x22) {
      for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++)
        if (text.charCodeAt(at) === 0x5c) at++;
    } else if (c === 0x5b || c === 0x7b) {
      if (++depth > limit) return at;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return undefined;
}

export function readJson(text: string): { readonly kind: 'message'; readonly value: Json } | Malformed {
  const deep = tooDeep(text, MAX_JSON_DEPTH);
  if (deep !== undefined) return malformed(`character ${deep}`, `nested deeper than ${MAX_JSON_DEPTH}`);
  try {
    return { kind: 'message', value: JSON.parse(text) as Json };
  } catch (error) {
    return malformed('(top level)', error instanceof Error ? error.message.slice(0, 200) : 'not JSON');
  }
}

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Member of an object; undefined for what is no object or hasn't it as its own. */
export function member(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  let at = value;
  for (const key of path) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** The items of a list; none for what is no list. */
export const items = (value: Json | undefined): readonly Json[] =>
  Array.isArray(value) ? (value as readonly Json[]) : [];

/** One line of at most `max` characters. */
export function line(text: string, max: number): string {
  const flat = text
    .slice(0, 16 * max)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  return flat.length <= max ? flat : `${flat.slice(0, max - 1).toWellFormed()}…`;
}

/** A string, or a number as text, on one line; '' for anything else. */
export function said(value: Json | undefined, max: number): string {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? line(value, max) : '';
}

/** `{ [key]: text }` where there is text, for fields that may be missing. */
export const optional = <K extends string>(key: K, text: string): { readonly [P in K]?: string } =>
  text === '' ? {} : ({ [key]: text } as { readonly [P in K]: string });
