/** The likeliest of `words` for a mistyped `word`; undefined when none is close. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  return allNearest(word, words)[0];
}

const mostLookedAt = 500;

/** All that are equally likely; of very many words among the first ones. */
export function allNearest(word: string, words: Iterable<string>): readonly string[] {
  const wanted = fold(word);
  let best: { words: string[]; distance: number } = { words: [], distance: Infinity };
  let looked = 0;
  for (const candidate of words) {
    if (++looked > mostLookedAt) break;
    const shorter = Math.min(wanted.length, candidate.length);
    // Of two letters, one that differs says nothing.
    const limit = shorter < 3 ? 0 : Math.max(1, Math.floor(shorter / 3));
    if (Math.abs(wanted.length - candidate.length) > limit + 4) continue;
    const distance = editDistance(wanted, fold(candidate));
    if (distance > limit || distance > best.distance) continue;
    if (distance < best.distance) best = { words: [], distance };
    best.words.push(candidate);
  }
  return best.words;
}

/** `unit_id`, `unit-id` and `UnitId` are one word to a tired reader. */
const fold = (word: string): string =>
  word
    .slice(0, 64)
    .toLowerCase()
    .replaceAll(/[-_.\s]/g, '');

/** Insertions, deletions, changes and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (line[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, (before[column - 2] ?? 0) + 1);
      line.push(cost);
    }
    before = last;
    last = line;
  }
  return last[b.length] ?? 0;
}
