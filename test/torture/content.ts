import { createHash } from 'node:crypto';
import type { Stamp } from '../../agent/clock.ts';
import { streams } from '../../agent/reading.ts';
import type { Kept, Note, PointInfo, Reading, Stream } from '../../agent/reading.ts';
import { pointInfo, reading } from '../support/readings.ts';

/** What the simulated sources say: all of it follows from the number of the entry, so that a checker needs no memory of it. */

const qualities = ['good', 'good', 'good', 'uncertain', 'bad'] as const;
const statuses = { good: 'Good', uncertain: 'UncertainSubNormal', bad: 'BadTimeout' } as const;

export function entryOf(stream: Stream, n: number, at: Stamp): Reading | Note {
  if (stream === 'asset-metadata' || stream === 'gateway-events')
    return { at, key: `ps-12/EM-${n % 5}`, json: JSON.stringify({ n, text: longText(n) }) };
  const quality = qualities[n % qualities.length] ?? 'good';
  const isText = n % 11 === 0;
  return reading({
    point: pointOf(stream, n),
    value: quality === 'bad' || isText ? null : valueOf(n),
    text: isText ? `${n} ${longText(n)}` : null,
    quality,
    status: statuses[quality],
    slotMs: stream === 'meter-readings' ? slotOf(n) : null,
    deviceTimeMs: n % 3 === 0 ? slotOf(n) - 7 : null,
    raw: rawOf(n),
    at,
  });
}

/** The number that an entry carries; null: it carries none, so no source said it. */
export function numberOf(entry: Kept): number | null {
  const text = entry.form === 'note' ? /"n":(\d+)/.exec(entry.json ?? '')?.[1] : undefined;
  const raw = entry.form === 'reading' && entry.raw !== null ? Number.parseInt(entry.raw.replaceAll(' ', ''), 16) : NaN;
  const n = text === undefined ? raw : Number(text);
  return Number.isSafeInteger(n) ? n : null;
}

/** What is wrong with an entry that came back; null: it is what source number `n` said at `wallMs`. */
export function differenceFrom(entry: Kept, n: number, wallMs: number): string | null {
  const said = entryOf(entry.stream, n, { boot: '', bootMs: 0, wallMs, trust: 'synced' });
  const expected = 'point' in said ? { ...said, timeMs: wallMs } : { ...said, timeMs: wallMs };
  for (const field of [
    'value',
    'text',
    'quality',
    'status',
    'slotMs',
    'deviceTimeMs',
    'raw',
    'key',
    'json',
    'timeMs',
  ]) {
    const [is, was] = [entry, expected].map((one) =>
      JSON.stringify((one as unknown as Record<string, unknown>)[field]),
    );
    if (is !== was) return `${field} is ${is}, the source said ${was}`;
  }
  if (entry.form === 'reading' && 'point' in said && JSON.stringify(entry.point) !== JSON.stringify(said.point))
    return `its point is ${JSON.stringify(entry.point)}`;
  return null;
}

/** Two sendings of one entry have the same, but for `repeat`. */
export function fingerprintOf(entry: Kept): string {
  const fields = Object.entries({ ...entry, repeat: null }).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha1').update(JSON.stringify(fields)).digest('base64').slice(0, 12);
}

export function sourceOf(entry: Kept): string {
  return `${entry.stream} ${entry.form === 'reading' ? entry.point.device : entry.key}`;
}

export function idOf(epoch: string, seq: number): string {
  return `${epoch}/${seq}`;
}

export function streamAt(lane: number): Stream {
  return streams[lane] ?? 'gateway-events';
}

function pointOf(stream: Stream, n: number): PointInfo {
  return stream === 'meter-readings'
    ? pointInfo({ device: `EM-${n % 5}`, hash: `EM-${n % 5} ${n % 2}`, serial: n % 2 === 0 ? `S-${n % 5}` : null })
    : pointInfo({ device: `FT-${n % 7}`, point: `flow-${n % 21}`, kind: 'gauge', unit: 'm3/h', stream });
}

function valueOf(n: number): number {
  return n % 4 === 0 ? n * 1.000_000_7 : n / 10;
}

function slotOf(n: number): number {
  return Date.UTC(2026, 10, 22) + n * 1_000;
}

function rawOf(n: number): string {
  const hex = n.toString(16).padStart(12, '0');
  return (hex.match(/.{4}/g) ?? []).join(' ');
}

/** Now and then more than a page, of what does not pack. */
function longText(n: number): string {
  if (n % 40 !== 0) return '';
  const hash = createHash('sha512').update(String(n)).digest('hex');
  return hash.repeat(1 + (n % 3)) + createHash('sha512').update(hash).digest('base64').repeat(30);
}
