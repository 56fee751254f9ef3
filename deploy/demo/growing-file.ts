import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A text file that another process appends to. */
export class GrowingFile {
  readonly #file: string;
  #position = 0;
  #torn: Buffer = Buffer.alloc(0);

  constructor(file: string) {
    this.#file = file;
  }

  /** The whole lines written since the last call. */
  lines(): string[] {
    const bytes = Buffer.concat([this.#torn, this.#rest()]);
    const end = bytes.lastIndexOf('\n') + 1;
    this.#torn = bytes.subarray(end);
    return bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  }

  #rest(): Buffer {
    let handle: number;
    try {
      handle = openSync(this.#file, 'r');
    } catch {
      return Buffer.alloc(0); // not there yet
    }
    try {
      const buffer = Buffer.alloc(Math.max(0, fstatSync(handle).size - this.#position));
      const length = readSync(handle, buffer, 0, buffer.length, this.#position);
      this.#position += length;
      return buffer.subarray(0, length);
    } finally {
      closeSync(handle);
    }
  }
}
