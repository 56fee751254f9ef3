import type { Finding, Table as TextTable } from '../../tools.ts';
import { hexWords } from '../decode.ts';
import { textOf } from '../../decimal.ts';
import { defaults } from '../defaults.ts';
import { placeText, referencesOf } from '../place.ts';
import { meansSilence, statusOfException } from '../protocol.ts';
import { registersOf } from '../types.ts';
import type { Outcome } from '../link.ts';
import type { Face } from './face.ts';
import type { Target } from './probe-url.ts';
import type { Match, Window } from './rank.ts';
import { numberTypes, ordersOf, readerOf } from './readings-of.ts';

const mostShown = 10;
const mostListed = 100;
/** What needs so much more belief than the plainest is not worth a line. */
const mostMoreDoubt = 2.5;

interface Decodings {
  readonly address: number;
  readonly references: readonly string[];
  readonly raw: string;
  readonly type: string;
  /** Byte order → all digits; null: no number. */
  readonly values: Readonly<Record<string, string | null>>;
}

/** Every type at every address, in every byte order that makes a difference. */
function decodingsOf({ table, address, words }: Window): Decodings[] {
  return numberTypes.flatMap((type) => {
    const registers = registersOf(type);
    const starts = Array.from({ length: Math.max(0, words.length / 2 - registers + 1) }, (_, at) => at);
    return starts.map((at) => {
      const raw = words.subarray(at * 2, (at + registers) * 2);
      const values = ordersOf(registers).map((order) => {
        const number = readerOf(type, order)(raw);
        return [order, number === null ? null : textOf(number)] as const;
      });
      return {
        address: address + at,
        references: referencesOf(table, address + at),
        raw: hexWords(raw),
        type,
        values: Object.fromEntries(values),
      };
    });
  });
}

/** What `probe` prints of registers: the words, and every decoding of them side by side. `tookMs`: from question to answer. */
export function wordsFound(target: Target, line: string, window: Window, tookMs: number): Finding {
  const decodings = decodingsOf(window);
  const widths = [...new Set(numberTypes.map(registersOf))];
  return {
    ok: true,
    json: { ...placeJson(target, line), raw: hexWords(window.words), tookMs, decodings },
    parts: [
      `${headline(target, line)}, ${tookMs} ms: ${hexWords(window.words)}${asText(window.words)}`,
      ...widths.flatMap((registers) => decodingTable(target, decodings, registers) ?? []),
      'Which of them is right: sluice probe URL --display NUMBER ranks them by what the meter shows.',
    ],
  };
}

function decodingTable(target: Target, decodings: readonly Decodings[], registers: number): TextTable | null {
  const orders = ordersOf(registers);
  const types = numberTypes.filter((type) => registersOf(type) === registers);
  const rows = decodings
    .filter(({ type }) => types.some((each) => each === type))
    .toSorted((a, b) => a.address - b.address)
    .map((one) => ({ ...one, cells: orders.map((order) => shortened(one.type, one.values[order] ?? '-')) }));
  // A signed type says the same as the unsigned one before it until the number is negative.
  const telling = rows.filter(
    ({ address, type, cells }) =>
      cells.some((cell) => cell !== '-') &&
      !rows.some(
        (other) =>
          other.address === address && other.type === `u${type}` && other.cells.every((cell, at) => cell === cells[at]),
      ),
  );
  if (telling.length === 0) return null;
  return {
    head: [target.table, 'reference', 'words', 'type', ...orders],
    rows: telling.map(({ address, references, raw, type, cells }, at) =>
      address === telling[at - 1]?.address
        ? ['', '', '', type, ...cells]
        : [String(address), references.join(' '), raw, type, ...cells],
    ),
    right: [0, ...orders.map((_, at) => at + 4)],
  };
}

/** Nobody compares a float's 300 digits with a display. */
function shortened(type: string, digits: string): string {
  if (!type.startsWith('float') || digits === '-' || digits === '0') return digits;
  const size = Math.abs(Number(digits));
  return size < 1e-4 || size >= 1e12 ? Number(digits).toExponential(3) : digits;
}

/** What the bytes spell, where they do. */
function asText(words: Buffer): string {
  const text = words.toString('latin1').replace(/[\0 ]+$/, '');
  return /^[\x20-\x7e]{3,}$/.test(text) ? `, as text ${JSON.stringify(text)}` : '';
}

/** Bits come eight in a byte, the first in the lowest place. */
export function bitsFound(target: Target, line: string, { address, words }: Window, tookMs: number): Finding {
  const { table } = target;
  const bits = Array.from({ length: target.count }, (_, at) => ((words[at >> 3] ?? 0) >> (at & 7)) & 1);
  return {
    ok: true,
    json: { ...placeJson(target, line), tookMs, bits },
    parts: [
      `${headline(target, line)}, ${tookMs} ms`,
      {
        head: [table, 'reference', 'value'],
        rows: bits.map((bit, at) => [String(address + at), referencesOf(table, address + at).join(' '), String(bit)]),
        right: [0],
      },
    ],
  };
}

