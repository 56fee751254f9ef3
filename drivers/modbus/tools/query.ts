import { UsageError } from '../../../agent/errors.ts';

/** Keys and values behind `?`; those that nobody knows are refused. */
export class Query {
  readonly #values: ReadonlyMap<string, string>;

  constructor(params: URLSearchParams, keys: readonly string[]) {
    for (const key of params.keys()) {
      if (!keys.includes(key))
        throw new UsageError(`${JSON.stringify(key)} is no key here; allowed: ${keys.join(', ')}`);
      if (params.getAll(key).length > 1) throw new UsageError(`${key} stands twice; once is allowed`);
    }
    this.#values = new Map(params);
  }

  text(key: string): string | undefined {
    return this.#values.get(key);
  }

  /** A whole number, also in hex (`0x0BD3`). */
  integer(key: string, from: number, to: number): number | undefined {
    const stated = this.text(key);
    if (stated === undefined) return undefined;
    const number = /^(?:\d{1,6}|0x[0-9A-Fa-f]{1,5})$/.test(stated) ? Number(stated) : Number.NaN;
    if (number >= from && number <= to) return number;
    throw new UsageError(`${key} is ${JSON.stringify(stated)}; allowed: ${from}…${to}`);
  }

  oneOf<Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const stated = this.text(key);
    if (stated === undefined) return undefined;
    const word = words.find((each) => each === stated);
    if (word !== undefined) return word;
    throw new UsageError(`${key} is ${JSON.stringify(stated)}; allowed: ${words.join(', ')}`);
  }
}
