import * as v from 'valibot';
import { allowed } from './grammar.ts';
import { keyHabits, wordHabits } from './habits.ts';
import { likely } from './likely.ts';
import { allNearest } from './nearest.ts';
import { leaves, type Schema } from './schema-parts.ts';

/** What was probably meant by a value that `schema` refuses, as the end of a sentence; '' when nobody can know. `inList`: others may stand beside it. */
export function valueHint(schema: Schema, value: unknown, inList = false): string {
  if (typeof value === 'string' || typeof value === 'number') {
    const words = leaves(schema).flatMap((leaf) => (leaf.type === 'picklist' ? (leaf.options ?? []) : []));
    const meant = meantWord(
      String(value),
      words.filter((word) => typeof word === 'string'),
    );
    if (meant.length > 0) return `; did you mean ${named(meant)}?`;
  }
  const meant = likely(value, (guess) => v.safeParse(schema, guess).success, inList);
  return meant === undefined ? '' : `; ${meant}`;
}

function meantWord(value: string, words: readonly string[]): readonly string[] {
  const habits = wordHabits(value).filter((word) => words.includes(word));
  return habits.length > 0 ? habits : allNearest(value, words);
}

/** What an unknown key is told: how it is called here, or where it belongs. */
export interface KeyHint {
  readonly text: string;
  /** The key of this place that was probably meant. */
  readonly meant: string | undefined;
}

/** `known`: the keys of this place. `elsewhere`: the places of the file that know a key. */
export function keyHint(
  word: string,
  known: readonly string[],
  elsewhere: (key: string) => readonly string[],
): KeyHint {
  const habits = keyHabits(word);
  const close = allNearest(word, known);
  const meant = habits.filter((key) => known.includes(key));
  const likeliest = close.length > 0 ? close : meant.slice(0, 1);
  if (likeliest.length > 0) return { text: `; did you mean ${named(likeliest)}?`, meant: likeliest[0] };
  if (elsewhere(word).length > 0) return { text: `; it belongs to ${places(elsewhere(word))}`, meant: undefined };
  const far = habits.find((key) => elsewhere(key).length > 0);
  if (far !== undefined)
    return { text: `; did you mean \`${far}\`? It belongs to ${places(elsewhere(far))}`, meant: undefined };
  return { text: `; ${allowed(known.join(', '))}`, meant: undefined };
}

const named = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(' or ');

function places(all: readonly string[]): string {
  const shown = all.slice(0, 4);
  return [shown.slice(0, -1).join(', '), ...shown.slice(-1)].filter((each) => each !== '').join(' or ');
}
