import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Output } from './command.ts';

/** Lines below each other: a column is as wide as its widest cell. `right`: columns of numbers. The head is left out when it is empty. */
export function tableText(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const all = head.length === 0 ? rows : [head, ...rows];
  const width = (at: number): number => Math.max(...all.map((row) => row[at]?.length ?? 0));
  const widths = (all[0] ?? []).map((_, at) => width(at));
  return all.map((row) => `${lineText(row, widths, right)}\n`).join('');
}

/** One line of a table whose widths are stated beforehand, because it is printed before all is known. A cell that is too long moves only its own line. */
export function lineText(cells: readonly string[], widths: readonly number[], right: readonly number[] = []): string {
  return cells
    .map((cell, at) => (right.includes(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
    .join('  ')
    .trimEnd();
}

/** `1 segment`, `3 segments`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** `12.4 MB` */
export function bytesText(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const number = bytes / 1000 ** power;
  return `${power === 0 || Number.isInteger(number) ? number : number.toFixed(1)} ${units[power] ?? ''}`;
}

/** ISO 8601 in UTC; a number beyond what a date can be stays that number. */
export function isoText(unixMs: number): string {
  const date = new Date(unixMs);
  return Number.isNaN(date.getTime()) ? String(unixMs) : date.toISOString();
}

/**
 * Prints a lot. Waits for a slow reader, so that what it has not taken yet does not pile up in memory, and lets signals through now and then:
 * reading files is synchronous. False when it should stop.
 */
export class LongPrint {
  readonly #out: Output;
  readonly #signal: AbortSignal;
  #sinceTurn = 0;

  constructor(out: Output, signal: AbortSignal) {
    this.#out = out;
    this.#signal = signal;
  }

  async line(text: string): Promise<boolean> {
    const isTaken = this.#out.write(`${text}\n`) !== false;
    if (!isTaken && 'once' in this.#out) {
      try {
        await once(this.#out as unknown as NodeJS.WritableStream, 'drain', { signal: this.#signal });
      } catch (error) {
        if (!this.#signal.aborted) throw error;
      }
    }
    return this.goesOn();
  }

  /** The same for work that prints nothing. */
  async goesOn(): Promise<boolean> {
    this.#sinceTurn += 1;
    return this.#sinceTurn < 1000 ? !this.#signal.aborted : this.breathe();
  }

  /** The same after a long piece of work. */
  async breathe(): Promise<boolean> {
    this.#sinceTurn = 0;
    await nextTurn();
    return !this.#signal.aborted;
  }
}
