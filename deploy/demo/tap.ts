import { GrowingFile } from './growing-file.ts';

/** Per stream the names (`epoch/seq`) of all that was accepted. */
export type Accepted = ReadonlyMap<string, ReadonlySet<string>>;

/** `<epoch> <stream> <first>-<last>[,<first>-<last>…]`, one number standing for a range of one. Throws on any other line. */
export function parseTapLine(line: string): { stream: string; names: string[] } {
  const [epoch = '', stream = '', ranges = '', ...more] = line.split(' ');
  if (epoch === '' || stream === '' || more.length > 0) throw new Error(`not a line of a tap: ${line}`);
  const names: string[] = [];
  for (const range of ranges.split(',')) {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    if (first === undefined) throw new Error(`not a line of a tap: ${line}`);
    for (let seq = Number(first); seq <= Number(last ?? first); seq++) names.push(`${epoch}/${seq}`);
  }
  return { stream, names };
}

/** What the gateway writes down whenever a commit has returned, as it grows. */
export class Tap {
  readonly accepted = new Map<string, Set<string>>();
  readonly #file: GrowingFile;

  constructor(file: string) {
    this.#file = new GrowingFile(file);
  }

  readOn(): void {
    for (const line of this.#file.lines()) {
      const { stream, names } = parseTapLine(line);
      const known = this.accepted.get(stream) ?? new Set();
      this.accepted.set(stream, known);
      for (const name of names) known.add(name);
    }
  }

  count(streams: readonly string[]): number {
    return streams.reduce((sum, stream) => sum + (this.accepted.get(stream)?.size ?? 0), 0);
  }
}
