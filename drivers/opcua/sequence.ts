/** Sequence numbers of a subscription's messages count from 1 and begin again after this (OPC UA Part 4, 7.9). */
const last = 2 ** 32 - 1;
/** No server keeps more to send once more. */
const most = 1_000;

export const numberAfter = (sequenceNumber: number): number => (sequenceNumber >= last ? 1 : sequenceNumber + 1);

/**
 * What of the messages is missing when this one arrives: their numbers, `'all'` when they are too many to ask for. null: it was taken up
 * already. `expected` null: it is the first.
 */
export function missingBefore(arrived: number, expected: number | null): readonly number[] | 'all' | null {
  if (expected === null || arrived === expected) return [];
  const ahead = (arrived - expected + last) % last;
  if (ahead > last / 2) return null;
  if (ahead > most) return 'all';
  const missing = [expected];
  while (missing.length < ahead) missing.push(numberAfter(missing.at(-1) ?? 0));
  return missing;
}
