/** A NodeId as the file states it: its namespace by URI or by index, its identifier with the letter of its type (OPC UA Part 6, 5.3.1.10). */
export interface StatedNodeId {
  /** null: by `index`. */
  readonly uri: string | null;
  readonly index: number;
  /** `s=Tank.Level`, `i=2258`, `g=…`, `b=…`. */
  readonly identifier: string;
}

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** `nsu=urn:site:plc;s=Tank.Level`, `ns=2;i=7`, `i=2258`. undefined: it is none. In a URI `%3B` stands for `;` and `%25` for `%`. */
export function parseNodeId(text: string): StatedNodeId | undefined {
  const match = /^(?:nsu=([^;]+);|ns=(\d{1,5});)?([isgb]=.+)$/s.exec(text);
  if (match === null) return undefined;
  const [, uri, index = '0', identifier = ''] = match;
  if (!isIdentifier(identifier) || Number(index) > 65_535) return undefined;
  return {
    uri: uri === undefined ? null : uri.replaceAll(/%3b/gi, ';').replaceAll('%25', '%'),
    index: Number(index),
    identifier,
  };
}

function isIdentifier(identifier: string): boolean {
  const value = identifier.slice(2);
  if (identifier.startsWith('i=')) return /^\d{1,10}$/.test(value) && Number(value) < 2 ** 32;
  if (identifier.startsWith('g=')) return guid.test(value);
  if (identifier.startsWith('b=')) return base64.test(value);
  return value.length <= 4096;
}

/** The text that a server with these namespaces knows the node by; null: it has no such namespace. */
export function resolveNodeId(stated: StatedNodeId, namespaces: readonly string[]): string | null {
  const index = stated.uri === null ? stated.index : namespaces.indexOf(stated.uri);
  return index === -1 ? null : `ns=${index};${stated.identifier}`;
}

/** As one would write it in the file, with the namespace by URI where the server has one for it. */
export function nodeIdText(index: number, identifier: string, namespaces: readonly string[]): string {
  const uri = namespaces[index];
  if (index === 0) return identifier;
  if (uri === undefined) return `ns=${index};${identifier}`;
  return `nsu=${uri.replaceAll('%', '%25').replaceAll(';', '%3B')};${identifier}`;
}
