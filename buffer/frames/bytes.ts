/** A growing run of bytes, written column by column. Integers up to ±2^52; every number is a safe integer. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(4096);
  #length = 0;

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  /** Unsigned, seven bits a byte, lowest first (LEB128). */
  unsigned(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest > 0x7f_ff_ff_ff) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.#bytes[this.#length++] = (rest & 127) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Signed, zigzag: 0 −1 1 −2 … become 0 1 2 3 … */
  signed(value: number): void {
    this.unsigned(value < 0 ? -value * 2 - 1 : value * 2);
  }

  double(value: number): void {
    this.#room(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(value: string): void {
    const bytes = Buffer.from(value, 'utf8');
    this.unsigned(bytes.length);
    this.raw(bytes);
  }

  /** A column of integers as runs of equal differences: a constant or evenly rising column costs a few bytes, whatever its length. */
  column(values: readonly number[]): void {
    let runs = 0;
    let previous = 0;
    let difference = Number.NaN;
    for (const value of values) {
      if (value - previous !== difference) runs += 1;
      difference = value - previous;
      previous = value;
    }
    const plain = runs * 2 > values.length;
    this.byte(plain ? 1 : 0);
    previous = 0;
    if (plain) {
      for (const value of values) {
        this.signed(value - previous);
        previous = value;
      }
      return;
    }
    for (let at = 0; at < values.length;) {
      difference = (values[at] ?? 0) - previous;
      let end = at;
      while (end < values.length && (values[end] ?? 0) - previous === difference) {
        previous = values[end] ?? 0;
        end += 1;
      }
      this.unsigned(end - at);
      this.signed(difference);
      at = end;
    }
  }

  /** A column in which some rows have no integer: which have one, then those. */
  sparse(values: readonly (number | null)[]): void {
    this.column(values.map((value) => (value === null ? 0 : 1)));
    this.column(values.filter((value) => value !== null));
  }

  /** A column of few different texts, null among them: the different ones once, then which stands where. */
  dictionary(values: readonly (string | null)[]): void {
    const places = new Map<string, number>();
    const column: number[] = [];
    for (const value of values) {
      if (value === null) {
        column.push(0);
        continue;
      }
      let place = places.get(value);
      if (place === undefined) {
        place = places.size + 1;
        places.set(value, place);
      }
      column.push(place);
    }
    this.unsigned(places.size);
    for (const value of places.keys()) this.text(value);
    this.column(column);
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Reads what ByteWriter wrote. Throws RangeError on bytes that no ByteWriter made; never reads past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new RangeError('the frame ends too early');
    return value;
  }

  unsigned(): number {
    let value = 0;
    let factor = 1;
    for (let length = 0; length < 8; length++) {
      const next = this.byte();
      value += (next & 127) * factor;
      if (next < 128) return value;
      factor *= 128;
    }
    throw new RangeError('an integer in the frame is too long');
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  double(): number {
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  raw(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('the frame ends too early');
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  text(): string {
    return this.raw(this.unsigned()).toString('utf8');
  }

  column(count: number): number[] {
    const plain = this.byte() === 1;
    const values: number[] = [];
    let previous = 0;
    while (values.length < count) {
      const run = plain ? 1 : this.unsigned();
      const difference = this.signed();
      if (run === 0 || run > count - values.length)
        throw new RangeError('a run in the frame is longer than its column');
      for (let step = 0; step < run; step++) {
        previous += difference;
        values.push(previous);
      }
    }
    return values;
  }

  sparse(count: number): (number | null)[] {
    const present = this.column(count);
    const values = this.column(present.reduce((sum, one) => sum + one, 0));
    let next = 0;
    return present.map((one) => (one === 1 ? (values[next++] ?? null) : null));
  }

  dictionary(count: number): (string | null)[] {
    const texts: (string | null)[] = [null];
    for (let left = this.unsigned(); left > 0; left--) texts.push(this.text());
    return this.column(count).map((place) => {
      const text = texts[place];
      if (text === undefined) throw new RangeError('a text in the frame is not in its dictionary');
      return text;
    });
  }
}
