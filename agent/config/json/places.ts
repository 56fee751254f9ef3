/** Line and column, both from 1; a column is a character, not a byte or half a surrogate pair. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Where an offset of a text stands for a person. */
export interface Places {
  at(offset: number): Place;
}

/** Counts the text once, when first asked. A line ends as editors end it: CR LF, LF or CR. */
export function placesOf(text: string): Places {
  let counted: { readonly lines: readonly number[]; readonly pairs: readonly number[] } | undefined;
  return {
    at(offset) {
      counted ??= {
        lines: [0, ...endsOf(text, /\r\n|\r|\n/g)],
        pairs: endsOf(text, /[\uD800-\uDBFF][\uDC00-\uDFFF]/g),
      };
      const line = countUpTo(counted.lines, offset);
      const start = counted.lines[line - 1] ?? 0;
      const pairs = countUpTo(counted.pairs, offset) - countUpTo(counted.pairs, start);
      return { line, column: 1 + offset - start - pairs };
    },
  };
}

function endsOf(text: string, pattern: RegExp): number[] {
  return [...text.matchAll(pattern)].map((match) => match.index + match[0].length);
}

/** How many of the ascending numbers are at most `limit`. */
export function countUpTo(ascending: readonly number[], limit: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
