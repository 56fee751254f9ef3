import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost, PollJob, Session } from '../driver.ts';
import { Call, isSilence } from './call.ts';
import { HalfOpen } from './half-open.ts';
import { Rounds, nextOf } from './line-order.ts';
import type { Link, Outcome } from './link.ts';
import type { ReadyPoint } from './observe.ts';
import type { ModbusPlan } from './plan.ts';
import type { Block } from './plan-reads.ts';
import { Probing, idleMsOf, probeAgainMs } from './probing.ts';
import type { Probe } from './probing.ts';
import { outcomeJson, questionOf } from './questions.ts';
import type { Question } from './questions.ts';
import { limitsOf, readyDevice } from './ready-device.ts';
import type { ReadyDevice } from './ready-device.ts';
import { TableHints } from './table-hints.ts';

/** One question of a process that borrows the line. */
interface Ask extends Question {
  readonly signal: AbortSignal;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One request on its way, or about to be. */
interface Work {
  readonly unitId: number;
  /** Likely to stay unanswered, or nobody's concern here: all of these share one place, so that the living have the others. */
  readonly isDoubtful: boolean;
  /** Never rejects. */
  run(): Promise<void>;
}

/**
 * One line with one owner. Calls wait in one queue and are served request by request (`line-order.ts`), up to `maxInFlight` at once, never two of one unit; devices that are
 * dead are probed when the queue is empty (`liveness.ts`); what a device refuses to read at once is read in parts (`block-memory.ts`). Who borrows the line comes after all of them.
 */
export class ModbusSession implements Session {
  readonly ended: Promise<Error | undefined>;
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #plan: ModbusPlan;
  readonly #devices: ReadonlyMap<string, ReadyDevice>;
  readonly #halfOpen: HalfOpen;
  readonly #hints: TableHints;
  readonly #rounds = new Rounds();
  readonly #probes = new Probing();
  readonly #stopped = new AbortController();
  /** Devices whose call was given up before its turn, with when it was due. */
  readonly #places = new Map<string, number>();
  /** In the order of waiting; those whose request is on its way too. */
  #queue: Call[] = [];
  #asks: Ask[] = [];
  readonly #inFlight = new Set<Work>();
  #serving = false;
  #turns = 0;
  #quietUntilMs = 0;
  /** After a question of a stranger it is not known which device the next one is for. */
  readonly #longestPauseMs: number;
  #wake = new AbortController();

  constructor(plan: ModbusPlan, link: Link, host: DriverHost) {
    const { clock, everyRaw = false } = host;
    this.#link = link;
    this.#clock = clock;
    this.#plan = plan;
    this.#devices = new Map(
      plan.devices.map((device, place) => [device.id, readyDevice(device, place - plan.devices.length, everyRaw)]),
    );
    this.#halfOpen = new HalfOpen(link);
    this.#longestPauseMs = Math.max(0, ...plan.devices.flatMap(({ points }) => points.map(({ pauseMs }) => pauseMs)));
    this.#hints = new TableHints((message) => host.log?.(message));
    this.ended = this.#watch(link);
  }

