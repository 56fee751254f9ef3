/** One JSON value a line, from a peer that is not trusted: what is longer than allowed, or no JSON, ends it. */
export class JsonLines {
  readonly #mostBytes: number;
  #received: Buffer = Buffer.alloc(0);

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** The values that are whole now. Throws RangeError. */
  take(bytes: Buffer): unknown[] {
    const all = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const end = all.lastIndexOf(0x0a) + 1;
    this.#received = all.subarray(end);
    const lines = all.subarray(0, end).toString().split('\n').slice(0, -1);
    if (this.#received.length > this.#mostBytes || lines.some((line) => line.length > this.#mostBytes))
      throw new RangeError('a line is too long');
    return lines.map((line): unknown => {
      try {
        return JSON.parse(line);
      } catch {
        throw new RangeError('this is no JSON');
      }
    });
  }
}
