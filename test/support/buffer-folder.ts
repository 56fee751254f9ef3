import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GatewayEvent } from '../../agent/reading.ts';
import type { Buffer, BufferOptions } from '../../buffer/buffer.ts';
import { openBuffer } from '../../buffer/open.ts';
import { FakeClock } from './fake-clock.ts';
import { SameThreadWriter } from './same-thread-writer.ts';

export const soon = (): AbortSignal => AbortSignal.timeout(8_000);

/** A folder of the test's own, and every buffer that was opened in it or in a copy. */
export class BufferFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-buffer-'));
  readonly events: GatewayEvent[] = [];
  readonly #open: Buffer[] = [];
  readonly #copies: string[] = [];

  async opened(some: Partial<BufferOptions> = {}): Promise<Buffer> {
    const buffer = await openBuffer({
      path: this.path,
      maxBytes: 64_000_000,
      commitEveryMs: 20,
      clock: new FakeClock(),
      writer: new SameThreadWriter(),
      event: (event) => this.events.push(event),
      ...some,
    });
    this.#open.push(buffer);
    return buffer;
  }

  /** A copy as kill -9 would leave it: the files as they are now, without an orderly end. */
  crashed(path = this.path): string {
    for (let attempt = 0; ; attempt++) {
      const copy = mkdtempSync(join(tmpdir(), 'sluice-crashed-'));
      this.#copies.push(copy);
      try {
        cpSync(path, copy, { recursive: true, filter: (file) => !file.endsWith('-shm') });
        return copy;
      } catch (error) {
        // A segment was delivered, and removed, meanwhile.
        if (attempt === 10) throw error;
      }
    }
  }

  segments(): string[] {
    return readdirSync(this.path)
      .filter((name) => /^\d{12}-.*\.db$/.test(name))
      .toSorted();
  }

  told(name: string): GatewayEvent[] {
    return this.events.filter(({ event }) => event === name);
  }

  async remove(): Promise<void> {
    for (const buffer of this.#open) await buffer.close(soon());
    for (const path of [this.path, ...this.#copies]) rmSync(path, { recursive: true, force: true });
  }
}
