import { getNodePath, getNodeValue, parseTree, type Node } from 'jsonc-parser';

/** A text file as a tree with positions. JSON with comments and trailing commas. */
export interface Source {
  readonly file: string;
  readonly text: string;
  /** undefined: too broken to look at. */
  readonly root: Node | undefined;
  readonly faults: readonly { readonly offset: number; readonly message: string }[];
}

export type Path = readonly (string | number)[];
export type { Node };

/** By jsonc-parser's error code. The text of the file is never repeated here: a broken line may hold a password. */
const faultMessages: Readonly<Record<number, string>> = {
  1: 'this is no value; texts stand in double quotes, and there are only true, false and null besides',
  2: 'this is no number as JSON writes it (no leading zeros, no hex: write hex as text)',
  3: 'a key in double quotes is expected here',
  4: 'a value is expected here',
  5: 'a colon is missing before this',
  6: 'a comma is missing before this',
  7: 'a closing } is missing',
  8: 'a closing ] is missing',
  9: 'nothing may follow the closing brace of the file',
  10: 'this is no comment; write // to the end of a line or /* … */',
  11: 'this comment does not end; */ is missing',
  12: 'this text does not end; a closing double quote is missing on its line',
  13: 'this number does not end',
  14: 'this is no \\u escape; four hex digits follow \\u',
  15: 'this is no escape; in JSON they are \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX',
  16: 'this character cannot stand here; write it as an escape',
};

/** Past one fault that is not a mere missing comma the tree is guesswork: then only that fault is told, not what follows from it. */
export function readSource(file: string, bytes: Uint8Array): Source {
  const text = new TextDecoder().decode(bytes);
  const undecodable = text.indexOf('\uFFFD');
  if (undecodable >= 0 && !isUtf8(bytes))
    return broken(file, text, undecodable, 'this is not UTF-8; save the file as UTF-8');
  const errors: { error: number; offset: number; length: number }[] = [];
  let root: Node | undefined;
  try {
    root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return broken(file, text, 0, 'objects and lists are nested too deeply');
  }
  if (root !== undefined && depthOf(root) > 64) return broken(file, text, 0, 'objects and lists are nested too deeply');
  const fault = errors.find(({ error }) => error !== 6);
  if (fault !== undefined) return broken(file, text, fault.offset, faultMessages[fault.error] ?? 'this is not JSON');
  if (root?.type !== 'object') return broken(file, text, root?.offset ?? 0, 'the file must hold one object { … }');
  const faults = errors.map(({ offset }) => ({ offset, message: faultMessages[6] ?? '' }));
  return { file, text, root, faults };
}

function depthOf(node: Node): number {
  return 1 + (node.children ?? []).reduce((deepest, each) => Math.max(deepest, depthOf(each)), 0);
}

function broken(file: string, text: string, offset: number, message: string): Source {
  return { file, text, root: undefined, faults: [{ offset, message }] };
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

const fileStart = { offset: 0, line: 1, column: 1 };

/** Line and column, both from 1; a column is a character, not a byte or half a surrogate pair. `from`: an earlier place, to count on from. */
export function lineAndColumn(text: string, offset: number, from = fileStart): { line: number; column: number } {
  const [first = '', ...more] = text.slice(from.offset, offset).split(/\r\n|\r|\n/);
  const last = more.at(-1);
  if (last === undefined) return { line: from.line, column: from.column + Array.from(first).length };
  return { line: from.line + more.length, column: 1 + Array.from(last).length };
}

/** Key and value nodes of an object's properties, in file order. Of a key that stands twice, both. */
export function properties(node: Node): { key: string; keyNode: Node; value: Node }[] {
  return (node.children ?? []).flatMap((property) => {
    const [keyNode, value] = property.children ?? [];
    return keyNode === undefined || value === undefined ? [] : [{ key: String(keyNode.value), keyNode, value }];
  });
}

export function items(node: Node): readonly Node[] {
  return node.type === 'array' ? (node.children ?? []) : [];
}

/** The value of a key, or undefined. */
export function child(node: Node | undefined, key: string): Node | undefined {
  return node?.type === 'object' ? properties(node).findLast((property) => property.key === key)?.value : undefined;
}

export function valueOf(node: Node): unknown {
  return getNodeValue(node) as unknown;
}

export function pathOf(node: Node): Path {
  return getNodePath(node);
}

/** `devices[0].points[2]`, `connections["a.b"].host`. */
export function pathText(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}
