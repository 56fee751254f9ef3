import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Kept, KeptReading, Note, Reading } from '../agent/reading.ts';
import type { LastTotal } from './buffer.ts';

/** Per counter the newest slot that has a record, which a restart must not answer twice, and the last good total, which what comes is held against. */
export class NewestSlots {
  readonly #slots = new Map<string, number>();
  readonly #totals = new Map<string, LastTotal>();

  noteAll(entries: readonly (Kept | Reading | Note)[]): void {
    for (const entry of entries) {
      if (!('point' in entry) || entry.slotMs === null || entry.point.kind !== 'counter') continue;
      const name = nameOf(entry.point.device, entry.point.point);
      this.#noteSlot(name, entry.slotMs);
      if (entry.quality === 'good' && entry.value !== null) this.#totals.set(name, totalOf(entry, entry.value));
    }
  }

  get(device: string, point: string): number | undefined {
    return this.#slots.get(nameOf(device, point));
  }

  lastTotal(device: string, point: string): LastTotal | undefined {
    return this.#totals.get(nameOf(device, point));
  }

  keepTotalsOf(devices: ReadonlySet<string>): void {
    for (const name of this.#totals.keys()) if (!devices.has(name.split('\n')[0] ?? '')) this.#totals.delete(name);
  }

  pack(): Uint8Array {
    const packed = [...this.#slots].map(([name, slotMs]) => {
      const total = this.#totals.get(name);
      return total === undefined ? [name, slotMs] : [name, slotMs, total];
    });
    return zstdCompressSync(JSON.stringify(packed));
  }

  /** Takes over what `pack` gave. Bytes that are none are left alone: then the frames alone tell. */
  unpack(bytes: Uint8Array): void {
    try {
      for (const [name, slotMs, total] of JSON.parse(zstdDecompressSync(bytes).toString()) as Packed[]) {
        this.#noteSlot(name, slotMs);
        if (total !== undefined) this.#totals.set(name, total);
      }
    } catch {
      // Guarded by a CRC on disk; a packing of another version is no reason not to start.
    }
  }

  #noteSlot(name: string, slotMs: number): void {
    if (slotMs > (this.#slots.get(name) ?? -Infinity)) this.#slots.set(name, slotMs);
  }
}

type Packed = [name: string, slotMs: number, total?: LastTotal];

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

/** Ids hold no line breaks. */
function nameOf(device: string, point: string): string {
  return `${device}\n${point}`;
}