  poll(job: PollJob, signal: AbortSignal): Promise<Observation[]> {
    const device = this.#devices.get(job.device);
    if (this.#stopped.signal.aborted) return Promise.reject(this.#stopped.signal.reason as Error);
    if (device === undefined || device.liveness.isDegraded) {
      const status = device === undefined ? 'BadConfigurationError' : 'BadNoCommunication';
      const now = this.#clock.now();
      return Promise.resolve(job.points.map((info) => unanswered(info, status, now)));
    }
    const dueMs = Math.min(this.#rounds.dueMs(job.dueMs), this.#places.get(job.device) ?? Infinity);
    const call = new Call(job, device, dueMs, this.#clock);
    const giveUp = (): void => {
      if (this.#queue.includes(call) && call.isUntouched) this.#places.set(job.device, dueMs);
      call.settle('BadTimeout');
    };
    if (signal.aborted) {
      giveUp();
      return call.result;
    }
    signal.addEventListener('abort', giveUp, { once: true });
    this.#queue.push(call);
    void this.#serve();
    return call.result.finally(() => {
      for (const table of call.unknownTables) this.#hints.tell(device.id, table);
      signal.removeEventListener('abort', giveUp);
    });
  }

  ask(question: unknown, signal: AbortSignal): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    if (this.#stopped.signal.aborted) return Promise.reject(this.#stopped.signal.reason as Error);
    const ask: Ask = { ...questionOf(question), signal, resolve, reject };
    const giveUp = (): void => {
      this.#asks = this.#asks.filter((other) => other !== ask);
      reject(signal.reason as Error);
    };
    if (signal.aborted) giveUp();
    else {
      signal.addEventListener('abort', giveUp, { once: true });
      this.#asks.push(ask);
      void this.#serve();
    }
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.ended;
  }

  async #watch(link: Link): Promise<Error | undefined> {
    const error = await link.ended;
    const reason = error ?? new LinkError(`${this.#plan.connection}: the connection was closed`);
    this.#stopped.abort(reason);
    this.#wake.abort(null);
    // A request on its way is told by the link.
    for (const call of this.#queue) if (!call.isAsking) call.fail(reason);
    for (const { reject } of this.#asks) reject(reason);
    return error;
  }

  async #serve(): Promise<void> {
    this.#wake.abort(null);
    if (this.#serving) return;
    this.#serving = true;
    // Calls made in one turn compete: the order of the calls says nothing, `dueMs` does.
    await Promise.resolve();
    while (!this.#stopped.signal.aborted) {
      this.#queue = this.#queue.filter(({ settled }) => !settled);
      const nowMs = this.#clock.now().bootMs;
      const work = this.#next(nowMs);
      if (work === undefined) {
        if (!(await this.#idle())) break;
      } else if (nowMs < this.#quietUntilMs) {
        await this.#clock.sleep(this.#quietUntilMs - nowMs, this.#stopped.signal).catch(() => {});
      } else {
        void this.#begin(work);
      }
    }
    this.#serving = false;
    if (!this.#stopped.signal.aborted && (this.#asks.length > 0 || this.#queue.some(({ settled }) => !settled)))
      void this.#serve();
  }

  async #begin(work: Work): Promise<void> {
    this.#inFlight.add(work);
    await work.run();
    this.#inFlight.delete(work);
    this.#wake.abort(null);
  }

  /** Until something is to be done; false: there is nothing to wait for. */
  async #idle(): Promise<boolean> {
    const isBusy = this.#inFlight.size > 0;
    if (!isBusy) this.#link.idle?.();
    const now = this.#clock.now();
    const againMs = isBusy ? Infinity : probeAgainMs([...this.#devices.values()], now);
    if (againMs === undefined) return false;
    this.#wake = new AbortController();
    const { signal } = this.#wake;
    if (againMs === Infinity) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    else await this.#clock.sleep(againMs - now.bootMs, signal).catch(() => {});
    return true;
  }

  /** What is to be asked next; undefined: nothing for now. Changes nothing. */
  #next(nowMs: number): Work | undefined {
    const inFlight = [...this.#inFlight];
    if (inFlight.length >= this.#plan.maxInFlight) return undefined;
    const isFree = (unitId: number): boolean => inFlight.every((work) => work.unitId !== unitId);
    const hasDoubtful = inFlight.some(({ isDoubtful }) => isDoubtful);
    const devices = [...this.#devices.values()];
    const probe = (idleMs: number): Work | undefined => {
      const found = hasDoubtful ? undefined : this.#probes.next(devices, nowMs, idleMs);
      return found === undefined || !isFree(found.device.unitId) ? undefined : this.#probing(found);
    };
    const overdue = probe(0);
    if (overdue !== undefined) return overdue;
    const call = nextOf(
      this.#queue.filter(({ device, isDoubtful }) => isFree(device.unitId) && !(isDoubtful && hasDoubtful)),
      nowMs,
    );
    if (call !== undefined) return this.#asking(call);
    if (this.#queue.length > 0 || hasDoubtful) return undefined;
    const idle = probe(idleMsOf(devices, this.#clock.now()));
    if (idle !== undefined) return idle;
    const [ask] = this.#asks;
    return ask === undefined || !isFree(ask.request.unitId) ? undefined : this.#lending(ask);
  }

  /** One request of a call. */
  #asking(call: Call): Work {
    const { device } = call;
    const run = async (): Promise<void> => {
      const step = call.take();
      if (step === undefined) return;
      call.isAsking = true;
      if (device.turn === call.turn) device.turn = this.#turns++;
      this.#places.delete(device.id);
      try {
        const beganMs = this.#clock.now().bootMs;
        const outcome = await this.#request(device, step.block, limitsOf(step.block).timeoutMs);
        const tookMs = this.#clock.now().bootMs - beganMs;
        if (call.heard(step, outcome, { tookMs, isOpen: this.#link.isOpen }))
          this.#halfOpen.suspect(device, this.#devices.values());
      } catch (error) {
        call.fail(error as Error);
      } finally {
        call.isAsking = false;
        if (this.#stopped.signal.aborted) call.fail(this.#stopped.signal.reason as Error);
      }
    };
    return { unitId: device.unitId, isDoubtful: call.isDoubtful, run };
  }

  #probing(probe: Probe): Work {
    const { device, block, timeoutMs } = probe;
    const run = async (): Promise<void> => {
      this.#probes.sent(probe, this.#clock.now().bootMs);
      try {
        const outcome = await this.#request(device, block, timeoutMs);
        if (isSilence(outcome) || outcome.kind === 'damaged') {
          // Where one is polled still, its polls tell whether the link is.
          const all = [...this.#devices.values()];
          if (all.every(({ liveness }) => liveness.isDegraded)) this.#halfOpen.suspect(device, all);
        } else {
          device.liveness.answered();
          this.#probes.answered();
          if (outcome.kind === 'data') device.memory.answered(block, this.#clock.now().bootMs);
        }
      } catch {
        // The link was lost: whoever watches it tells.
      }
    };
    return { unitId: device.unitId, isDoubtful: true, run };
  }

  /** Serves one who borrows the line. */
  #lending(ask: Ask): Work {
    const run = async (): Promise<void> => {
      this.#asks = this.#asks.filter((other) => other !== ask);
      try {
        ask.resolve(outcomeJson(await this.#link.request(ask.request, ask.timeoutMs)));
      } catch (error) {
        ask.reject(error as Error);
      }
      this.#rest(this.#longestPauseMs);
    };
    return { unitId: ask.request.unitId, isDoubtful: true, run };
  }

  /** Nothing is asked meanwhile. */
  #rest(pauseMs: number): void {
    this.#quietUntilMs = Math.max(this.#quietUntilMs, this.#clock.now().bootMs + pauseMs);
  }

  async #request({ unitId }: ReadyDevice, block: Block<ReadyPoint>, timeoutMs: number): Promise<Outcome> {
    const { table, address, count } = block;
    const outcome = await this.#link.request({ unitId, table, address, count }, timeoutMs);
    this.#rest(limitsOf(block).pauseMs);
    return outcome;
  }
}
