import type { Fault } from './faults.ts';
import type { Places } from './places.ts';
import type { Token } from './tokens.ts';

interface Open {
  readonly token: Token;
  readonly line: number;
  /** Blanks in front of its line. */
  readonly indent: number;
}

const closerOf = { '{': '}', '[': ']' } as const;
type Opener = keyof typeof closerOf;

/** How deep objects and lists are nested. */
export function depthOf(tokens: readonly Token[]): number {
  let [depth, deepest] = [0, 0];
  for (const { kind } of tokens) {
    if (kind === '{' || kind === '[') deepest = Math.max(deepest, ++depth);
    if (kind === '}' || kind === ']') depth--;
  }
  return deepest;
}

/**
 * Braces and brackets without their partner: none when all match. A missing one is told where it was opened. Which one that is follows from the
 * indentation, as long as that explains the file with no more faults than counting does.
 */
export function bracketFaults(text: string, tokens: readonly Token[], places: Places): Fault[] {
  if (isBalanced(tokens)) return [];
  const readings = trusts.map((trust) => match(text, tokens, places, trust));
  return readings.reduce((best, next) => (next.length < best.length ? next : best));
}

/** How far the lines are believed: that what was opened on a line of its own is closed on one; the indentation; nothing. The first of the best wins. */
const trusts = ['lines', 'indent', 'none'] as const;
type Trust = (typeof trusts)[number];

function isBalanced(tokens: readonly Token[]): boolean {
  const wanted: string[] = [];
  for (const { kind } of tokens) {
    if (kind === '{' || kind === '[') wanted.push(closerOf[kind]);
    if ((kind === '}' || kind === ']') && wanted.pop() !== kind) return false;
  }
  return wanted.length === 0;
}

/** A bracket on its way through the file. `width`: its distance from the margin, where it is the first on its line. */
interface Bracket extends Open {
  readonly kind: string;
  readonly width: number | undefined;
  readonly column: number;
}

function match(text: string, tokens: readonly Token[], places: Places, trust: Trust): Fault[] {
  const faults: Fault[] = [];
  const open: Open[] = [];
  let indent = 0;
  let hasEnded = false;
  for (const [index, token] of tokens.entries()) {
    const width = widthBefore(text, tokens[index - 1]?.end, token.offset);
    indent = width ?? indent;
    const bracket: Bracket = { token, kind: token.kind, width, indent, ...places.at(token.offset) };
    const isCloser = bracket.kind === '}' || bracket.kind === ']';
    while (isOutside(bracket, isCloser, open.at(-1), trust)) tellUnclosed(open, faults, bracket);
    if (bracket.kind === '{' || bracket.kind === '[') {
      if (open.at(-1)?.token.kind === '{' && isKeyPlace(tokens, index)) tellUnclosed(open, faults, bracket);
      open.push(bracket);
    }
    if (!isCloser || hasEnded) continue;
    close(bracket, open, faults, trust);
    if (open.length > 0 || !goesOn(tokens, index)) continue;
    hasEnded = true;
    const message = `the object of the file ends here, but more follows; there is one ${bracket.kind} too many, here or before`;
    faults.push({ offset: token.offset, message });
  }
  while (open.length > 0) tellUnclosed(open, faults);
  return faults.toSorted((a, b) => a.offset - b.offset);
}

/** Further out than the line of what is still open: that must have ended before. */
function isOutside({ line, width }: Bracket, isCloser: boolean, top: Open | undefined, trust: Trust): boolean {
  if (trust === 'none' || top === undefined || width === undefined || top.line >= line) return false;
  return isCloser ? width < top.indent : width <= top.indent;
}

/** Neither a value, behind its colon, nor one whose colon is missing. */
function isKeyPlace(tokens: readonly Token[], index: number): boolean {
  const isColon = (at: number): boolean => tokens[at]?.kind === ':' || tokens[at]?.kind === '=';
  const isName = ['text', 'quoted', 'bare'].includes(tokens[index - 1]?.kind ?? '');
  return !isColon(index - 1) && (!isName || isColon(index - 2));
}

function tellUnclosed(open: Open[], faults: Fault[], next?: Bracket): void {
  const { token, line } = open.pop() ?? {};
  if (token === undefined) return;
  const here = next?.line === line ? `column ${next?.column}` : `line ${next?.line}`;
  const where = next === undefined ? 'at the end of the file' : `before ${here}`;
  const message = `this ${token.kind} is never closed; its ${closerOf[token.kind as Opener]} is missing ${where}`;
  faults.push({ offset: token.offset, message });
}

function close(closer: Bracket, open: Open[], faults: Fault[], trust: Trust): void {
  const { kind, line, width } = closer;
  const { offset } = closer.token;
  const partner = open.findLastIndex(({ token }) => closerOf[token.kind as Opener] === kind);
  const top = open.at(-1);
  const isOther = top !== undefined && top !== open[partner];
  const isMistaken = isOther && (trust === 'none' ? partner < 0 : width === top.indent);
  const isFar = top !== undefined && (open[partner] ?? top).line < line;
  const isTooFarIn = isFar && (width === undefined ? trust === 'lines' : trust !== 'none' && width > top.indent);
  if (isMistaken) {
    const wanted = closerOf[top.token.kind as Opener];
    faults.push({
      offset,
      message: `this ${kind} should be ${wanted}; it closes the ${top.token.kind} of line ${top.line}`,
    });
    open.pop();
  } else if (partner < 0 || isTooFarIn) {
    faults.push({ offset, message: `this ${kind} closes nothing; there is one too many, here or before` });
  } else {
    while (open.length > partner + 1) tellUnclosed(open, faults, closer);
    open.pop();
  }
}

/** A comma, or a key: the file means to go on. What merely trails behind its end is the parser's matter. */
function goesOn(tokens: readonly Token[], index: number): boolean {
  const [next, second] = tokens.slice(index + 1, index + 3);
  return next?.kind === ',' || (next?.kind === 'text' && second?.kind === ':');
}

/** Blanks in front of what is the first on its line; undefined when something stands before it there. */
function widthBefore(text: string, end: number | undefined, offset: number): number | undefined {
  const between = text.slice(end ?? 0, offset);
  const start = Math.max(between.lastIndexOf('\n'), between.lastIndexOf('\r'));
  return start < 0 && end !== undefined ? undefined : between.slice(start + 1).replaceAll('\t', '  ').length;
}
