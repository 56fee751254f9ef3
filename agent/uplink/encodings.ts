import type { GatewayEvent, Kept, KeptNote, KeptReading, PointInfo, Reading } from '../reading.ts';
import type { OutRecord } from './uplink.ts';

/** `repeat`: this process has tried to send the entry before. Same entry, same `repeat`: the same bytes. */
export type Encode = (entry: Kept, repeat: boolean) => OutRecord;

/** The constant parts of a reading's record, in the order of docs/records.md. */
interface Fragments {
  readonly key: string;
  readonly id: string;
  readonly toValue: string;
  readonly toQuality: string;
  readonly toMap: string;
}

type ReadingBody = Pick<
  KeptReading,
  'value' | 'text' | 'quality' | 'status' | 'exceptionCode' | 'timeSource' | 'slotMs' | 'deviceTimeMs' | 'raw'
>;

/** JSON records. Keeps what each point always says; fast when equal points are the same object, as the buffer gives them. */
export function jsonEncoding(): Encode {
  const known = new WeakMap<PointInfo, Fragments>();
  const fragments = (point: PointInfo): Fragments => {
    let found = known.get(point);
    if (found === undefined) {
      found = fragmentsOf(point);
      known.set(point, found);
    }
    return found;
  };
  const iso = isoTimes();
  const isoSlot = isoTimes();
  return (entry, repeat) => {
    if (entry.form === 'note') return noteRecord(entry, iso);
    const parts = fragments(entry.point);
    const id = `${parts.id}${entry.epoch}/${entry.seq}"`;
    return {
      key: parts.key,
      value: readingJson(parts, id, entry, iso(entry.timeMs), entry.clock, repeat || entry.repeat, isoSlot),
      timestampMs: entry.timeMs,
    };
  };
}

/** The record that `run` would send for this reading, with `id` and `slot` null: for `sluice read`. */
export function jsonPreview(reading: Reading): OutRecord {
  const iso = isoTimes();
  const timeMs = reading.timeMs ?? reading.at.wallMs;
  const parts = fragmentsOf(reading.point);
  const body = { ...reading, slotMs: null };
  return {
    key: parts.key,
    value: readingJson(parts, 'null', body, iso(timeMs), reading.at.trust, reading.repeat, iso),
    timestampMs: timeMs,
  };
}

/**
 * The body of an event's Note. What only the commit gives, `time` and `clock`, has its place and is null; `id` comes before all.
 */
export function eventBody(gateway: string, site: string | null, happened: GatewayEvent): string {
  const { event, severity, device = null, point = null, message, facts = {} } = happened;
  return JSON.stringify({ gateway, site, event, severity, device, point, time: null, clock: null, message, facts });
}

function fragmentsOf(point: PointInfo): Fragments {
  const json = JSON.stringify;
  const { gateway, site, device, asset, serial, kind, unit, map } = point;
  // Joined, not added: V8 keeps a sum of texts as a tree, which for thousands of points outweighs the texts.
  return {
    key: [gateway, '/', device].join(''),
    id: json(`${gateway}/`).slice(0, -1),
    toValue: [
      `,"gateway":${json(gateway)},"site":${json(site)},"device":${json(device)},"asset":${json(asset)}`,
      `,"serial":${json(serial)},"point":${json(point.point)},"kind":${json(kind)},"value":`,
    ].join(''),
    toQuality: [',"unit":', json(unit), ',"quality":"'].join(''),
    toMap: [',"map":', json(map), ',"raw":'].join(''),
  };
}

// One template for all: 60,000 records a second leave 3 µs for each, and JSON.stringify of the whole object takes more.
function readingJson(
  parts: Fragments,
  id: string,
  body: ReadingBody,
  time: string,
  clock: string,
  repeat: boolean,
  iso: (ms: number) => string,
): string {
  const text = body.text === null ? 'null' : JSON.stringify(body.text);
  const slot = body.slotMs === null ? 'null' : `"${iso(body.slotMs)}"`;
  const raw = body.raw === null ? 'null' : `"${body.raw}"`;
  const deviceTime = body.deviceTimeMs === null ? 'null' : `"${iso(body.deviceTimeMs)}"`;
  return (
    `{"id":${id}${parts.toValue}${numberJson(body.value)},"text":${text}${parts.toQuality}${body.quality}` +
    `","status":"${body.status}","exceptionCode":${body.exceptionCode},"time":"${time}","timeSource":"${body.timeSource}` +
    `","clock":"${clock}","slot":${slot}${parts.toMap}${raw},"deviceTime":${deviceTime},"repeat":${repeat}}`
  );
}

/** A driver that let NaN or an infinity through must not make a line that no consumer can parse. */
function numberJson(value: number | null): string {
  if (value === null) return 'null';
  if (!Number.isFinite(value)) throw new RangeError(`value ${value} cannot be written as JSON`);
  return `${value}`;
}

function noteRecord(note: KeptNote, iso: (ms: number) => string): OutRecord {
  const record = { key: note.key, timestampMs: note.timeMs };
  if (note.json === null) return { ...record, value: null };
  const body = JSON.parse(note.json) as Record<string, unknown>;
  const id = `${String(body['gateway'])}/${note.epoch}/${note.seq}`;
  const time = iso(note.timeMs);
  // true stands for the time of the record itself, which may be corrected after the note was written.
  const removed = body['removedAt'] === true ? { removedAt: time } : {};
  return { ...record, value: JSON.stringify({ id, ...body, time, clock: note.clock, ...removed }) };
}

/**
 * ISO times with ms. Readings of one poll share the instant and neighbours mostly the second, so both texts are kept. Throws RangeError beyond
 * what a Date can hold.
 */
function isoTimes(): (ms: number) => string {
  let second = Number.NaN;
  let secondText = '';
  let instantMs = Number.NaN;
  let instantText = '';
  return (ms) => {
    if (ms === instantMs) return instantText;
    const whole = Math.floor(ms / 1000);
    if (whole !== second) {
      secondText = new Date(whole * 1000).toISOString().slice(0, -4);
      second = whole;
    }
    instantMs = ms;
    instantText = [secondText, String(Math.floor(ms - whole * 1000)).padStart(3, '0'), 'Z'].join('');
    return instantText;
  };
}
