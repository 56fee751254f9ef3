import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Stamp, Trust } from '../../agent/clock.ts';
import type {
  ClockMark,
  HeldDue,
  Kept,
  Note,
  PointInfo,
  Quality,
  Reading,
  Seq,
  Stream,
  TimeSource,
} from '../../agent/reading.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { heldDueOf, laterSlotMs, packLaterSlot } from './later-slot.ts';

/** An entry that has its number but no date yet: dating happens at the commit, by the frame's anchor. */
export interface Numbered {
  readonly seq: Seq;
  readonly entry: Reading | Note;
}

/** What a decoded frame needs from outside: who wrote it, and the descriptors of its segment. */
export interface FrameContext {
  readonly epoch: string;
  readonly stream: Stream;
  /** Throws RangeError for a number that the segment does not carry. */
  readonly describe: (id: number) => PointInfo;
  /** How readings are dated that were committed with a wrong clock: by that clock, unless this says otherwise. */
  readonly dates?: Dates;
}

/** A reading whose slot follows from its true time, which is not known yet. */
export interface Undated {
  readonly boot: string;
  readonly seq: Seq;
  readonly point: PointInfo;
  readonly due: HeldDue;
  /** When it was made, and what its slot follows from (`packLaterSlot`). */
  readonly bootMs: number;
  readonly packed: number;
}

export interface Dates {
  /** Told of each that is met. */
  readonly undated?: (one: Undated) => void;
  /** What to add to the boot time of a reading that was committed with a wrong clock; null: not known. */
  offsetOf(boot: string, seq: Seq): number | null;
}

const version = 1;
const plain = 0;
const zstd = 1;
/** Below this a zstd frame's own header eats what it saves. */
const leastCompressed = 200;
/** No honest frame comes near; a damaged length must not allocate the machine's memory. */
const mostBytes = 256 * 1024 * 1024;
const mostEntries = 1_000_000;

const trusts: readonly Trust[] = ['synced', 'unknown', 'unsynced'];
const qualities: readonly Quality[] = ['good', 'uncertain', 'bad'];
const timeSources: readonly TimeSource[] = ['gateway', 'device', 'server'];

/** When the entry was true: by its source's own time if that was found sane, else by the anchor's boot and wall time. */
function timeOf(anchor: Stamp, bootMs: number, timeMs: number | null): number {
  return timeMs ?? anchor.wallMs - (anchor.bootMs - bootMs);
}

interface ReadingDate {
  readonly timeMs: number;
  readonly clock: ClockMark;
  readonly slotMs: number | null;
}

/**
 * A time that another clock gave stays; what the gateway's own clock said holds only if it was not known to be wrong. `slotMs` below 0: a slot that
 * follows from the true time.
 */
function dateOf(
  anchor: Stamp,
  seq: Seq,
  reading: Pick<Reading, 'timeMs' | 'timeSource' | 'slotMs'> & { readonly bootMs: number },
  dates: Dates | undefined,
): ReadingDate {
  const { timeMs: stated, timeSource, slotMs, bootMs } = reading;
  const isLater = slotMs !== null && slotMs < 0;
  if (anchor.trust !== 'unsynced') {
    const ownMs = timeOf(anchor, bootMs, null);
    const timeMs = timeOf(anchor, bootMs, stated);
    return { timeMs, clock: anchor.trust, slotMs: isLater ? laterSlotMs(slotMs, ownMs) : slotMs };
  }
  const other = timeSource === 'gateway' ? null : stated;
  const offsetMs = dates?.offsetOf(anchor.boot, seq) ?? null;
  if (offsetMs === null)
    return { timeMs: timeOf(anchor, bootMs, other), clock: 'unsynced', slotMs: isLater ? null : slotMs };
  const trueMs = bootMs + offsetMs;
  return { timeMs: other ?? trueMs, clock: 'corrected', slotMs: isLater ? laterSlotMs(slotMs, trueMs) : slotMs };
}

/**
 * As it is committed: asked or read while the clock was known to be wrong, and committed when it is right, a reading keeps nothing of the wrong one. A slot is
 * worked out anew.
 */
export function corrected(anchor: Stamp, numbered: Numbered): Numbered {
  const { seq, entry } = numbered;
  if (!isReading(entry) || anchor.trust === 'unsynced') return numbered;
  const wasRight = entry.at.trust !== 'unsynced';
  if (wasRight && entry.laterSlot === undefined) return numbered;
  const packed = packedSlot(entry);
  const isLater = packed !== null && packed < 0;
  const slotMs = isLater ? laterSlotMs(packed, timeOf(anchor, entry.at.bootMs, null)) : packed;
  const timeMs = entry.timeSource === 'gateway' && !wasRight ? null : entry.timeMs;
  return { seq, entry: { ...entry, slotMs, timeMs } };
}

/** The slot, or what it will follow from. */
function packedSlot({ slotMs, laterSlot }: Reading): number | null {
  return laterSlot === undefined ? slotMs : packLaterSlot(laterSlot);
}

