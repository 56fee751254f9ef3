import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import type { Item, Live } from './handover.ts';
import type { MinuteLook } from './minute-look.ts';
import { observeRead } from './observe.ts';
import type { OpcUaPoint } from './plan.ts';
import type { Seen, Wire } from './wire.ts';

interface Options {
  readonly wire: Pick<Wire, 'mostReads'>;
  readonly look: MinuteLook;
  readonly host: Pick<DriverHost, 'clock'>;
  /** With what the server says of it. */
  readonly complete: (point: OpcUaPoint) => OpcUaPoint;
}

export interface Held {
  readonly handle: number;
  readonly item: Item;
}

/** A server may be so late with what it is to send. */
const graceMs = 2_000;
/** An item that says the same when it was made anew was not deaf: it is believed for so long. */
const believedMs = 3_600_000;
/** These speak of the question, not of the value. */
const ofTheQuestion =
  /^Bad(?:NodeId|AttributeId|NotReadable|NotSupported|UserAccess|Timeout|TooMany|Unexpected|Security)/;

/**
 * Finds items that say nothing though their value is another one than they said last: at some servers a node that was made anew leaves its item with the old one. A value is read, of what
 * the server has in its cache, of items that have been quiet for longer than a change takes to arrive. Only when two such looks, as far apart, both show another value, and nothing but the item spoke
 * meanwhile, is it deaf: what changed just now is on its way.
 */
export class DeafItems {
  readonly #options: Options;
  /** What it had said last when a look first showed another value, and when that was. */
  readonly #suspects = new Map<OpcUaPoint, { readonly last: Observation; readonly bootMs: number }>();
  readonly #renewed = new Map<OpcUaPoint, { readonly last: Observation; readonly bootMs: number }>();

  constructor(options: Options) {
    this.#options = options;
  }

  /** One look. Resolves with those that are to be made anew. */
  async find(all: readonly Held[], live: ReadonlyMap<number, Live>): Promise<readonly Held[]> {
    const { wire, look, host, complete } = this.#options;
    const { bootMs } = host.clock.now();
    const quiet = all.filter(({ item }) => this.#isDue(item, live.get(item.subscriptionId), bootMs));
    const deaf: Held[] = [];
    for (let from = 0; from < quiet.length; from += wire.mostReads) {
      const some = quiet.slice(from, from + wire.mostReads);
      const before = some.map(({ item }) => item.last);
      const targets = some.map(({ item }) => ({ nodeId: item.target?.nodeId ?? '' }));
      const seen = await look.read(targets, true);
      if (seen === null) break;
      for (const [at, held] of some.entries()) {
        const one = seen[at];
        const { last, subscriptionId } = held.item;
        // It spoke while it was asked.
        if (one === undefined || last === null || last !== before[at]) continue;
        const heardBootMs = live.get(subscriptionId)?.heardBootMs ?? 0;
        if (this.#isDeaf(held.item, last, isOther(held.item, one, last, complete), bootMs, heardBootMs))
          deaf.push(held);
      }
    }
    return deaf;
  }

  #isDue({ point, target, itemId, status, last, samplingMs }: Item, live: Live | undefined, bootMs: number): boolean {
    if (target === null || itemId === null || last === null || status === '' || live === undefined) return false;
    const renewed = this.#renewed.get(point);
    if (renewed && bootMs - renewed.bootMs < believedMs && isEqual(renewed.last, last)) return false;
    const suspect = this.#suspects.get(point);
    const sinceBootMs = suspect?.last === last ? suspect.bootMs : last.at.bootMs;
    return bootMs - sinceBootMs >= samplingMs + live.publishingMs + graceMs;
  }

  #isDeaf({ point }: Item, last: Observation, isOtherNow: boolean, bootMs: number, heardBootMs: number): boolean {
    const suspect = this.#suspects.get(point);
    this.#suspects.delete(point);
    if (!isOtherNow) return false;
    if (suspect?.last !== last) {
      this.#suspects.set(point, { last, bootMs });
      return false;
    }
    if (heardBootMs <= suspect.bootMs) {
      this.#suspects.set(point, suspect);
      return false;
    }
    this.#renewed.set(point, { last, bootMs });
    return true;
  }
}

/** Whether the server would have to send what was read: an older value is what its cache is behind with, and one within the deadband is nothing new. */
function isOther(
  { point, status, subscribed }: Item,
  seen: Seen,
  last: Observation,
  complete: Options['complete'],
): boolean {
  if (ofTheQuestion.test(seen.status.name)) return false;
  if (seen.sourceMs !== null && last.deviceTimeMs !== null && seen.sourceMs < last.deviceTimeMs) return false;
  if (seen.status.name !== status) return true;
  const { at } = last;
  const read = observeRead(complete(point), seen, at, at);
  if (read.value === null || last.value === null)
    return read.value !== last.value || (read.value === null && read.text !== last.text);
  const { deadband } = subscribed;
  // Of which range the percent are only the server knows.
  if (deadband?.type === 'percent') return false;
  const most = (deadband?.value ?? 0) * Math.abs(point.rules.scale);
  return Math.abs(read.value - last.value) > most * (1 + 1e-9);
}

const isEqual = (before: Observation, after: Observation): boolean =>
  before.value === after.value && before.text === after.text && before.status === after.status;
