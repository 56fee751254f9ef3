/** Something that is not JSON, at its place in the text. The text itself is never repeated: a broken line may hold a password. */
export interface Fault {
  readonly offset: number;
  readonly message: string;
  /** The value that stands here was told about; nothing more is to be said of it. */
  readonly isTold?: boolean;
}

/** The same slip all over a file (pasted from a word processor) is told once, at its first place, with the lines of the others. */
export function gathered(faults: readonly Fault[], lineOf: (offset: number) => number): Fault[] {
  const alike = Map.groupBy(
    faults.toSorted((a, b) => a.offset - b.offset),
    ({ message }) => message,
  );
  return [...alike.values()]
    .flatMap((group) => {
      const [first, ...more] = group;
      if (first === undefined) return [];
      const lines = [...new Set(more.map(({ offset }) => lineOf(offset)))];
      const others = lines.filter((line) => line !== lineOf(first.offset));
      const rest = others.length > 5 ? ` and ${others.length - 5} more` : '';
      const places = [
        others.length < lines.length ? ['later on this line'] : [],
        others.length > 0
          ? [`on ${others.length === 1 ? 'line' : 'lines'} ${others.slice(0, 5).join(', ')}${rest}`]
          : [],
      ].flat();
      const also = places.length === 0 ? '' : `; also ${places.join(' and ')}`;
      return [{ ...first, message: `${first.message}${also}` }];
    })
    .toSorted((a, b) => a.offset - b.offset);
}
