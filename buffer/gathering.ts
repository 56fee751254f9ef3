import type { Stream } from '../agent/reading.ts';
import type { Numbered } from './frames/frame.ts';
import type { Drop } from './protocol.ts';

/** What is gathered for the next commit; `promise` is what the `append` of each entry returned. */
export class Gathering {
  readonly lanes = new Map<Stream, { readonly stream: Stream; readonly entries: Numbered[] }>();
  readonly promise: Promise<void>;
  /** What counts as settled once these entries, which tell of it, are on disk; `count` entries each. */
  readonly drops: (Drop & { readonly count: number })[] = [];
  /** In memory, about. */
  bytes = 0;
  resolve: () => void = () => undefined;
  reject: (error: Error) => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever does not care for the outcome need not await it.
    this.promise.catch(() => undefined);
  }

  add(stream: Stream, numbered: Numbered, bytes: number): void {
    const lane = this.lanes.get(stream) ?? { stream, entries: [] };
    this.lanes.set(stream, lane);
    lane.entries.push(numbered);
    this.bytes += bytes;
  }
}
