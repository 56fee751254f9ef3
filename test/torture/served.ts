import type { CountingServer } from '../simulators/modbus-raw-server.ts';
import { countedWord } from '../simulators/modbus-raw-server.ts';

export interface TimedReading {
  readonly id: string;
  readonly point: string;
  readonly value: number;
  readonly time: string;
  readonly slot: string | null;
}

const unitId = 1;
/** Between the meter's answer and its stamp, on a machine under load; every step of the clock is longer by far. */
const lateMs = 5_000;
const earlyMs = 100;

/** When a counting meter served which poll, on a clock that nobody moves: what a delivered reading says is held against it. */
export class Served {
  readonly #meters: CountingServer;
  /** By poll number: it was served between these times. */
  readonly #spans = new Map<number, readonly [number, number]>();
  readonly #watching: NodeJS.Timeout;
  #lookedMs = Date.now();

  constructor(meters: CountingServer) {
    this.#meters = meters;
    this.#watching = setInterval(() => this.#look(), 5);
  }

  /** What is wrong with a reading of `polls` or `energy` (registers 2 and 3 of the poll before it) that claims a right time; null: nothing. */
  wrong({ id, point, value, time, slot }: TimedReading): string | null {
    const poll = point === 'polls' ? value : pollOf(value, this.#spans.size);
    const span = this.#spans.get(poll);
    if (span === undefined) return `${id}: ${point} ${value} was never served`;
    // `energy` shows a poll until the next one.
    const from = span[0];
    const to = point === 'polls' ? span[1] : (this.#spans.get(poll + 1)?.[1] ?? Date.now());
    const atMs = Date.parse(time);
    if (atMs < from - earlyMs || atMs > to + lateMs)
      return `${id}: ${point} ${value} has time ${time}, served ${new Date(from).toISOString()}`;
    const slotMs = slot === null ? atMs : Date.parse(slot);
    return slotMs > atMs + earlyMs || slotMs < atMs - lateMs - 1_000 ? `${id}: ${time} has slot ${slot}` : null;
  }

  close(): void {
    clearInterval(this.#watching);
  }

  #look(): void {
    const nowMs = Date.now();
    for (const polls = this.#meters.polls(unitId); this.#spans.size < polls;)
      this.#spans.set(this.#spans.size + 1, [this.#lookedMs, nowMs]);
    this.#lookedMs = nowMs;
  }
}

/** The newest poll with these two words; -1: none has them. */
function pollOf(value: number, newest: number): number {
  for (let poll = newest; poll >= 0; poll--)
    if (countedWord(unitId, poll, 2) * 65_536 + countedWord(unitId, poll, 3) === value) return poll;
  return -1;
}
