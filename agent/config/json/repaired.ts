import { countUpTo } from './places.ts';
import type { Edit } from './slips.ts';

/** A text after edits, and where its characters stood before. */
export interface Repaired {
  readonly text: string;
  readonly original: (offset: number) => number;
}

/** `edits` do not overlap. */
export function repaired(text: string, edits: readonly Edit[]): Repaired {
  const ordered = edits.toSorted((a, b) => a.offset - b.offset);
  const pieces: string[] = [];
  const starts: number[] = [];
  let [from, length] = [0, 0];
  for (const edit of ordered) {
    pieces.push(text.slice(from, edit.offset), edit.text);
    length += edit.offset - from;
    starts.push(length);
    length += edit.text.length;
    from = edit.offset + edit.length;
  }
  pieces.push(text.slice(from));
  return {
    text: pieces.join(''),
    original(offset) {
      const index = countUpTo(starts, offset) - 1;
      const edit = ordered[index];
      if (edit === undefined) return offset;
      const beyond = offset - (starts[index] ?? 0) - edit.text.length;
      return beyond < 0 ? edit.offset : edit.offset + edit.length + beyond;
    },
  };
}
