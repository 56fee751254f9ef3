import type { Clock } from '../../agent/clock.ts';
import { LinkError } from '../../agent/errors.ts';
import { unanswered } from '../../agent/reading.ts';
import type { Observation } from '../../agent/reading.ts';
import type { DriverHost, PollJob, Session } from '../driver.ts';
import { isLate, nextOf, silenceWeight } from './line-order.ts';
import type { Waiting } from './line-order.ts';
import type { Link, Outcome } from './link.ts';
import type { Liveness } from './liveness.ts';
import { observed, seenOf } from './observe.ts';
import type { ReadyPoint, Seen } from './observe.ts';
import type { ModbusPlan } from './plan.ts';
import type { Block } from './plan-reads.ts';
import { meansSilence } from './protocol.ts';
import { outcomeJson, questionOf } from './questions.ts';
import type { Question } from './questions.ts';
import type { Table } from './protocol.ts';
import { blocksOf, hasCounter, limitsOf, readyDevice, stepsOf, takeStep } from './ready-device.ts';
import type { ReadyDevice, Step } from './ready-device.ts';

/** One call of `poll`, until it is settled. */
interface Call extends Waiting {
  readonly job: PollJob;
  readonly signal: AbortSignal;
  readonly device: ReadyDevice;
  readonly dueMs: number;
  /** Requests still to be made. */
  left: Step[];
  spentMs: number;
  isCounter: boolean;
  /** What came of the requests, by name of the point; also of points that are only needed for others. */
  readonly seen: Map<string, Seen>;
  /** Tables of which the device said once that it does not know them. */
  readonly unsupported: Set<Table>;
  settled: boolean;
  readonly resolve: (seen: Observation[]) => void;
  readonly reject: (error: Error) => void;
}

/** One question of a process that borrows the line. */
interface Ask extends Question {
  readonly signal: AbortSignal;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One line with one owner. Calls wait in one queue and are served request by request (`line-order.ts`); devices that are dead are probed when the queue is empty
 * (`liveness.ts`); what a device refuses to read at once is read in parts (`block-memory.ts`). Who borrows the line comes after all of them.
 */
export class ModbusSession implements Session {
  readonly ended: Promise<Error | undefined>;
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #plan: ModbusPlan;
  readonly #devices: ReadonlyMap<string, ReadyDevice>;
  readonly #stopped = new AbortController();
  /** Devices that fell silent, with all that had been heard on the socket by then. */
  readonly #silentSince = new Map<string, number>();
  /** Devices whose call was given up before its turn, with when it was due. */
  readonly #places = new Map<string, number>();
  /** In the order of waiting. */
  #queue: Call[] = [];
  #asks: Ask[] = [];
  readonly #busy = new Set<ReadyDevice>();
  #serving = false;
  #quietUntilMs = 0;
  #wake = new AbortController();

  constructor(plan: ModbusPlan, link: Link, { clock, everyRaw = false }: DriverHost) {
    this.#link = link;
    this.#clock = clock;
    this.#plan = plan;
    this.#devices = new Map(plan.devices.map((device) => [device.id, readyDevice(device, everyRaw)]));
    this.ended = this.#watch(link);
  }

