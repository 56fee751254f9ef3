import { messageOf } from '../../agent/errors.ts';
import type { RoomMade } from '../protocol.ts';

/** What the main thread's half of the buffer does for it. */
export interface RoomMakerParts {
  /** More is on disk than should be. */
  readonly isShort: () => boolean;
  /** Asks the writer thread; nothing that lies there may be read from memory from then on. */
  readonly ask: () => Promise<RoomMade>;
  /** Tells what is dropped. Resolves when the telling and the drop are on disk, by one commit. */
  readonly drop: (made: RoomMade & { did: 'drop' }) => Promise<void>;
  readonly isClosed: () => boolean;
  readonly log: (message: string) => void;
}

/** Under `whenFull: "thin"`: asks for room, step after step, whenever there is too little. */
export class RoomMaker {
  readonly #parts: RoomMakerParts;
  #isAtWork = false;
  #isTroubleTold = false;

  constructor(parts: RoomMakerParts) {
    this.#parts = parts;
  }

  /** Call it whenever the size of the buffer may have changed. Never throws. */
  look(): void {
    if (!this.#isAtWork && this.#parts.isShort()) void this.#work();
  }

  async #work(): Promise<void> {
    const { isShort, ask, drop, isClosed, log } = this.#parts;
    this.#isAtWork = true;
    try {
      while (isShort() && !isClosed()) {
        const made = await ask();
        this.#isTroubleTold = false;
        if (made.did === 'nothing' || isClosed()) break;
        if (made.did === 'drop') await drop(made);
      }
    } catch (error) {
      if (!isClosed() && !this.#isTroubleTold)
        log(`making room failed, it is tried again with the next commit: ${messageOf(error)}`);
      this.#isTroubleTold = true;
    } finally {
      this.#isAtWork = false;
    }
  }
}