export function isReading(entry: Reading | Note): entry is Reading {
  return 'point' in entry;
}

/** The entry as `decodeFrame` will give it back with the same `dates`. */
export function keep(anchor: Stamp, numbered: Numbered, epoch: string, stream: Stream, dates?: Dates): Kept {
  const { seq, entry } = numbered;
  if (!isReading(entry)) {
    const { key, json } = entry;
    const timeMs = timeOf(anchor, entry.at.bootMs, null);
    return { form: 'note', epoch, seq, stream, timeMs, clock: anchor.trust, repeat: false, key, json };
  }
  return {
    form: 'reading',
    epoch,
    seq,
    stream,
    ...dateOf(anchor, seq, { ...entry, slotMs: packedSlot(entry), bootMs: entry.at.bootMs }, dates),
    repeat: entry.repeat,
    point: entry.point,
    value: entry.value,
    text: entry.text,
    quality: entry.quality,
    status: entry.status,
    exceptionCode: entry.exceptionCode,
    timeSource: entry.timeSource,
    deviceTimeMs: entry.deviceTimeMs,
    raw: entry.raw,
  };
}

/**
 * The entries of one lane and one commit as bytes: columns of differences behind the frame's own clock anchor, then zstd.
 * All entries are of one form (a lane holds readings or notes). `idOf` numbers descriptors within the epoch.
 */
export function encodeFrame(anchor: Stamp, entries: readonly Numbered[], idOf: (point: PointInfo) => number): Buffer {
  const writer = new ByteWriter();
  writer.text(anchor.boot);
  writer.unsigned(anchor.bootMs);
  writer.signed(anchor.wallMs);
  writer.byte(trusts.indexOf(anchor.trust));
  writer.unsigned(entries.length);
  writer.column(entries.map((one) => one.seq));
  writer.column(entries.map((one) => anchor.bootMs - one.entry.at.bootMs));
  const readings = entries.map((one) => one.entry).filter(isReading);
  writer.byte(readings.length === 0 ? 0 : 1);
  if (readings.length === 0) {
    const notes = entries.map((one) => one.entry).filter((entry): entry is Note => !isReading(entry));
    writer.dictionary(notes.map((note) => note.key));
    writer.dictionary(notes.map((note) => note.json));
  } else {
    writer.column(readings.map((reading) => idOf(reading.point)));
    writeValues(writer, readings);
    writer.column(readings.map((reading) => qualities.indexOf(reading.quality)));
    writer.dictionary(readings.map((reading) => reading.status));
    writer.sparse(readings.map((reading) => reading.exceptionCode));
    writer.column(readings.map((reading) => timeSources.indexOf(reading.timeSource)));
    writer.sparse(readings.map((reading) => reading.timeMs));
    writer.sparse(readings.map(packedSlot));
    writer.sparse(readings.map((reading) => reading.deviceTimeMs));
    writer.column(readings.map((reading) => (reading.repeat ? 1 : 0)));
    writer.dictionary(readings.map((reading) => reading.text));
    writeRaw(writer, readings);
  }
  return pack(writer.done());
}

/** When the frame was committed, by the clock of then. Throws as `decodeFrame`. */
export function anchorOf(bytes: Uint8Array): Stamp {
  return readAnchor(new ByteReader(unpack(bytes)));
}

/** The numbers of a frame's entries. Throws as `decodeFrame`. */
export function seqsOf(bytes: Uint8Array): Seq[] {
  const reader = new ByteReader(unpack(bytes));
  readAnchor(reader);
  return reader.column(countOf(reader));
}

function countOf(reader: ByteReader): number {
  const count = reader.unsigned();
  if (count > mostEntries) throw new RangeError(`a frame of ${count} entries`);
  return count;
}

function readAnchor(reader: ByteReader): Stamp {
  const boot = reader.text();
  const bootMs = reader.unsigned();
  const wallMs = reader.signed();
  return { boot, bootMs, wallMs, trust: pick(trusts, reader.byte()) };
}

