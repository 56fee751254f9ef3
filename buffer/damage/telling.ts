import type { GatewayEvent } from '../../agent/reading.ts';
import { Untold } from './untold.ts';

/** So many waiting ones are each kept as they are told; of more, which one call may tell, not each takes a sync. */
const mostOneByOne = 64;

/**
 * What the writer tells of damage: on disk until a commit holds the event, and told again by the next start if none ever did. What it speaks of
 * leaves no other trace: a file was moved, or numbers count as settled. So it is told before that is done.
 */
export class Telling {
  readonly #tell: (event: GatewayEvent) => void;
  #untold: Untold<GatewayEvent> | null = null;
  /** No commit is known to hold them. By what they say; `number`: the how manieth it was. */
  readonly #waiting = new Map<string, { readonly event: GatewayEvent; readonly number: number }>();
  #told = 0;
  #isBehind = false;

  constructor(tell: (event: GatewayEvent) => void) {
    this.#tell = tell;
  }

  /** From now on they are kept in this folder, where those lie that an earlier start told in vain. */
  keepIn(folder: string): void {
    this.#untold = new Untold(folder, 'told.json');
    const own = this.#waiting.size;
    for (const event of this.#untold.found().values()) this.#pass(event);
    if (own > 0) this.#keep();
  }

  /** What waits already is not said twice. */
  tell(event: GatewayEvent): void {
    if (!this.#pass(event)) return;
    const { size } = this.#waiting;
    if (size <= mostOneByOne || Number.isInteger(Math.log2(size))) this.#keep();
    else this.#isBehind = true;
  }

  /** All that was told is on disk: before a commit says that it is settled, and before anything else is done. */
  keepRest(): void {
    if (this.#isBehind) this.#keep();
  }

  /** The first `heard` of all that were told are in a commit that returned. Never throws. */
  committed(heard: number): void {
    const before = this.#waiting.size;
    for (const [said, { number }] of this.#waiting) if (number <= heard) this.#waiting.delete(said);
    if (this.#waiting.size === 0) this.#untold?.forget();
    else if (this.#waiting.size < before) this.#keep();
  }

  #pass(event: GatewayEvent): boolean {
    const said = saidBy(event);
    if (this.#waiting.has(said)) return false;
    this.#told += 1;
    this.#waiting.set(said, { event, number: this.#told });
    this.#tell(event);
    return true;
  }

  #keep(): void {
    this.#isBehind = false;
    this.#untold?.keep(new Map([...this.#waiting].map(([said, { event }]) => [said, event])));
  }
}

/** That a file was put aside is news. */
function saidBy({ event, message, facts }: GatewayEvent): string {
  return JSON.stringify([event, event === 'quarantine' ? message : (facts ?? message)]);
}
