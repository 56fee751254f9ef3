import type { GatewayEvent, Seq, Stream } from '../agent/reading.ts';
import { streams } from '../agent/reading.ts';
import type { Stamp } from '../agent/clock.ts';
import type { Numbered } from './frames/frame.ts';
import type { Gathering } from './gathering.ts';
import type { Commit, Descriptor } from './protocol.ts';
import { Settled } from './ranges.ts';

/** What one commit will write: dated, so that whoever sees it before it is on disk sees what will be there. */
export interface Sealed {
  readonly gathering: Gathering;
  readonly anchor: Stamp;
  readonly lanes: readonly { readonly stream: Stream; readonly entries: readonly Numbered[] }[];
  readonly commit: Commit;
  /** What readers may have been given. */
  readonly shown: Set<Stream>;
}

/**
 * While the file system is read-only, readers get from memory what could not be written. That is safe to send: its numbers belong to this start's epoch,
 * which is given to no other, and its content is fixed, since the very same frames are written as soon as the disk takes them. What has been
 * delivered by then need not be written at all.
 */
export class Volatile {
  isOn = false;
  readonly #held: Sealed[] = [];
  readonly #blocked = new Set<Stream>();
  /** Of what is held and delivered; descriptors that later frames use. */
  #carried: Descriptor[] = [];
  #settled: Settled[] = streams.map(() => new Settled());

  hold(sealed: Sealed): void {
    this.#held.push(sealed);
  }

  /**
   * Readings that wait for their date are not sent, nor is what comes behind them in their lane: a reader that is given it counts all before it as seen.
   */
  mayShow(stream: Stream, isUndated: boolean): boolean {
    if (isUndated) this.#blocked.add(stream);
    return !this.#blocked.has(stream);
  }

  /** Nothing is held any more, or what waits has its date. */
  unblock(): void {
    this.#blocked.clear();
  }

  /** What waits to be written, the oldest first. */
  get held(): readonly Sealed[] {
    return this.#held;
  }

  /** The oldest that is to be written. */
  take(): Sealed | undefined {
    return this.#held.shift();
  }

  /** Descriptors of what was let go, for the next commit. */
  takeCarried(): Descriptor[] {
    const carried = this.#carried;
    this.#carried = [];
    return carried;
  }

  /** Delivered. Returns what need not be written any more, all of it. */
  settle(lane: number, first: Seq, last: Seq): Sealed[] {
    this.#settled[lane]?.add(first, last);
    const isDone = ({ commit }: Sealed): boolean =>
      commit.drops.length + commit.dating.length === 0 &&
      commit.frames.every((frame) => this.#settled[frame.lane]?.covers(frame.first, frame.last) === true);
    const done = this.#held.filter(isDone);
    for (const one of done) {
      this.#held.splice(this.#held.indexOf(one), 1);
      this.#carried.push(...one.commit.described);
    }
    return done;
  }
}

/** Delivered from memory, like all that follows it. */
export function volatileEvent(path: string, nowMs: number): GatewayEvent {
  const notBefore = new Date(nowMs).toISOString();
  return {
    event: 'possible-loss',
    severity: 'error',
    message: `The file system of the buffer (${path}) is read-only since ${notBefore}: readings are kept in memory only and sent from there. A power cut or a stop loses what is not delivered by then. Look at the disk (dmesg); a card that turns read-only should be replaced.`,
    facts: { notBefore, path, reason: 'the file system of the buffer is read-only' },
  };
}
