import assert from 'node:assert/strict';
import type { Trust } from '../../agent/clock.ts';
import type { KeptReading, Stream } from '../../agent/reading.ts';
import type { Buffer, BufferOptions } from '../../buffer/buffer.ts';
import { type BufferFolder, soon } from './buffer-folder.ts';
import { FakeClock } from './fake-clock.ts';
import { reading } from './readings.ts';

/** When the first boot begins, in truth. */
export const began = Date.parse('2026-11-22T13:07:00Z');

/**
 * A machine without a clock chip, its buffer, and what is sent of it. `trueMs` runs here alone: what a reading's time must be is known from its value,
 * never from what was stored.
 */
export class Pi {
  trueMs = began;
  readonly truth: number[] = [];
  readonly sent: KeptReading[] = [];
  repeats = 0;
  clock = new FakeClock();
  buffer: Buffer | null = null;
  readonly #folder: BufferFolder;
  #path: string;
  #off = new AbortController();
  #boots = 0;

  constructor(folder: BufferFolder) {
    this.#folder = folder;
    this.#path = folder.path;
  }

  /** Power on: its clock shows `wall`. */
  async boots(wall: number, trust: Trust, some: Partial<BufferOptions> = {}): Promise<void> {
    this.#boots += 1;
    this.clock = new FakeClock(wall, 20_000);
    this.clock.boot = `boot-${this.#boots}`;
    this.clock.trust = trust;
    await this.starts(some);
  }

  /** The process alone. */
  async starts(some: Partial<BufferOptions> = {}): Promise<void> {
    this.#off = new AbortController();
    const buffer = await this.#folder.opened({ path: this.#path, clock: this.clock, ...some });
    this.buffer = buffer;
    for (const stream of ['meter-readings', 'sensor-values'] as const) void this.#forward(buffer, stream);
  }

  /** Kill, or the power goes: what is on disk stays, in the folder that this gives. */
  crashes(): string {
    this.#off.abort();
    this.#path = this.#folder.crashed(this.#path);
    return this.#path;
  }

  /** In order. */
  async stops(): Promise<void> {
    this.#off.abort();
    await this.buffer?.close(soon());
  }

  async passes(ms: number): Promise<void> {
    this.trueMs += ms;
    await this.clock.advance(ms);
  }

  /** A time service reaches its server. */
  async synchronises(): Promise<void> {
    this.clock.stepWall(this.trueMs - this.clock.wallMs);
    this.clock.trust = 'synced';
    await this.passes(1_000);
  }

  /** Its value says when it was true. */
  async reads(some: Parameters<typeof reading>[0] = {}): Promise<void> {
    const value = this.truth.push(this.trueMs) - 1;
    await this.buffer?.append(some.point?.stream ?? 'meter-readings', [
      reading({ at: this.clock.now(), value, ...some }),
    ]);
  }

  async sends(count: number): Promise<void> {
    for (let looks = 0; looks < 400 && this.sent.length < count; looks++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (looks % 4 === 3) await this.passes(1_000);
    }
    if (this.sent.length !== count) throw new Error(`${this.sent.length} readings were sent instead of ${count}`);
  }

  async sendsNothing(): Promise<void> {
    const before = this.sent.length;
    await this.passes(2_000);
    await new Promise((resolve) => setTimeout(resolve, 60));
    if (this.sent.length !== before) throw new Error(`${this.sent.length - before} readings were sent that must wait`);
  }

  /** How far each time sent is from the truth. */
  errors(): number[] {
    return this.sent.map(({ value, timeMs }) => timeMs - (this.truth[value ?? -1] ?? NaN));
  }

  /** A repeat says what was said before. */
  #arrived(entry: KeptReading): void {
    const before = this.sent.find(({ epoch, seq }) => epoch === entry.epoch && seq === entry.seq);
    if (before === undefined) {
      this.sent.push(entry);
      return;
    }
    assert.deepEqual(entry, { ...before, repeat: true });
    this.repeats += 1;
  }

  async #forward(buffer: Buffer, stream: Stream): Promise<void> {
    const { signal } = this.#off;
    let after = 0;
    try {
      for (;;) {
        const batch = await buffer.next(stream, after, 1000, signal);
        after = batch.last;
        for (const entry of batch.entries) if (entry.form === 'reading') this.#arrived(entry);
        buffer.settle(stream, batch.first, batch.last);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
