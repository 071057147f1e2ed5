/**
 * Walks an XML 1.0 document (W3C REC-xml, fifth edition) from tag to tag, as far as office documents and bills of materials
 * need it. A document type declaration is refused: there are no entities but the five of section 4.6 and character
 * references, so nothing expands. Names come without their namespace prefix. No tree is built.
 */
import { MAX_TAG_CHARACTERS, MAX_XML_DEPTH } from './constants.ts';
import { malformed } from './json-document.ts';
import type { Malformed } from './json-document.ts';

export interface XmlReader {
  /** `path`: names from the root to this element. */
  open?(path: readonly string[], attributes: ReadonlyMap<string, string>): void;
  /** Text directly in the element at `path`, in pieces. */
  text?(path: readonly string[], text: string): void;
  close?(path: readonly string[]): void;
}

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', apos: "'", quot: '"' };

function decode(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w{1,8}));/g, (whole, decimal, hex, name) => {
    if (name !== undefined) return entities[String(name)] ?? whole;
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
      ? String.fromCodePoint(code)
      : '\ufffd';
  });
}

const local = (name: string): string => name.slice(name.indexOf(':') + 1);

function attributesOf(tag: string): Map<string, string> {
  const found = new Map<string, string>();
  // Sticky, from one to the next: what isn't an attribute ends it, and is never searched through.
  const attribute = /\s*([^\s=/"'<>]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/y;
  for (let next = attribute.exec(tag); next; next = attribute.exec(tag)) {
    const [, name = '', double, single] = next;
    found.set(local(name), decode(double ?? single ?? ''));
  }
  return found;
}

/** Where the tag that begins at `from` ends: a `>` outside quotes. */
function endOfTag(text: string, from: number): number {
  let quote = 0;
  const limit = Math.min(text.length, from + MAX_TAG_CHARACTERS);
  for (let at = from; at < limit; at++) {
    const c = text.charCodeAt(at);
    if (quote !== 0) {
      if (c === quote) quote = 0;
    } else if (c === 0x22 || c === 0x27) quote = c;
    else if (c === 0x3e) return at;
  }
  return -1;
}

/** Undefined when the document was walked to its end. */
export function walkXml(text: string, reader: XmlReader): Malformed | undefined {
  const path: string[] = [];
  let roots = 0;
  let at = 0;
  const wrong = (detail: string): Malformed => malformed(`character ${at}`, detail);
  while (at < text.length) {
    const tag = text.indexOf('<', at);
    const until = tag < 0 ? text.length : tag;
    if (until > at && path.length > 0) reader.text?.(path, decode(text.slice(at, until)));
    if (tag < 0) break;
    at = tag;
    if (text.startsWith('<!--', at)) {
      const end = text.indexOf('-->', at + 4);
      if (end < 0) return wrong('a comment without an end');
      at = end + 3;
    } else if (text.startsWith('<![CDATA[', at)) {
      const end = text.indexOf(']]>', at + 9);
      if (end < 0) return wrong('a CDATA section without an end');
      if (path.length > 0) reader.text?.(path, text.slice(at + 9, end));
      at = end + 3;
    } else if (text.startsWith('<?', at)) {
      const end = text.indexOf('?>', at + 2);
      if (end < 0) return wrong('a processing instruction without an end');
      at = end + 2;
    } else if (text.startsWith('<!', at)) {
      return wrong('a document type declaration');
    } else {
      const end = endOfTag(text, at + 1);
      if (end < 0) return wrong('a tag without an end');
      const inside = text.slice(at + 1, end);
      if (inside.startsWith('/')) {
        if (path.pop() !== local(inside.slice(1).trim())) return wrong('an end tag of another element');
        reader.close?.([...path, local(inside.slice(1).trim())]);
      } else {
        const [, name = ''] = /^([^\s/"'<>=]+)/.exec(inside) ?? [];
        if (name === '') return wrong('a tag without a name');
        if (path.length === 0 && ++roots > 1) return wrong('a second root');
        if (path.length === MAX_XML_DEPTH) return wrong(`nested deeper than ${MAX_XML_DEPTH}`);
        path.push(local(name));
        reader.open?.(path, attributesOf(inside.slice(name.length)));
        if (inside.endsWith('/')) {
          reader.close?.(path);
          path.pop();
        }
      }
      at = end + 1;
    }
  }
  if (path.length > 0) return wrong(`${path.at(-1) ?? ''} has no end tag`);
  return roots === 0 ? wrong('no element') : undefined;
}
