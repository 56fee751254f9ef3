import { getNodePath, getNodeValue, parseTree, type Node } from 'jsonc-parser';
import { bracketFaults, depthOf } from './json/brackets.ts';
import { textOf } from './json/bytes.ts';
import { gathered, type Fault } from './json/faults.ts';
import { foreign } from './json/foreign.ts';
import { placesOf, type Place, type Places } from './json/places.ts';
import { repaired } from './json/repaired.ts';
import { slipsOf, type Slip } from './json/slips.ts';
import { tokensOf } from './json/tokens.ts';

/** A text file as a tree with positions. JSON with comments and trailing commas. */
export interface Source {
  readonly file: string;
  /** undefined: too broken to look at. */
  readonly root: Node | undefined;
  readonly faults: readonly { readonly at: Place; readonly message: string }[];
  /** Values that a fault has told about: nothing more is to be said of them. */
  readonly told: readonly Place[];
  /** Where the nodes stand. */
  readonly places: Places;
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

/**
 * Slips whose meaning is plain are told and mended, so that the rest of the file is looked at too. Past any other fault but a missing comma the
 * tree is guesswork: then only that fault is told, not what follows from it.
 */
export function readSource(file: string, bytes: Uint8Array): Source {
  const { text, fault } = textOf(bytes);
  const places = placesOf(text);
  const { root, faults, original }: Reading = fault === undefined ? readText(text, places) : { faults: [fault] };
  const shown = gathered(faults, (offset) => places.at(offset).line);
  return {
    file,
    root,
    faults: shown.map(({ offset, message }) => ({ at: places.at(offset), message })),
    told: faults.filter(({ isTold }) => isTold === true).map(({ offset }) => places.at(offset)),
    places: original === undefined ? places : { at: (offset) => places.at(original(offset)) },
  };
}

/** The text of a file that cannot be read. */
export function noSource(file: string): Source {
  return { file, root: undefined, faults: [], told: [], places: placesOf('') };
}

interface Reading {
  readonly root?: Node | undefined;
  readonly faults: readonly Fault[];
  /** From an offset in the tree to one in the text; absent: the same. */
  readonly original?: (offset: number) => number;
}

function readText(text: string, places: Places): Reading {
  const { root, errors } = parse(text);
  if (root?.type === 'object' && errors.length === 0) return { root, faults: numberFaults(root, text) };
  const tokens = tokensOf(text);
  const first = tokens.find(({ kind }) => kind !== 'hidden' && kind !== 'hash');
  const only = (message: string): Reading => ({ faults: [{ offset: first?.offset ?? 0, message }] });
  if (first === undefined) return only('the file is empty; `sluice init` writes one to start from');
  if (depthOf(tokens) > mostDepth) return only('objects and lists are nested too deeply');
  const other = foreign(text);
  if (other !== undefined) return only(other);
  if (first.kind !== '{') return only('the file must hold one object { … }');
  const slips = slipsOf(text, tokens);
  const plain = slips.filter(({ isPlain }) => isPlain);
  const open = tokens.find(({ kind }) => kind === 'open');
  if (open !== undefined) {
    const message = faultMessages[text.startsWith('/*', open.offset) ? 11 : 12] ?? '';
    return { faults: [...plain.filter(({ offset }) => offset < open.offset), { offset: open.offset, message }] };
  }
  const brackets = bracketFaults(text, tokens, places);
  // A # hides what follows it on its line, and with it the bracket that seems to be missing.
  const isHidden = tokens.some(({ kind, offset, end }) => kind === 'hash' && /[{}[\]]/.test(text.slice(offset, end)));
  if (brackets.length > 0) return { faults: isHidden ? plain : [...plain, ...brackets] };
  return readMended(text, slips);
}

function readMended(text: string, slips: readonly Slip[]): Reading {
  const edits = slips.flatMap((slip) => slip.edits);
  const { text: mended, original } = repaired(text, edits);
  const { root, errors } = parse(mended);
  const found = errors.map(({ error, offset }) => ({
    offset: original(offset),
    message: faultMessages[error] ?? 'this is not JSON',
    isComma: error === 6,
  }));
  const hard = found.find(({ isComma }) => !isComma);
  if (hard === undefined && root !== undefined) {
    return { root, faults: [...slips, ...found, ...numberFaults(root, mended, original)], original };
  }
  const soft = [...slips, ...found].filter(({ offset }) => hard === undefined || offset < hard.offset);
  return { faults: [...soft, ...(hard === undefined ? [] : [hard])] };
}

interface ParseError {
  readonly error: number;
  readonly offset: number;
  readonly length: number;
}

const mostDepth = 64;

function parse(text: string): { root?: Node; errors: readonly ParseError[] } {
  const errors: ParseError[] = [];
  try {
    const root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
    return { ...(root === undefined || isDeep(root, 1) ? {} : { root }), errors };
  } catch (error) {
    if (error instanceof RangeError) return { errors };
    throw error;
  }
}

function isDeep(node: Node, depth: number): boolean {
  return depth > 2 * mostDepth || (node.children ?? []).some((each) => isDeep(each, depth + 1));
}

/** Numbers that JavaScript would silently make other numbers. */
function numberFaults(node: Node, text: string, original = (offset: number): number => offset): Fault[] {
  if (node.type !== 'number') return (node.children ?? []).flatMap((each) => numberFaults(each, text, original));
  const written = text.slice(node.offset, node.offset + node.length);
  const value = Number(written);
  const tell = (message: string): Fault[] => [{ offset: original(node.offset), message, isTold: true }];
  if (!Number.isFinite(value)) return tell('this number is too large; allowed: up to 1.7e308');
  if (!/^-?\d+$/.test(written) || BigInt(written) === BigInt(value)) return [];
  return tell(
    'this whole number has more digits than can be kept (15 are sure); where hex text is allowed, write that',
  );
}

/** Key and value nodes of an object's properties, in file order. Of a key that stands twice, both. */
export function properties(node: Node): { key: string; keyNode: Node; value: Node }[] {
  return (node.children ?? []).flatMap((property) => {
    const [keyNode, value] = property.children ?? [];
    return keyNode === undefined || value === undefined ? [] : [{ key: String(keyNode.value), keyNode, value }];
  });
}

/** The elements of an array in the file; of anything else none. */
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
