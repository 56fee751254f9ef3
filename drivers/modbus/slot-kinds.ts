/** Slots at which the same distances fall together, and how often there are such. */
export interface SlotKind {
  readonly due: ReadonlySet<number>;
  readonly perMs: number;
}

/**
 * All slots are counted from the full hour, so those of 10 s and 1 min fall together once a minute: then exactly {10 s, 1 min} are due once a minute, and
 * exactly {10 s} five times. Distances in ms.
 */
export function slotKinds(everyMs: readonly number[]): SlotKind[] {
  const distances = [...new Set(everyMs)];
  const together = new Map<number, Set<number>>();
  for (const each of distances)
    for (const periodMs of [1, ...together.keys()].map((other) => commonMultiple(other, each)))
      together.set(periodMs, new Set(distances.filter((other) => periodMs % other === 0)));
  const kinds: SlotKind[] = [];
  // How often exactly these are due: as often as they fall together, without the times at which more do.
  for (const [periodMs, due] of [...together].toSorted(([a], [b]) => b - a)) {
    const more = kinds.filter((kind) => [...due].every((each) => kind.due.has(each)));
    kinds.push({ due, perMs: more.reduce((perMs, kind) => perMs - kind.perMs, 1 / periodMs) });
  }
  return kinds;
}

function commonMultiple(a: number, b: number): number {
  let [large, small] = [a, b];
  while (small > 0) [large, small] = [small, large % small];
  return (a / large) * b;
}