/** What goes into `points`: nothing that is so anyway. */
export function pointOf(match: Match, { addressBase }: Target, unit: string | null): Record<string, unknown> {
  return {
    name: 'value',
    ...(unit === null ? {} : { unit }),
    ...(match.table === defaults.table ? {} : { table: match.table }),
    address: match.address + addressBase,
    ...(addressBase === 0 ? {} : { addressBase }),
    ...(match.type === defaults.type ? {} : { type: match.type }),
    ...(match.byteOrder === defaults.byteOrder ? {} : { byteOrder: match.byteOrder }),
    ...(match.scale === 1 ? {} : { scale: match.scale }),
  };
}

export function matchesFound(
  target: Target,
  line: string,
  face: Face,
  windows: readonly Window[],
  all: readonly Match[],
): Finding {
  const { unit } = face;
  const shown = textOf(face.value) + (unit === null ? '' : ` ${unit}`);
  const json = {
    ...placeJson(target, line),
    display: { value: face.number, decimals: face.decimals, unit },
    matches: all.slice(0, mostListed).map((match) => ({
      ...match,
      references: referencesOf(match.table, match.address),
      point: pointOf(match, target, unit),
    })),
  };
  const [best] = all;
  if (best === undefined)
    return { ok: false, json, parts: [`${headline(target, line)}: nothing makes ${shown}.`, whatElse(windows)] };
  const worth = all.filter(({ doubt }) => doubt <= best.doubt + mostMoreDoubt).slice(0, mostShown);
  const rows = worth.map((match) => [
    match.value,
    match.fit,
    placeText(match.table, match.address),
    match.raw,
    JSON.stringify(pointOf(match, target, unit)),
  ]);
  return {
    ok: true,
    json,
    parts: [
      `${headline(target, line)}: what makes ${shown}, the plainest first. Paste one into "points" and give it a name.`,
      { head: ['value', 'fit', 'address', 'words', 'point'], rows, right: [0] },
      ...[remarks(target, face, worth).join('\n')].filter((said) => said !== ''),
    ],
  };
}

function remarks({ table, address, origins }: Target, { digits }: Face, worth: readonly Match[]): string[] {
  const [best, second] = worth;
  if (best === undefined) return [];
  const said: string[] = [];
  if (origins.slice(1).some((origin) => origin.table === best.table && origin.address === best.address))
    said.push(`${address} is a reference here: reference=${address} asks for it.`);
  else if (best.table !== table) said.push(`The best match is in table ${best.table}, not ${table} as asked.`);
  else if (best.address === address - 1)
    said.push(
      'The best match lies one before the address: this manual counts from 1 ("addressBase": 1 lets you keep its numbers).',
    );
  if (digits < 3) said.push(`A face of ${digits} digits fits much: take a value that shows more.`);
  else if (second !== undefined && second.doubt - best.doubt < 0.5)
    said.push('Several are as plain: look again when the meter shows another number, only the right one fits both.');
  if (best.fit === 'near') said.push('It fits but nearly: the meter may have moved on; look again.');
  if (best.fit === 'coarse')
    said.push('The register counts in larger steps than the face shows; is there a finer one?');
  if (best.fit === 'rolled') said.push('The register holds leading digits that the face has no room for.');
  return said;
}

function whatElse(windows: readonly Window[]): string {
  const looked = windows.map(({ table, address, words }) => `${table} ${address}…${address + words.length / 2 - 1}`);
  return `Looked at ${[...new Set(looked)].join(', ')}: every type, byte order, powers of ten and the usual factors. Is it this unit, and this address?`;
}

/** Nobody answered, or not with data. */
export function failed(target: Target, line: string, outcome: Outcome): Finding {
  const { code } = outcome.kind === 'exception' ? outcome : { code: null };
  const why =
    outcome.kind === 'damaged'
      ? `what came is no answer: ${outcome.reason}`
      : code === null
        ? `no answer within ${target.line.timeoutMs}ms, asked twice; sluice scan finds the units that answer`
        : exceptionText(code);
  return {
    ok: false,
    json: { ...placeJson(target, line), error: why, exceptionCode: code },
    parts: [`${headline(target, line)}: ${why}`],
  };
}

const exceptionMeanings: Readonly<Record<number, string>> = {
  1: 'it does not know this function: try the other table (holding, input)',
  2: 'it has no such registers: try fewer (count), or the address one lower',
  3: 'it does not answer so many at once: try fewer (count)',
  4: 'it failed',
  5: 'it is busy for longer; ask again',
  6: 'it is busy; ask again',
};

function exceptionText(code: number): string {
  const hex = code.toString(16).toUpperCase().padStart(2, '0');
  const meaning = meansSilence(code)
    ? 'the gateway reaches nobody of this unit'
    : (exceptionMeanings[code] ?? statusOfException(code));
  return `the answer is exception ${hex}: ${meaning}`;
}

function headline({ unitId, table, address, count }: Target, line: string): string {
  const last = count === 1 ? '' : `…${address + count - 1}`;
  return `${line} unit ${unitId}, ${table} ${address}${last} (${referencesOf(table, address).join(', ')})`;
}

function placeJson({ unitId, table, address, count }: Target, line: string): Record<string, unknown> {
  return { line, unitId, table, address, count, references: referencesOf(table, address) };
}
