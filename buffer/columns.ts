/**
 * For a SELECT. Each is named twice: where a flipped bit made another name of a column, SQLite fails instead of giving rows that lack it, as with `*`; and where it made a capital of a
 * letter, which is the same name to SQLite, the rows have ours.
 */
export function columns(...names: readonly string[]): string {
  return names.map((name) => `${name} AS ${name}`).join(', ');
}