  poll(job: PollJob, signal: AbortSignal): Promise<Observation[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Observation[]>();
    const device = this.#devices.get(job.device);
    const now = this.#clock.now();
    if (this.#stopped.signal.aborted) return Promise.reject(this.#stopped.signal.reason as Error);
    if (device === undefined || device.liveness.isDegraded) {
      const status = device === undefined ? 'BadConfigurationError' : 'BadNoCommunication';
      return Promise.resolve(job.points.map((info) => unanswered(info, status, now)));
    }
    const dueMs = Math.min(job.dueMs, this.#places.get(job.device) ?? Infinity);
    const left = stepsOf(device.memory.readable(blocksOf(device, job.points), now.bootMs));
    const own = {
      job,
      signal,
      device,
      dueMs,
      left,
      seen: new Map<string, Seen>(),
      unsupported: new Set<Table>(),
      resolve,
      reject,
    };
    const first = left[0] === undefined ? 0 : limitsOf(left[0].block).timeoutMs;
    const spentMs = device.liveness.failures * first * silenceWeight;
    const call: Call = { ...own, isCounter: hasCounter(left), spentMs, settled: false };
    const giveUp = (): void => {
      if (this.#queue.includes(call) && call.seen.size === 0 && !this.#busy.has(device))
        this.#places.set(job.device, dueMs);
      this.#settle(call, 'BadTimeout');
    };
    if (signal.aborted) {
      giveUp();
      return promise;
    }
    signal.addEventListener('abort', giveUp, { once: true });
    this.#queue.push(call);
    void this.#serve();
    return promise.finally(() => {
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
    this.#stopped.abort(error ?? new LinkError(`${this.#plan.connection}: the connection was closed`));
    this.#wake.abort(null);
    for (const call of this.#queue)
      if (!this.#busy.has(call.device)) this.#fail(call, this.#stopped.signal.reason as Error);
    for (const { reject } of this.#asks) reject(this.#stopped.signal.reason as Error);
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
      const overdue = this.#toProbe(nowMs, 0);
      const next = overdue === undefined ? nextOf(this.#queue, nowMs) : undefined;
      if (next !== undefined) await this.#take(next);
      else if (!(await this.#probe(nowMs)) && !(await this.#lend()) && !(await this.#idle(nowMs))) break;
    }
    this.#serving = false;
    if (this.#stopped.signal.aborted)
      for (const call of this.#queue) this.#fail(call, this.#stopped.signal.reason as Error);
    else if (this.#asks.length > 0 || this.#queue.some(({ settled }) => !settled)) void this.#serve();
  }

  /** Until something is to be done; false: there is nothing to wait for. */
  async #idle(nowMs: number): Promise<boolean> {
    if (this.#asks.length > 0 || this.#queue.some(({ settled }) => !settled)) return true;
    const probes = [...this.#devices.values()].filter(({ liveness }) => liveness.isDegraded);
    this.#link.idle?.();
    if (probes.length === 0) return false;
    const untilMs = Math.min(...probes.map(({ liveness }) => this.#probeAgainMs(liveness, nowMs)));
    this.#wake = new AbortController();
    await this.#clock.sleep(untilMs - nowMs, this.#wake.signal).catch(() => {});
    return true;
  }

  /** Whether somebody who borrows the line was served. */
  async #lend(): Promise<boolean> {
    const ask = this.#asks.shift();
    if (ask === undefined) return false;
    try {
      await this.#rest();
      ask.resolve(outcomeJson(await this.#link.request(ask.request, ask.timeoutMs)));
    } catch (error) {
      ask.reject(error as Error);
    }
    return true;
  }

  /** One request. */
  async #take(call: Call): Promise<void> {
    const step = takeStep(call.left, isLate(call, this.#clock.now().bootMs));
    if (step === undefined) {
      this.#settle(call, 'BadConfigurationError');
      return;
    }
    const { device } = call;
    this.#busy.add(device);
    this.#places.delete(device.id);
    try {
      const beganMs = this.#clock.now().bootMs;
      const outcome = await this.#ask(device, step.block, limitsOf(step.block).timeoutMs);
      call.spentMs += (this.#clock.now().bootMs - beganMs) * (isSilence(outcome) ? silenceWeight : 1);
      this.#digest(call, step, outcome);
    } catch (error) {
      this.#fail(call, error as Error);
    } finally {
      this.#busy.delete(device);
    }
  }

  async #ask(device: ReadyDevice, block: Block<ReadyPoint>, timeoutMs: number): Promise<Outcome> {
    await this.#rest();
    const { table, address, count } = block;
    const outcome = await this.#link.request({ unitId: device.unitId, table, address, count }, timeoutMs);
    this.#quietUntilMs = this.#clock.now().bootMs + limitsOf(block).pauseMs;
    return outcome;
  }

  /** What an outcome means for the device and for the rest of its call. */
  #digest(call: Call, step: Step, outcome: Outcome): void {
    const { device } = call;
    const { block, triesLeft } = step;
    const nowMs = this.#clock.now().bootMs;
    const isSilent = isSilence(outcome);
    if (!isSilent && outcome.kind !== 'damaged') device.liveness.answered();
    const isBusy = outcome.kind === 'exception' && (outcome.code === 5 || outcome.code === 6);
    if ((isSilent || isBusy || (outcome.kind === 'damaged' && this.#link.isOpen)) && triesLeft > 0 && !call.settled) {
      // Who is busy (06), or still at it (05), is asked for the rest first.
      call.left.splice(isBusy ? call.left.length : 0, 0, { ...step, triesLeft: triesLeft - 1 });
      return;
    }
    note(call, block, outcome);
    if (isSilent) {
      device.memory.silent(block);
      device.liveness.failed(nowMs);
      this.#settle(call, 'BadNoCommunication');
      this.#suspect(device.id);
    } else if (outcome.kind === 'damaged') {
      this.#settle(call, 'BadNoCommunication');
    } else if (outcome.kind === 'exception') {
      this.#refused(call, block, outcome, nowMs);
    } else {
      device.memory.answered(block, nowMs);
    }
    call.isCounter = hasCounter(call.left);
    if (call.left.length === 0) this.#settle(call, 'BadConfigurationError');
  }

  #refused(call: Call, block: Block<ReadyPoint>, outcome: Outcome & { kind: 'exception' }, nowMs: number): void {
    const { memory } = call.device;
    if (outcome.code === 1 && !memory.hasAnswered(block.table)) {
      // One block may have the wrong address, with a device that calls that so; two of them condemn the table.
      if (!call.unsupported.has(block.table)) {
        call.unsupported.add(block.table);
        return;
      }
      for (const step of call.left) if (step.block.table === block.table) note(call, step.block, outcome);
      call.left = call.left.filter((step) => step.block.table !== block.table);
    } else if (outcome.code >= 1 && outcome.code <= 3) {
      call.left.unshift(...stepsOf(memory.refused(block, outcome.code, nowMs)));
    }
  }

  /** Whether a degraded device was probed. */
  async #probe(nowMs: number): Promise<boolean> {
    const found = this.#toProbe(nowMs, this.#queue.length === 0 ? this.#idleMs() : 0);
    if (found === undefined) return false;
    const { device, block, timeoutMs } = found;
    device.liveness.probed(nowMs);
    try {
      const outcome = await this.#ask(device, block, timeoutMs);
      if (isSilence(outcome) || outcome.kind === 'damaged') {
        // Where one is polled still, its polls tell whether the link is.
        if ([...this.#devices.values()].every(({ liveness }) => liveness.isDegraded)) this.#suspect(device.id);
      } else {
        device.liveness.answered();
        if (outcome.kind === 'data') device.memory.answered(block, this.#clock.now().bootMs);
      }
    } catch {
      // The link was lost: whoever watches it tells.
    }
    return true;
  }

  #toProbe(
    nowMs: number,
    idleMs: number,
  ): { device: ReadyDevice; block: Block<ReadyPoint>; timeoutMs: number } | undefined {
    for (const device of this.#devices.values()) {
      const { liveness, smallest } = device;
      if (smallest === undefined || nowMs < liveness.probeDueMs) continue;
      const timeoutMs = liveness.probeMs(nowMs, idleMs, limitsOf(smallest).timeoutMs);
      if (timeoutMs !== null) return { device, block: smallest, timeoutMs };
    }
    return undefined;
  }

  /** When to look again whether this one can be probed. */
  #probeAgainMs({ probeDueMs }: Liveness, nowMs: number): number {
    return probeDueMs > nowMs ? probeDueMs : nowMs + Math.min(1000, this.#idleMs() + 1);
  }

  /** Until the next slot of a device that is polled. */
  #idleMs(): number {
    const { wallMs } = this.#clock.now();
    const polled = [...this.#devices.values()].filter(({ liveness }) => !liveness.isDegraded);
    return Math.min(...polled.flatMap(({ everyMs }) => everyMs).map((everyMs) => everyMs - (wallMs % everyMs)));
  }

  async #rest(): Promise<void> {
    const waitMs = this.#quietUntilMs - this.#clock.now().bootMs;
    if (waitMs > 0) await this.#clock.sleep(waitMs, this.#stopped.signal);
  }

  /**
   * A silent device is its own matter, until it fell silent twice, every neighbour that is alive was asked in vain, and nothing at all was heard on the
   * socket in between: then the socket may be half open, where TCP itself would notice only after minutes.
   */
  #suspect(deviceId: string): void {
    if (!this.#link.canBeHalfOpen) return;
    const heard = this.#link.bytesHeard;
    const isSilentAgain = this.#silentSince.get(deviceId) === heard;
    this.#silentSince.set(deviceId, heard);
    const others = [...this.#devices.values()].filter(({ id, liveness }) => id !== deviceId && !liveness.isDegraded);
    // As long as a neighbour was not asked in vain too, it is the device.
    if (isSilentAgain && others.every(({ id }) => this.#silentSince.get(id) === heard))
      this.#link.lose('nothing was heard through two polls of a device');
  }

  #fail(call: Call, error: Error): void {
    if (call.settled) return;
    call.settled = true;
    call.reject(error);
  }

  /** Resolves the call; points that nobody saw get `status`. */
  #settle(call: Call, status: string): void {
    if (call.settled) return;
    call.settled = true;
    const at = this.#clock.now();
    const { points } = call.device;
    const seen = call.job.points.map((info) => {
      const point = points.get(info.point);
      const found = point === undefined ? undefined : observed(point, call.seen, points);
      return found ?? unanswered(info, status, at);
    });
    call.resolve(seen);
  }
}

function isSilence(outcome: Outcome): boolean {
  return outcome.kind === 'silence' || (outcome.kind === 'exception' && meansSilence(outcome.code));
}

/** Keeps what the outcome says about the points of the block. */
function note(call: Call, block: Block<ReadyPoint>, outcome: Outcome): void {
  for (const point of block.points) call.seen.set(point.info.point, seenOf(point, block.address, outcome));
}
