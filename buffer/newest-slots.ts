import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Kept, KeptReading, Note, Reading, Seq } from '../agent/reading.ts';
import type { LastTotal } from './buffer.ts';
import type { TrustedInstant } from './dating/dating.ts';
import type { Dates, Numbered, Undated } from './frames/frame.ts';
import { laterSlotMs, packLaterSlot } from './frames/later-slot.ts';
import type { Wear } from './wear.ts';

/**
 * Per counter the newest slot that has a record, which a restart must not answer twice, and the last good total, which what comes is held against;
 * per device the serial number that it said of itself last.
 */
export class NewestSlots {
  readonly #slots = new Map<string, number>();
  readonly #totals = new Map<string, LastTotal>();
  readonly #serials = new Map<string, string>();
  /** Per counter the newest reading of a wrong clock, whose slot is known with its date. */
  readonly #undated = new Map<string, Omit<Undated, 'due'>>();

  /** The newest instant at which the wall clock was right. */
  #trusted: TrustedInstant | null = null;

  get trusted(): TrustedInstant | null {
    return this.#trusted;
  }

  noteTrusted({ boot, bootMs, wallMs }: TrustedInstant): void {
    this.#trusted = { boot, bootMs, wallMs };
  }

  noteAll(entries: readonly (Kept | Reading | Note)[]): void {
    for (const entry of entries) {
      if (!('point' in entry)) continue;
      if ('clock' in entry && entry.clock === 'synced' && entry.timeSource === 'gateway')
        if (entry.timeMs > (this.#trusted?.wallMs ?? 0)) this.#trusted = { boot: '', bootMs: 0, wallMs: entry.timeMs };
      const isPolled = entry.slotMs !== null || 'laterSlot' in entry;
      if (!isPolled || entry.point.kind !== 'counter') continue;
      const name = nameOf(entry.point.device, entry.point.point);
      if (entry.slotMs !== null) this.#noteSlot(name, entry.slotMs);
      if (entry.quality === 'good' && entry.value !== null) this.#totals.set(name, totalOf(entry, entry.value));
    }
  }

  noteUndated(one: Omit<Undated, 'due'>): void {
    const { device, point, kind } = one.point;
    if (kind === 'counter') this.#undated.set(nameOf(device, point), one);
  }

  /** Readings appended up to `seq`; their slots follow with `date`. */
  noteLater(entries: readonly (Reading | Note)[], seq: Seq): void {
    for (const entry of entries) {
      const packed = 'point' in entry && entry.laterSlot !== undefined ? packLaterSlot(entry.laterSlot) : null;
      if (packed === null || !('point' in entry)) continue;
      const { boot, bootMs } = entry.at;
      this.noteUndated({ boot, seq, point: entry.point, bootMs, packed });
    }
  }

  /** As they are committed: asked with a wrong clock, and known by now which slots they answer. */
  noteCorrected(entries: readonly Numbered[]): void {
    for (const { entry } of entries)
      if ('point' in entry && entry.laterSlot !== undefined && entry.slotMs !== null)
        this.#noteSlot(nameOf(entry.point.device, entry.point.point), entry.slotMs);
  }

  /** Takes over the slots of readings that have their date by now. True: there were some. */
  date(dates: Dates): boolean {
    let isAny = false;
    for (const [name, { boot, seq, bootMs, packed }] of this.#undated) {
      const offsetMs = dates.offsetOf(boot, seq);
      if (offsetMs === null) continue;
      this.#undated.delete(name);
      const slotMs = laterSlotMs(packed, bootMs + offsetMs);
      if (slotMs !== null) this.#noteSlot(name, slotMs);
      isAny = true;
    }
    return isAny;
  }

  get(device: string, point: string): number | undefined {
    return this.#slots.get(nameOf(device, point));
  }

  lastTotal(device: string, point: string): LastTotal | undefined {
    return this.#totals.get(nameOf(device, point));
  }

  serial(device: string): string | undefined {
    return this.#serials.get(device);
  }

  noteSerial(device: string, serial: string): void {
    this.#serials.set(device, serial);
  }

  /** Slots stay: whoever comes back in the same slot has answered it. */
  forgetOthers(devices: ReadonlySet<string>): void {
    for (const name of this.#totals.keys()) if (!devices.has(name.split('\n')[0] ?? '')) this.#totals.delete(name);
    for (const device of this.#serials.keys()) if (!devices.has(device)) this.#serials.delete(device);
  }

  /** `wear` rides along. */
  pack(wear: Wear | null): Uint8Array {
    const counters = [...this.#slots].map(([name, slotMs]): PackedCounter => {
      const total = this.#totals.get(name);
      return total === undefined ? [name, slotMs] : [name, slotMs, total];
    });
    const packed: Packed = {
      counters,
      serials: [...this.#serials],
      trusted: this.#trusted,
      ...(wear && { wear }),
    };
    return zstdCompressSync(JSON.stringify(packed));
  }

  /** Takes over what `pack` gave, and gives what rode along. Bytes that are none are left alone: then the frames alone tell. */
  unpack(bytes: Uint8Array): Wear | null {
    try {
      const { counters, serials, trusted, wear = null } = JSON.parse(zstdDecompressSync(bytes).toString()) as Packed;
      this.#trusted = trusted ?? null;
      for (const [device, serial] of serials) this.#serials.set(device, serial);
      for (const [name, slotMs, total] of counters) {
        this.#noteSlot(name, slotMs);
        if (total !== undefined) this.#totals.set(name, total);
      }
      return wear;
    } catch {
      // Guarded by a CRC on disk; a packing of another version is no reason not to start.
      return null;
    }
  }

  #noteSlot(name: string, slotMs: number): void {
    if (slotMs > (this.#slots.get(name) ?? -Infinity)) this.#slots.set(name, slotMs);
  }
}

/** What rode along with packed slots, without taking them over; null: nothing did. */
export function wearIn(packed: Uint8Array): Wear | null {
  return new NewestSlots().unpack(packed);
}

type PackedCounter = [name: string, slotMs: number, total?: LastTotal];
interface Packed {
  readonly counters: readonly PackedCounter[];
  readonly serials: readonly (readonly [device: string, serial: string])[];
  readonly trusted?: TrustedInstant | null;
  /** Missing in segments of before it was counted, and where no kernel counts. */
  readonly wear?: Wear;
}

function totalOf(entry: KeptReading | Reading, value: number): LastTotal {
  const { map, serial } = entry.point;
  // A device's own clock runs on another line than ours: how long it was between the two says nothing.
  const isOwnTime = entry.timeSource === 'gateway';
  return 'at' in entry
    ? {
        value,
        timeMs: entry.timeMs ?? entry.at.wallMs,
        isTimeTrusted: isOwnTime && entry.at.trust === 'synced',
        map,
        serial,
      }
    : {
        value,
        timeMs: entry.timeMs,
        isTimeTrusted: isOwnTime && (entry.clock === 'synced' || entry.clock === 'corrected'),
        map,
        serial,
      };
}

/** A counter's name in a map; ids hold no line breaks. */
export function nameOf(device: string, point: string): string {
  return `${device}\n${point}`;
}
