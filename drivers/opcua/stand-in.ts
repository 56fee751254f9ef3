import type { Observation } from '../../agent/reading.ts';
import type { DriverHost } from '../driver.ts';
import type { Item } from './handover.ts';
import type { OpcUaPoint } from './plan.ts';
import type { Found } from './read-queue.ts';
import type { Target } from './wire.ts';

/** One observation for each, in order. Rejects when the link is lost. */
export type StandInRead = (found: readonly Found[], dueMs: number, signal: AbortSignal) => Promise<Observation[]>;

interface Options {
  readonly connection: string;
  readonly host: DriverHost;
  /** Where what changed goes. */
  readonly push: (seen: readonly Observation[]) => Promise<void>;
  readonly read: StandInRead;
  readonly signal: AbortSignal;
  readonly failed: (error: unknown) => void;
}

/** How often it is looked whether there is something to read. */
const idleMs = 1_000;

/**
 * Reads the subscribed points that the server does not watch, as often as it would send them, and says what changed, as a subscription does: what changes twice between two
 * reads is seen once.
 */
export class StandIn {
  readonly #options: Options;
  readonly #items = new Map<OpcUaPoint, { readonly item: Item; dueMs: number }>();
  #isTold = false;

  constructor(options: Options) {
    this.#options = options;
  }

  add(item: Item): void {
    this.#items.set(item.point, { item, dueMs: this.#items.get(item.point)?.dueMs ?? 0 });
  }

  remove({ point }: Item): void {
    this.#items.delete(point);
  }

  /** Their nodes are others now. */
  move(moved: ReadonlyMap<OpcUaPoint, Target>): void {
    for (const [point, target] of moved) {
      const one = this.#items.get(point);
      if (one !== undefined) this.#items.set(point, { ...one, item: { ...one.item, target } });
    }
  }

  /** Tells of them, once, and reads them from now on. */
  start(): void {
    this.#tell();
    void this.#run();
  }

  #tell(): void {
    const { connection, host } = this.#options;
    const [first, ...others] = [...this.#items.values()];
    if (first === undefined || this.#isTold) return;
    this.#isTold = true;
    const { info } = first.item.point;
    const which = `${info.device}.${info.point}${others.length === 0 ? '' : ` and ${others.length} more`}`;
    host.log?.(
      `Connection ${connection}: the server watches no more points (${first.item.status}): ${which} ${others.length === 0 ? 'is' : 'are'} read instead, as often as it would send them; raise its limit, or write "mode": "poll" where that is enough`,
    );
  }

  async #run(): Promise<void> {
    const { host, signal, failed } = this.#options;
    try {
      for (;;) {
        const { bootMs } = host.clock.now();
        const due = [...this.#items.values()].filter(({ dueMs }) => dueMs <= bootMs);
        if (due.length > 0) await this.#read(due, bootMs);
        const next = Math.min(bootMs + idleMs, ...[...this.#items.values()].map(({ dueMs }) => dueMs));
        await host.clock.sleep(Math.max(0, next - host.clock.now().bootMs), signal);
        this.#tell();
      }
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
  }

  async #read(due: readonly { readonly item: Item; dueMs: number }[], bootMs: number): Promise<void> {
    const { push, read, signal } = this.#options;
    const seen = await read(
      due.map(({ item }) => item),
      bootMs,
      signal,
    );
    const news: Observation[] = [];
    for (const [at, one] of due.entries()) {
      const { item } = one;
      const { samplingMs, publishingMs } = item.subscribed;
      one.dueMs = bootMs + Math.max(samplingMs, publishingMs);
      const observation = seen[at];
      if (observation === undefined || isUnchanged(item.last, observation)) continue;
      item.last = observation;
      news.push(observation);
    }
    if (news.length > 0) await push(news);
  }
}

const isUnchanged = (before: Observation | null, after: Observation): boolean =>
  before !== null && before.value === after.value && before.text === after.text && before.status === after.status;
