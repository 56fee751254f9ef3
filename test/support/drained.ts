import type { Kept, Reading, Stream } from '../../agent/reading.ts';
import type { Buffer } from '../../buffer/buffer.ts';
import { soon } from './buffer-folder.ts';
import { reading } from './readings.ts';

/** Readings whose values are `from` up to before `to`. */
export const values = (from: number, to: number): Reading[] =>
  Array.from({ length: to - from }, (_, at) => reading({ value: from + at }));

export const valueOf = (entry: Kept): number | null => (entry.form === 'reading' ? entry.value : null);

/** So many entries of a lane behind `from`, settled as they come. */
export async function drained(buffer: Buffer, stream: Stream, count: number, from = 0): Promise<Kept[]> {
  const entries: Kept[] = [];
  for (let after = from; entries.length < count;) {
    const batch = await buffer.next(stream, after, 2, soon());
    entries.push(...batch.entries);
    after = batch.last;
    buffer.settle(stream, batch.first, batch.last);
  }
  return entries;
}

/** What a lane gives first; nothing of it is settled. */
export async function given(buffer: Buffer, stream: Stream = 'meter-readings'): Promise<readonly Kept[]> {
  return (await buffer.next(stream, 0, 1_000, soon())).entries;
}
