import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Kept, Note, Reading } from '../agent/reading.ts';

/** Per counter the newest slot that has a record: a restart must not answer it twice. */
export class NewestSlots {
  readonly #slots = new Map<string, number>();

  note(device: string, point: string, slotMs: number): void {
    const name = nameOf(device, point);
    if (slotMs > (this.#slots.get(name) ?? -Infinity)) this.#slots.set(name, slotMs);
  }

  noteAll(entries: readonly (Kept | Reading | Note)[]): void {
    for (const entry of entries)
      if ('point' in entry && entry.slotMs !== null && entry.point.kind === 'counter')
        this.note(entry.point.device, entry.point.point, entry.slotMs);
  }

  get(device: string, point: string): number | undefined {
    return this.#slots.get(nameOf(device, point));
  }

  pack(): Uint8Array {
    return zstdCompressSync(JSON.stringify([...this.#slots]));
  }

  /** Takes over what `pack` gave. Bytes that are none are left alone: then the frames alone tell. */
  unpack(bytes: Uint8Array): void {
    try {
      for (const [name, slotMs] of JSON.parse(zstdDecompressSync(bytes).toString()) as [string, number][]) {
        const [device = '', point = ''] = name.split('\n');
        this.note(device, point, slotMs);
      }
    } catch {
      // Guarded by a CRC on disk; a packing of another version is no reason not to start.
    }
  }
}

/** Ids hold no line breaks. */
function nameOf(device: string, point: string): string {
  return `${device}\n${point}`;
}