/** Throws RangeError (or zlib's error) on bytes that are no frame. */
export function decodeFrame(bytes: Uint8Array, context: FrameContext): Kept[] {
  const reader = new ByteReader(unpack(bytes));
  const anchor = readAnchor(reader);
  const { bootMs, trust } = anchor;
  const count = countOf(reader);
  const { epoch, stream } = context;
  const seqs = reader.column(count);
  const ages = reader.column(count);
  const isOfReadings = reader.byte() === 1;
  if (!isOfReadings) {
    const keys = reader.dictionary(count);
    const bodies = reader.dictionary(count);
    return keys.map((key, row) => {
      const json = bodies[row] ?? null;
      const timeMs = timeOf(anchor, bootMs - (ages[row] ?? 0), null);
      return {
        form: 'note',
        epoch,
        seq: seqs[row] ?? 0,
        stream,
        timeMs,
        clock: trust,
        repeat: false,
        key: key ?? '',
        json,
      };
    });
  }
  const points = reader.column(count).map((id) => context.describe(id));
  const values = readValues(reader, count);
  const quality = reader.column(count);
  const statuses = reader.dictionary(count);
  const exceptionCodes = reader.sparse(count);
  const sources = reader.column(count);
  const times = reader.sparse(count);
  const slots = reader.sparse(count);
  const deviceTimes = reader.sparse(count);
  const repeats = reader.column(count);
  const texts = reader.dictionary(count);
  const raws = readRaw(reader, count);
  return points.map((point, row) => {
    const seq = seqs[row] ?? 0;
    const timeSource = pick(timeSources, sources[row] ?? -1);
    const seen = {
      timeMs: times[row] ?? null,
      timeSource,
      slotMs: slots[row] ?? null,
      bootMs: bootMs - (ages[row] ?? 0),
    };
    const date = dateOf(anchor, seq, seen, context.dates);
    if (date.clock === 'unsynced' && seen.slotMs !== null && seen.slotMs < 0)
      context.dates?.undated?.({
        boot: anchor.boot,
        seq,
        point,
        due: heldDueOf(seen.slotMs, seen.bootMs),
        bootMs: seen.bootMs,
        packed: seen.slotMs,
      });
    return {
      form: 'reading',
      epoch,
      seq,
      stream,
      ...date,
      repeat: repeats[row] === 1,
      point,
      value: values[row] ?? null,
      text: texts[row] ?? null,
      quality: pick(qualities, quality[row] ?? -1),
      status: statuses[row] ?? '',
      exceptionCode: exceptionCodes[row] ?? null,
      timeSource,
      deviceTimeMs: deviceTimes[row] ?? null,
      raw: raws[row] ?? null,
    };
  });
}

function pack(payload: Buffer): Buffer {
  const packed = payload.length < leastCompressed ? payload : zstdCompressSync(payload);
  const isSmaller = packed.length < payload.length;
  return Buffer.concat([Buffer.from([version, isSmaller ? zstd : plain]), isSmaller ? packed : payload]);
}

function unpack(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== version) throw new RangeError(`frame version ${String(bytes[0])} is not known`);
  const body = bytes.subarray(2);
  if (bytes[1] === plain) return body;
  if (bytes[1] === zstd) return zstdDecompressSync(body, { maxOutputLength: mostBytes });
  throw new RangeError(`frame packing ${String(bytes[1])} is not known`);
}

/** Tags of the value column: none, a decimal with 0…9 digits after the point (tag − 1), or the eight bytes of a double. */
const noValue = 0;
const mostDigits = 9;
const doubleValue = 15;
const powers = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9] as const;

/** The fewest digits with which `whole / 10^digits` gives the very same double back: the division of exact integers rounds once, like parsing. */
function decimalOf(value: number): { whole: number; digits: number } | null {
  for (let digits = 0; digits <= mostDigits; digits++) {
    const power = powers[digits] ?? 1;
    const whole = Math.round(value * power);
    if (Math.abs(whole) > 2 ** 50) return null;
    if (whole / power === value) return { whole, digits };
  }
  return null;
}

function writeValues(writer: ByteWriter, readings: readonly Reading[]): void {
  const decimals = readings.map((reading) => (reading.value === null ? null : decimalOf(reading.value)));
  writer.column(
    readings.map((reading, row) => {
      if (reading.value === null) return noValue;
      const decimal = decimals[row];
      return decimal ? decimal.digits + 1 : doubleValue;
    }),
  );
  for (const [row, reading] of readings.entries()) {
    const decimal = decimals[row];
    if (decimal) writer.signed(decimal.whole);
    else if (reading.value !== null) writer.double(reading.value);
  }
}

function readValues(reader: ByteReader, count: number): (number | null)[] {
  return reader.column(count).map((tag) => {
    if (tag === noValue) return null;
    if (tag === doubleValue) return reader.double();
    const power = powers[tag - 1];
    if (power === undefined) throw new RangeError(`value tag ${tag} is not known`);
    return reader.signed() / power;
  });
}

/** Raw words are written as bytes: their number first, in a column of its own. */
function writeRaw(writer: ByteWriter, readings: readonly Reading[]): void {
  writer.column(readings.map((reading) => (reading.raw === null ? 0 : (reading.raw.length + 1) / 5)));
  for (const reading of readings)
    if (reading.raw !== null) writer.raw(Buffer.from(reading.raw.replaceAll(' ', ''), 'hex'));
}

function readRaw(reader: ByteReader, count: number): (string | null)[] {
  return reader.column(count).map((words) => {
    if (words === 0) return null;
    const hex = reader.raw(words * 2).toString('hex');
    return hex.replace(/(.{4})(?!$)/g, '$1 ');
  });
}

function pick<T>(known: readonly T[], place: number): T {
  const one = known[place];
  if (one === undefined) throw new RangeError(`code ${place} in the frame is not known`);
  return one;
}
